//! nginx in front of servers, with the configuration that is shipped.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::loopback::own_address;
use super::scratch::from_script;

const SITE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/ops/proxy/nginx.conf"));
/// Longer than any start takes.
const START_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long a start is left alone between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A running nginx. It is killed when it is dropped.
pub struct Nginx {
    process: Child,
    /// `http://` and the address.
    pub url: String,
    // Behind the process, which is to end first.
    folder: TempDir,
}

impl Nginx {
    /// Starts one in front of the servers at these addresses, whether or not they are there yet.
    pub async fn start(servers: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = own_address();
        let servers = servers
            .iter()
            .map(|server| format!("server {server} max_fails=0;"));
        let site = SITE
            .replace("${COLLOQUY_LISTEN}", &address)
            .replace("${COLLOQUY_SERVERS}", &servers.collect::<Vec<_>>().join(" "));
        fs::write(folder.path().join("colloquy.conf"), site).unwrap();
        // One process, so that its end is the end of all.
        let main = "daemon off; master_process off; pid nginx.pid; error_log error.log warn;
            events { worker_connections 1024; }
            http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi; include colloquy.conf; }";
        fs::write(folder.path().join("nginx.conf"), main).unwrap();
        let process = Command::new(from_script("COLLOQUY_TEST_NGINX"))
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self {
            process,
            url: format!("http://{address}"),
            folder,
        };
        let deadline = Instant::now() + START_WAIT_MAX;
        while TcpStream::connect(&address).is_err() {
            let ended = nginx.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{}", nginx.log());
            tokio::time::sleep(PAUSE).await;
        }
        nginx
    }

    /// What it complained of.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            println!("nginx: {}", self.log());
        }
    }
}
