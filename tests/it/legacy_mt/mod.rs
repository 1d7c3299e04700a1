//! The documented socket, by the obligations of `docs/mt-protocol.md`.

mod errors;
mod faces;
mod floods;
mod frames;
mod handshakes;
mod order;
mod peers;
mod real_clients;
mod rooms;
mod slow;
mod stops;
mod stored;

use serde_json::{Value, json};

use crate::support::mt::WAIT_MAX;
use crate::support::server::Server;

/// A bot slow enough to be caught in the middle of a reply.
const SLOW: [&str; 4] = ["--builtin-pace", "30", "--builtin-words", "100000"];
/// A bot that takes a moment.
const STEADY: [&str; 4] = ["--builtin-pace", "200", "--builtin-words", "40"];

const MESSAGES: &str = "query ($id: ID!) { chat(id: $id) { title status messages(first: 100) { nodes {
    id text author type reply { state inReplyTo { id } } } } } }";

/// A chat and its messages, as GraphQL has them.
async fn chat(server: &Server, id: &str) -> Value {
    server.data(MESSAGES, json!({ "id": id })).await["chat"].take()
}

async fn messages(server: &Server, id: &str) -> Vec<Value> {
    let chat = chat(server, id).await;
    chat["messages"]["nodes"].as_array().unwrap().clone()
}

/// Stores a message without asking for a reply, as the documented REST API does.
async fn post(server: &Server, chat: &str, text: &str, author: &str) -> String {
    let query = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let input = json!({ "chatId": chat, "text": text, "author": author });
    let data = server.data(query, json!({ "input": input })).await;
    data["createMessage"]["message"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn status(server: &Server, chat: &str) -> Value {
    let answer = reqwest::get(server.at(&format!("/chat/ws/{chat}/status")))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// Waits until so many sockets of a chat are open.
async fn until_count(server: &Server, chat: &str, count: u64) {
    let waited = tokio::time::timeout(WAIT_MAX, async {
        while status(server, chat).await["connection_count"] != count {}
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("never {count} sockets of {chat}"));
}

/// A message as the documented REST API has it.
async fn rest_message(server: &Server, chat: &str, id: &Value) -> Value {
    let path = format!("/chat/{chat}/messages/{}", id.as_str().unwrap());
    let answer = reqwest::get(server.at(&path)).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}
