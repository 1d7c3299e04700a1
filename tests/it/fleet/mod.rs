//! Several servers that share a MongoDB and a Redis are one to whoever is connected to any of them.

mod chats;
mod crowds;
mod deaths;
mod leaks;
mod redis;
mod replies;

use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::socket::Socket;

/// A bot whose answers take some seconds.
const STEADY: [&str; 4] = ["--builtin-pace", "100", "--builtin-words", "150"];
/// A bot whose answers do not end within a test.
const ENDLESS: [&str; 4] = ["--builtin-pace", "50", "--builtin-words", "100000"];

const STOP: &str = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) {
    receipt { outcome requestedBy offset } message { text reply { state } } } }";

/// One who follows a reply by the documented rule, and can go on elsewhere.
struct Reader {
    socket: Socket,
    text: String,
    cursor: Value,
    /// The message of the end.
    end: Option<Value>,
    /// Snapshots that took something back of what was there.
    corrections: usize,
}

impl Reader {
    /// Follows a reply from its beginning.
    async fn start(server: &Server, reply: &str) -> Self {
        Self::resume(server, reply, String::new(), Value::Null).await
    }

    /// Goes on behind a text.
    async fn resume(server: &Server, reply: &str, text: String, cursor: Value) -> Self {
        let query =
            "subscription ($id: ID!, $after: String) { reply(messageId: $id, after: $after) { __typename
            ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor }
            ... on ReplyFinished { cursor message { text reply { state } } } } }";
        let mut socket = Socket::acknowledged(server).await;
        let variables = json!({ "id": reply, "after": cursor });
        socket.subscribe("1", query, variables).await;
        Self {
            socket,
            text,
            cursor,
            end: None,
            corrections: 0,
        }
    }

    /// Leaves, and goes on on another server.
    async fn move_to(self, server: &Server, reply: &str) -> Self {
        let corrections = self.corrections;
        let moved = Self::resume(server, reply, self.text, self.cursor).await;
        Self { corrections, ..moved }
    }

    /// Takes the next event in.
    async fn step(&mut self) {
        let mut message = self.socket.message().await;
        assert_eq!(message["type"], "next", "{message}");
        let mut event = message["payload"]["data"]["reply"].take();
        let text = event["text"].as_str().unwrap_or_default();
        match event["__typename"].as_str() {
            Some("ReplySnapshot") => {
                self.corrections += usize::from(!text.starts_with(&self.text));
                self.text = text.to_owned();
            }
            Some("ReplyPartial") => self.text.push_str(text),
            Some("ReplyFinished") => self.end = Some(event["message"].take()),
            _ => panic!("{message}"),
        }
        self.cursor = event["cursor"].take();
    }

    /// Reads on until there are so many bytes.
    async fn read_to(&mut self, bytes: usize) {
        while self.text.len() < bytes {
            assert_eq!(self.end, None, "it ended early");
            self.step().await;
        }
    }

    /// Reads on to the end, whose text must be exactly what was assembled: the state.
    async fn read_to_end(&mut self) -> String {
        while self.end.is_none() {
            self.step().await;
        }
        let end = self.end.as_ref().unwrap();
        assert_eq!(end["text"], json!(self.text));
        end["reply"]["state"].as_str().unwrap().to_owned()
    }
}

/// How many are connected to a chat, as a server has it.
async fn connections(server: &Server, chat: &str) -> Value {
    let query = "query ($id: ID!) { chat(id: $id) { connectionCount } }";
    server.data(query, json!({ "id": chat })).await["chat"]["connectionCount"].take()
}

/// Waits until a server has it that so many are connected to a chat. What the servers tell each other has no event that a
/// client could await.
async fn until_connections(server: &Server, chat: &str, expected: u64) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let count = connections(server, chat).await;
        if count == json!(expected) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{count}, not {expected}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
