//! An exchange is one act: a prompt and its reply are stored both or neither, answered once, by one server, and a chat
//! that is deleted leaves nothing behind. Many coincidences of each kind, on real servers.

mod callers_who_leave;
mod coincidences;
mod deletions;
mod frozen;
mod troubles;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::support::server::Server;

const SEND: &str = "mutation ($input: SendMessageInput!) {
    sendMessage(input: $input) { message { id text } reply { id reply { inReplyTo { id } } } } }";
const CREATE: &str =
    "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
const MESSAGES: &str =
    "query ($id: ID!, $after: String) { chat(id: $id) { messages(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor } nodes { id author text reply { state inReplyTo { id text } } } } } }";

/// Chats that were just made, by some at a time: a server refuses what is too much at once.
async fn chats(server: &Server, count: usize) -> Vec<String> {
    let made = stream::iter(0..count).map(|_| server.create_chat("A chat"));
    made.buffered(32).collect().await
}

/// All messages of a chat, in its order.
async fn messages(server: &Server, chat: &str) -> Vec<Value> {
    let (mut messages, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut data = server.data(MESSAGES, json!({ "id": chat, "after": after })).await;
        let mut page = data["chat"]["messages"].take();
        messages.append(page["nodes"].as_array_mut().unwrap());
        if page["pageInfo"]["hasNextPage"] != true {
            return messages;
        }
        after = page["pageInfo"]["endCursor"].take();
    }
}
