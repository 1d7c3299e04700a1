//! The server as a process of its own, and those who talk to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const FOLLOW: &str = "subscription ($id: ID!) { reply(messageId: $id) { __typename
    ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor }
    ... on ReplyFinished { message { text reply { state } } } } }";

/// A running server. It is killed when it is dropped.
pub struct Server {
    process: Child,
    url: String,
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

    /// Sends a message and returns the id of the reply.
    pub async fn send(&self, chat: &str, text: &str) -> String {
        let query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
        let variables = json!({ "input": { "chatId": chat, "text": text } });
        let data = self.data(query, variables).await;
        data["sendMessage"]["reply"]["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One who follows a reply over a socket of its own.
pub struct Follower {
    ended: oneshot::Receiver<Instant>,
}

impl Follower {
    /// Follows a reply, and returns with the first of its text.
    pub async fn start(server: &Server, reply: &str) -> Self {
        let mut request = server
            .url
            .replacen("http", "ws", 1)
            .into_client_request()
            .unwrap();
        let subprotocol = HeaderValue::from_static("graphql-transport-ws");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", subprotocol);
        let (mut socket, _) = connect_async(request).await.unwrap();
        say(&mut socket, json!({ "type": "connection_init" })).await;
        let payload = json!({ "query": FOLLOW, "variables": { "id": reply } });
        assert_eq!(hear(&mut socket).await["type"], "connection_ack");
        say(
            &mut socket,
            json!({ "type": "subscribe", "id": "1", "payload": payload }),
        )
        .await;
        let mut event = next_event(&mut socket).await;
        while event["text"].as_str().unwrap().is_empty() {
            event = next_event(&mut socket).await;
        }
        let (tell, ended) = oneshot::channel();
        tokio::spawn(async move {
            while next_event(&mut socket).await["__typename"] != "ReplyFinished" {}
            // Whoever measures may have given up.
            let _ = tell.send(Instant::now());
        });
        Self { ended }
    }

    /// Waits until the follower is told that the reply has ended: when that was.
    pub async fn ended(self) -> Instant {
        self.ended.await.expect("the follower failed")
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn say(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn next_event(socket: &mut Socket) -> Value {
    let mut message = hear(socket).await;
    assert_eq!(message["type"], "next", "{message}");
    message["payload"]["data"]["reply"].take()
}
