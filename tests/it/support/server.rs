//! The server as a process of its own, as a user starts it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::scratch::Scratch;

/// Longer than any server takes to end.
const END_WAIT_MAX: Duration = Duration::from_secs(90);
/// Lines of its log that a failed test shows of a server.
const LOGGED_LINES_MAX: usize = 200;

/// A running server. It is killed when it is dropped.
pub struct Server {
    process: Child,
    /// `http://` and the address.
    pub url: String,
    /// Where its figures are.
    pub metrics_url: String,
    log: Option<JoinHandle<String>>,
    /// What it says behind its first line.
    stdout: BufReader<ChildStdout>,
    client: reqwest::Client,
}

impl Server {
    /// Starts a server on a place of its own, as fast a bot as there is.
    pub fn start(scratch: &Scratch) -> Self {
        Self::start_with(scratch, &["--builtin-pace", "0"])
    }

    /// Starts a server with further arguments, and waits until it listens.
    pub fn start_with(scratch: &Scratch, arguments: &[&str]) -> Self {
        Self::start_in(scratch, arguments, &[])
    }

    /// [`Server::start_with`], where what is let go goes back to the system at once, so that [`Server::memory_kib`] is
    /// what is held.
    pub fn start_thrifty(scratch: &Scratch, arguments: &[&str]) -> Self {
        let variables = [
            ("MALLOC_ARENA_MAX", "1"),
            ("MALLOC_MMAP_THRESHOLD_", "65536"),
            ("MALLOC_TRIM_THRESHOLD_", "131072"),
        ];
        Self::start_in(scratch, arguments, &variables)
    }

    /// [`Server::start_with`], with variables in its environment.
    pub fn start_in(scratch: &Scratch, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_at("127.0.0.1:0", scratch, arguments, variables)
    }

    /// [`Server::start_in`], at an address that must be free.
    pub fn start_at(
        address: &str,
        scratch: &Scratch,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_colloquy"))
            .args(["--listen", address, "--store", &scratch.address()])
            .env("COLLOQUY_LOG_FORMAT", "json")
            .args(scratch.feed_arguments())
            .args(arguments)
            .env_remove("OPENAI_API_KEY")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = process.stderr.take().unwrap();
        // Read to its end, so that the server never waits for a full pipe.
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let mut urls = line.split_whitespace().filter(|word| word.starts_with("http://"));
        let (Some(url), Some(metrics_url)) = (urls.next(), urls.next_back()) else {
            let _ = process.kill();
            panic!("the server did not start: {line}{}", log.join().unwrap());
        };
        Self {
            url: url.to_owned(),
            metrics_url: metrics_url.to_owned(),
            process,
            log: Some(log),
            stdout,
            client: reqwest::Client::new(),
        }
    }

    /// The address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Sends a GraphQL request and returns the whole response.
    pub async fn request(&self, query: &str, variables: Value) -> Value {
        self.try_request(query, variables).await.unwrap()
    }

    /// [`Server::request`], where the server may die meanwhile.
    pub async fn try_request(&self, query: &str, variables: Value) -> reqwest::Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        let response = self.client.post(self.at("/graphql")).json(&body).send().await?;
        response.json().await
    }

    /// Sends a GraphQL request that must succeed and returns its data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut response = self.request(query, variables).await;
        assert_eq!(response.get("errors"), None, "{query}");
        response["data"].take()
    }

    /// Sends a GraphQL request that must fail with errors of one code, and returns the code.
    pub async fn code(&self, query: &str, variables: Value) -> String {
        let response = self.request(query, variables.clone()).await;
        let errors = response["errors"].as_array().cloned().unwrap_or_default();
        let mut codes: BTreeSet<_> = errors
            .iter()
            .map(|error| error["extensions"]["code"].as_str())
            .collect();
        match (codes.pop_first().flatten(), codes.is_empty()) {
            (Some(code), true) => code.to_owned(),
            _ => panic!("{query} {variables} {response}"),
        }
    }

    /// Makes a chat and returns its id.
    pub async fn create_chat(&self, title: &str) -> String {
        let query = "mutation ($title: String!) { createChat(input: {title: $title}) { chat { id } } }";
        let data = self.data(query, json!({ "title": title })).await;
        data["createChat"]["chat"]["id"].as_str().unwrap().to_owned()
    }

    /// Sends a message and returns the id of the reply.
    pub async fn send(&self, chat: &str, text: &str) -> String {
        let query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
        let data = self
            .data(query, json!({ "input": { "chatId": chat, "text": text } }))
            .await;
        data["sendMessage"]["reply"]["id"].as_str().unwrap().to_owned()
    }

    /// What the server holds in memory, in KiB, as the kernel counts it.
    pub fn memory_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most that [`Server::memory_kib`] has been.
    pub fn memory_peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Tells the server to end, and waits until it has: its exit status and what it logged.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.tell_to_stop();
        self.end()
    }

    /// Tells the server to end, while others still talk to it.
    pub fn tell_to_stop(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    /// Waits until a server that was told to end has: its exit status and what it logged.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let pid = Pid::from_child(&self.process);
        let mut ended = tokio::task::spawn_blocking(move || self.end());
        match tokio::time::timeout(END_WAIT_MAX, &mut ended).await {
            Ok(ended) => ended.unwrap(),
            Err(_) => {
                kill_process(pid, Signal::KILL).unwrap();
                panic!("the server did not end: {}", ended.await.unwrap().1);
            }
        }
    }

    /// Kills the server, which gets no chance to put anything in order.
    pub fn kill(mut self) {
        self.kill_now();
        self.end();
    }

    /// [`Server::kill`], while others still talk to it.
    pub fn kill_now(&self) {
        kill_process(Pid::from_child(&self.process), Signal::KILL).unwrap();
    }

    /// Freezes the server: to others it looks as if it were dead.
    pub fn freeze(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).unwrap();
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).unwrap();
    }

    fn end(&mut self) -> (ExitStatus, String) {
        let status = self.process.wait().unwrap();
        let mut said = self.log.take().unwrap().join().unwrap();
        // Nothing, as long as all is well.
        self.stdout.read_to_string(&mut said).unwrap();
        (status, said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            let _ = self.process.kill();
            let status = self.process.wait();
            if std::thread::panicking() {
                let log = log.join().unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(LOGGED_LINES_MAX).collect();
                let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
                eprintln!("The server of the failed test ended with {status:?}. The end of its log:\n{last}");
            }
        }
    }
}
