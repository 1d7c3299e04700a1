//! `kill -9`: what was acknowledged is there afterwards, and what was under way ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::on_both_stores;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// Clients that write at once.
const CLIENTS: usize = 10;
/// Acknowledgements after which the server is killed, in the middle of the writes that follow.
const ACKNOWLEDGED_MIN: usize = 300;

on_both_stores! {
    every_acknowledged_message_outlives_a_kill,
    a_reply_that_was_under_way_ends_as_interrupted_with_the_text_it_had,
}

async fn every_acknowledged_message_outlives_a_kill(scratch: &Scratch) {
    let server = Arc::new(Server::start(scratch));
    let mut chats = Vec::new();
    for n in 0..CLIENTS {
        chats.push(server.create_chat(&format!("chat {n}")).await);
    }
    let count = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(Notify::new());
    let clients: Vec<_> = chats
        .iter()
        .map(|chat| {
            tokio::spawn(write_until_dead(
                server.clone(),
                chat.clone(),
                count.clone(),
                enough.clone(),
            ))
        })
        .collect();
    enough.notified().await;
    server.kill_now();
    let acknowledged = join_all(clients).await.into_iter().flat_map(Result::unwrap);
    let acknowledged: HashMap<String, String> = acknowledged.collect();
    assert!(acknowledged.len() >= ACKNOWLEDGED_MIN);
    drop(server);

    let server = Server::start(scratch);
    let mut stored = HashMap::new();
    for chat in &chats {
        read_all(&server, chat, &mut stored).await;
    }
    for (id, text) in &acknowledged {
        assert_eq!(stored.get(id), Some(text), "{id}");
    }
    // Beyond them at most what each client had under way.
    assert!(
        stored.len() <= acknowledged.len() + CLIENTS,
        "{} of {}",
        stored.len(),
        acknowledged.len()
    );
}

/// Writes messages until the server is gone: the ids and texts that were acknowledged.
async fn write_until_dead(
    server: Arc<Server>,
    chat: String,
    count: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> Vec<(String, String)> {
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let mut acknowledged = Vec::new();
    loop {
        let text = format!("संदेश {}", acknowledged.len());
        let input = json!({ "input": { "chatId": chat, "text": text } });
        let Ok(mut response) = server.try_request(create, input).await else {
            return acknowledged;
        };
        let Value::String(id) = response["data"]["createMessage"]["message"]["id"].take() else {
            panic!("{response}");
        };
        acknowledged.push((id, text));
        if count.fetch_add(1, Ordering::Relaxed) + 1 == ACKNOWLEDGED_MIN {
            enough.notify_one();
        }
    }
}

async fn read_all(server: &Server, chat: &str, stored: &mut HashMap<String, String>) {
    let page = "query ($id: ID!, $after: String) { chat(id: $id) { messages(first: 100, after: $after) {
        nodes { id text } pageInfo { hasNextPage endCursor } } } }";
    let mut after = Value::Null;
    loop {
        let mut data = server.data(page, json!({ "id": chat, "after": after })).await;
        let messages = data["chat"]["messages"].take();
        for message in messages["nodes"].as_array().unwrap() {
            let text = |name: &str| message[name].as_str().unwrap().to_owned();
            stored.insert(text("id"), text("text"));
        }
        after = messages["pageInfo"]["endCursor"].clone();
        if messages["pageInfo"]["hasNextPage"] == false {
            return;
        }
    }
}

async fn a_reply_that_was_under_way_ends_as_interrupted_with_the_text_it_had(scratch: &Scratch) {
    const REPLY: &str = "subscription ($id: ID!, $after: String) { reply(messageId: $id, after: $after) {
        ... on ReplySnapshot { snapshot: text cursor } ... on ReplyPartial { partial: text cursor }
        ... on ReplyFinished { message { text reply { state } } } } }";
    let server = Server::start_with(scratch, &["--builtin-pace", "20", "--builtin-words", "100000"]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let (mut text, mut cursor) = (String::new(), Value::Null);
    let apply = |event: &Value, text: &mut String, cursor: &mut Value| {
        if let Some(whole) = event["snapshot"].as_str() {
            *text = whole.to_owned();
        }
        text.push_str(event["partial"].as_str().unwrap_or_default());
        *cursor = event["cursor"].clone();
    };

    let mut socket = Socket::acknowledged(&server).await;
    socket
        .subscribe("1", REPLY, json!({ "id": reply, "after": null }))
        .await;
    // Past the first checkpoint, so that there is something to find.
    let stored = "query ($id: ID!) { message(id: $id) { text } }";
    while server.data(stored, json!({ "id": reply })).await["message"]["text"] == "" {
        apply(
            &socket.message().await["payload"]["data"]["reply"],
            &mut text,
            &mut cursor,
        );
    }
    server.kill();

    let server = Server::start(scratch);
    let mut socket = Socket::acknowledged(&server).await;
    socket
        .subscribe("1", REPLY, json!({ "id": reply, "after": cursor }))
        .await;
    // The client that was cut off is put right and told the end, without asking anybody anything else.
    let message = loop {
        let event = socket.message().await["payload"]["data"]["reply"].take();
        if event["message"].is_object() {
            break event["message"].clone();
        }
        apply(&event, &mut text, &mut cursor);
    };
    assert_eq!(message["reply"]["state"], "INTERRUPTED");
    assert_eq!(message["text"], json!(text));
    assert_ne!(text, "");
}
