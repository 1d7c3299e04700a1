//! A Redis of the benchmark's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Sub;
use std::process::{Child, Command, Stdio};

/// A running redis-server that keeps nothing on disk. It is killed when it is dropped.
pub struct Redis {
    process: Child,
    port: u16,
}

/// What was sent to it.
#[derive(Clone, Copy)]
pub struct Sent {
    /// Commands for pieces of text.
    pub commands: u64,
    /// Bytes of everything.
    pub bytes: u64,
}

impl Sub for Sent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            commands: self.commands - before.commands,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// Where the program is; `make bench` fetches it.
#[expect(
    clippy::disallowed_methods,
    reason = "how the scripts hand on what they fetched"
)]
fn program() -> Option<String> {
    std::env::var("COLLOQUY_TEST_REDIS").ok()
}

impl Redis {
    /// Whether one can be started.
    pub fn is_there() -> bool {
        program().is_some()
    }

    /// Starts one, and waits until it answers.
    pub fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut process = Command::new(program().unwrap())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("Ready to accept connections") {
            line.clear();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "redis-server did not start"
            );
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, port }
    }

    /// What `--feed` takes.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// What was sent to it so far.
    pub fn sent(&self) -> Sent {
        let mut line = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        line.write_all(b"INFO everything\r\nQUIT\r\n").unwrap();
        let mut told = String::new();
        line.read_to_string(&mut told).unwrap();
        let figure = |name: &str| {
            let rest = told
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or("0");
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        };
        Sent {
            commands: figure("cmdstat_evalsha:calls="),
            bytes: figure("total_net_input_bytes:"),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
