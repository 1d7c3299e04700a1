//! A MongoDB of a test's own, which knows users and passwords.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::doc;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::scratch::from_script;

/// Longer than any start takes.
const START_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a start is left alone between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// A standalone mongod that asks for passwords. It is killed when it is dropped.
pub struct Mongod {
    process: Child,
    port: u16,
    // Behind the process, which is to end first.
    _data: TempDir,
}

impl Mongod {
    /// Starts one, with the user `owner`, who may do everything, and `reader`, who may only read. The password of each
    /// is `secret-` and the name.
    pub async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = Command::new(from_script("COLLOQUY_TEST_MONGOD"))
            .args(["--auth", "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"])
            .args(["--wiredTigerCacheSizeGB", "0.25"])
            .args(["--port", &port.to_string(), "--dbpath"])
            .arg(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mongod = Self {
            process,
            port,
            _data: data,
        };
        let uri = format!("mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=500");
        let admin = Client::with_uri_str(uri).await.unwrap().database("admin");
        let deadline = Instant::now() + START_WAIT_MAX;
        // The first user may be made by anybody on this machine.
        let owner = doc! { "createUser": "owner", "pwd": "secret-owner", "roles": ["root"] };
        while let Err(error) = admin.run_command(owner.clone()).await {
            assert!(Instant::now() < deadline, "mongod did not start: {error}");
            tokio::time::sleep(PAUSE).await;
        }
        let admin = mongod.client("owner").await.database("admin");
        let reader = doc! { "createUser": "reader", "pwd": "secret-reader", "roles": ["readAnyDatabase"] };
        admin.run_command(reader).await.unwrap();
        mongod
    }

    /// The address of a database, as a user sees it.
    pub fn uri(&self, user: &str, database: &str) -> String {
        let port = self.port;
        format!("mongodb://{user}:secret-{user}@127.0.0.1:{port}/{database}?authSource=admin")
    }

    /// Makes it answer nobody, as a machine whose disk hangs.
    pub fn freeze(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).unwrap();
    }

    /// A client of a user.
    pub async fn client(&self, user: &str) -> Client {
        Client::with_uri_str(self.uri(user, "admin")).await.unwrap()
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
