//! A service that somebody else wrote: llama.cpp's own server, with a model that recites (`tests/llama`).

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;

use super::scratch::from_script;

/// Longer than anything waited for here takes on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What the model says to everything that does not ask it to go on for ever.
pub const RECITAL: &str = "नमस्ते, दुनिया 👩‍👩‍👧 🙂।\nBye.";
/// What its first three tokens are.
pub const RECITAL_BEGINNING: &str = "नमस्ते,";
/// How many tokens it takes, its end included.
pub const RECITAL_TOKENS: i64 = 10;

/// A running server. It is killed when it is dropped.
pub struct Llama {
    process: Child,
    address: String,
    log: mpsc::UnboundedReceiver<String>,
}

impl Llama {
    /// Starts a server, and waits until it listens.
    pub fn start() -> Self {
        let mut process = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/llama/serve.py"))
            .arg(from_script("COLLOQUY_TEST_LLAMA"))
            // Its own copies of our files would be left in the source tree.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, log) = mpsc::unbounded_channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // A test that waits for nothing more still lets the server log.
                let _ = tell.send(line);
            }
        });
        let mut address = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut address).unwrap();
        let mut llama = Self {
            process,
            address: address.trim().to_owned(),
            log,
        };
        if llama.address.is_empty() {
            llama.process.wait().unwrap();
            let log = std::iter::from_fn(|| llama.log.blocking_recv());
            panic!("llama.cpp did not start: {}", log.collect::<Vec<_>>().join("\n"));
        }
        llama
    }

    /// What `--openai-base-url` takes.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.address)
    }

    /// Waits until the server logs a line with these words.
    pub async fn logs(&mut self, words: &str) {
        let waited = tokio::time::timeout(WAIT_MAX, async {
            while let Some(line) = self.log.recv().await {
                if line.contains(words) {
                    return;
                }
            }
            panic!("llama.cpp ended");
        });
        waited.await.expect("llama.cpp did not log it");
    }
}

impl Drop for Llama {
    fn drop(&mut self) {
        // It has nothing to put in order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
