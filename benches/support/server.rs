//! The server as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running server. It is killed when it is dropped.
pub struct Server {
    /// Its process.
    pub process: Child,
    /// Where GraphQL is.
    pub url: String,
    client: reqwest::Client,
}

impl Server {
    /// Starts a server and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_colloquy"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_remove("OPENAI_API_KEY")
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = format!("{}/graphql", url.expect("the server did not start"));
        Self {
            process,
            url,
            client: reqwest::Client::new(),
        }
    }

    /// Sends a GraphQL request that must succeed and returns its data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let response = self.client.post(&self.url).json(&body).send().await.unwrap();
        let mut response: Value = response.json().await.unwrap();
        assert_eq!(response.get("errors"), None, "{query}");
        response["data"].take()
    }

    /// Makes a chat and returns its id.
    pub async fn create_chat(&self) -> String {
        let query = r#"mutation { createChat(input: {title: "A chat"}) { chat { id } } }"#;
        let data = self.data(query, json!({})).await;
        data["createChat"]["chat"]["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
