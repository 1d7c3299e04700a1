//! A Redis of a test's own, to be killed, frozen and emptied.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::make;
use super::mongod::free_port;
use super::scratch::from_script;

/// A running redis-server that keeps nothing on disk by itself. It is killed when it is dropped.
pub struct Redis {
    process: Child,
    port: u16,
    /// Where a dump is, if one was saved.
    folder: TempDir,
    /// What `--feed-prefix` takes.
    pub prefix: String,
}

impl Redis {
    /// Starts one, and waits until it answers.
    pub fn start() -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        Self {
            process: launch(port, folder.path(), &[]),
            port,
            folder,
            prefix: format!("test-{}:", make::id()),
        }
    }

    /// What `--feed` takes.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The arguments of a server that uses it.
    pub fn arguments(&self) -> [String; 4] {
        ["--feed", &self.url(), "--feed-prefix", &self.prefix].map(str::to_owned)
    }

    /// Kills it, and with it goes all it holds.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts another in its place, which holds nothing.
    pub fn restart(&mut self) {
        let _ = std::fs::remove_file(self.folder.path().join(DUMP));
        self.restart_as_saved();
    }

    /// Has it save what it holds.
    pub async fn save(&self) {
        let mut connection = self.connection().await;
        let saved = redis::cmd("SAVE").query_async::<()>(&mut connection).await;
        saved.unwrap();
    }

    /// Kills it, and starts another in its place, which holds what was saved.
    pub fn restart_as_saved(&mut self) {
        self.kill();
        self.process = launch(self.port, self.folder.path(), &[]);
    }

    /// [`Redis::restart_as_saved`] with a user that it permits what these rules say, and with a load that takes 10 ms for
    /// each key: until then it answers that it is loading.
    pub fn restart_slowly(&mut self, user: &str, rules: &[&str]) {
        self.kill();
        let user = [&["--user", user], rules].concat();
        let slow = [
            "--key-load-delay",
            "10000",
            "--loading-process-events-interval-bytes",
            "1024",
        ];
        self.process = launch(self.port, self.folder.path(), &[&user[..], &slow[..]].concat());
    }

    /// Permits a user what these rules say.
    pub async fn permit(&self, user: &str, rules: &[&str]) {
        let mut permit = redis::cmd("ACL");
        permit.arg("SETUSER").arg(user).arg(rules);
        let mut connection = self.connection().await;
        permit.query_async::<()>(&mut connection).await.unwrap();
    }

    /// [`Redis::url`] of a user whose password is `x`.
    pub fn url_of(&self, user: &str) -> String {
        self.url().replace("//", &format!("//{user}:x@"))
    }

    /// Another one, of the same prefix, which holds what this one saved.
    pub fn start_another_as_saved(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(self.folder.path().join(DUMP), folder.path().join(DUMP)).unwrap();
        let port = free_port();
        Self {
            process: launch(port, folder.path(), &[]),
            port,
            folder,
            prefix: self.prefix.clone(),
        }
    }

    /// Takes over what another one saved, as if that had been its replica and came to be the primary in its place.
    pub fn take_over_from(&mut self, other: &Self) {
        self.kill();
        std::fs::copy(other.folder.path().join(DUMP), self.folder.path().join(DUMP)).unwrap();
        self.process = launch(self.port, self.folder.path(), &[]);
    }

    /// It keeps its connections and answers nothing.
    pub fn freeze(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).unwrap();
    }

    /// It goes on.
    pub fn thaw(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).unwrap();
    }

    /// A connection of the test's own.
    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// The names of everything it holds.
    pub async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.connection().await.keys("*").await.unwrap();
        keys.sort();
        keys
    }

    /// A figure of its own account, such as `connected_clients`.
    pub async fn figure(&self, name: &str) -> u64 {
        Self::figure_over(&mut self.connection().await, name).await
    }

    /// [`Redis::figure`] over a connection that is there, which makes none.
    pub async fn figure_over(connection: &mut MultiplexedConnection, name: &str) -> u64 {
        let told: String = redis::cmd("INFO")
            .arg("everything")
            .query_async(connection)
            .await
            .unwrap();
        let figure = told
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        figure.unwrap().trim().parse().unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What Redis calls its dump.
const DUMP: &str = "dump.rdb";

fn launch(port: u16, folder: &Path, arguments: &[&str]) -> Child {
    let mut process = Command::new(from_script("COLLOQUY_TEST_REDIS"))
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--rdbcompression", "no"])
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("Ready to accept connections") {
        line.clear();
        let read = log.read_line(&mut line).unwrap();
        assert!(read > 0, "redis-server did not start");
    }
    // Read to its end, so that it never waits for a full pipe.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    process
}
