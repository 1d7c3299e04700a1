//! A Redis of a test's own, to be killed, frozen and emptied.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use rustix::process::{Pid, Signal, kill_process};

use super::make;
use super::mongod::free_port;
use super::scratch::from_script;

/// A running redis-server that keeps nothing on disk. It is killed when it is dropped.
pub struct Redis {
    process: Child,
    port: u16,
    /// What `--feed-prefix` takes.
    pub prefix: String,
}

impl Redis {
    /// Starts one, and waits until it answers.
    pub fn start() -> Self {
        let port = free_port();
        Self {
            process: launch(port),
            port,
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
        self.kill();
        self.process = launch(self.port);
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
        let mut connection = self.connection().await;
        let told: String = redis::cmd("INFO")
            .arg("everything")
            .query_async(&mut connection)
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

fn launch(port: u16) -> Child {
    let mut process = Command::new(from_script("COLLOQUY_TEST_REDIS"))
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
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
