//! A server that is told to end: what it finishes, whom it sends away, and how it leaves (docs/shutdown.md).

mod alone;
mod answers;
mod elsewhere;
mod grace;
mod rolling;

use serde_json::{Value, json};

use crate::support::server::Server;

/// Whatever a client needs to follow a reply over connections that end.
const REPLY: &str =
    "subscription ($id: ID!, $after: String) { reply(messageId: $id, after: $after) { __typename
    ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor }
    ... on ReplyFinished { cursor message { id text reply { state error { code } } } } } }";
const SEND: &str =
    "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } reply { id } } }";
const CREATE: &str =
    "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
const MESSAGES: &str =
    "query ($id: ID!, $after: String) { chat(id: $id) { messages(first: 100, after: $after) {
    nodes { id text author reply { state error { code } } } pageInfo { hasNextPage endCursor } } } }";

/// What a client has of one reply.
#[derive(Default)]
struct Viewer {
    text: String,
    cursor: Value,
    /// The message of the end.
    end: Option<Value>,
}

impl Viewer {
    /// Applies a response to [`REPLY`].
    fn apply(&mut self, mut response: Value) {
        assert_eq!(response.get("errors"), None, "{response}");
        let mut event = response["data"]["reply"].take();
        let piece = event["text"].as_str().unwrap_or_default().to_owned();
        match event["__typename"].as_str() {
            Some("ReplySnapshot") => self.text = piece,
            Some("ReplyPartial") => self.text.push_str(&piece),
            Some("ReplyFinished") => self.end = Some(event["message"].take()),
            _ => panic!("{response}"),
        }
        self.cursor = event["cursor"].take();
    }

    /// Applies the messages of a socket on which nothing but [`REPLY`] runs.
    fn apply_all(&mut self, messages: Vec<Value>) {
        for mut message in messages {
            match message["type"].as_str() {
                Some("next") => self.apply(message["payload"].take()),
                Some("complete") => {}
                _ => panic!("{message}"),
            }
        }
    }
}

/// Waits until the server says that it is on its way down.
async fn draining(server: &Server) -> reqwest::Response {
    loop {
        let answer = reqwest::get(server.at("/health/ready")).await.unwrap();
        if answer.status() == 503 {
            return answer;
        }
    }
}

/// Every message of a chat.
async fn messages(server: &Server, chat: &str) -> Vec<Value> {
    let (mut messages, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut data = server.data(MESSAGES, json!({ "id": chat, "after": after })).await;
        let mut page = data["chat"]["messages"].take();
        messages.append(page["nodes"].as_array_mut().unwrap());
        after = page["pageInfo"]["endCursor"].take();
        if page["pageInfo"]["hasNextPage"] == false {
            return messages;
        }
    }
}

/// A message as it is stored.
async fn stored(server: &Server, id: &str) -> Value {
    let query = "query ($id: ID!) { message(id: $id) { text reply { state error { code } } } }";
    server.data(query, json!({ "id": id })).await["message"].take()
}
