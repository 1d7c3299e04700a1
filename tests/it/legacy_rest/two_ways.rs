//! One chat by REST and by GraphQL: what is done by one is seen by the other, and nothing is stored twice.

use std::time::Instant;

use colloquy::domain::{ChatId, Message, MessageId, ObjectId};
use serde_json::{Value, json};

use super::client::Client;
use crate::on_both_stores;
use crate::support::follow::{ChatFollower, follow};
use crate::support::make;
use crate::support::mt::{Mt, WAIT_MAX};
use crate::support::scratch::{Scratch, tries};

/// How far a chat is dated ahead.
const AHEAD_MS: i64 = 5 * 3_600_000;
/// Chats whose first messages coincide.
const PAIRS_FEW: usize = 50;

on_both_stores! {
    a_text_that_was_sent_a_moment_ago_is_not_stored_again_by_rest,
    the_same_text_by_rest_twice_is_two_messages,
    followers_are_told_what_rest_does,
    a_reply_that_grows_cannot_be_rewritten,
    in_a_chat_that_is_dated_ahead_an_old_text_by_the_other_way_is_another_message,
    in_a_chat_that_is_dated_ahead_the_same_text_by_the_other_way_is_the_same_message,
}

/// A user's message of a minute ago, by its id, which is dated hours ahead: as where the clock was ahead by then.
fn dated_ahead(chat: ChatId, text: &str) -> Message {
    let then = make::now().plus_millis(-60_000);
    let seconds = u32::try_from(then.millis() / 1_000).unwrap();
    let mut id = make::id().bytes();
    id[..4].copy_from_slice(&seconds.to_be_bytes());
    Message {
        id: MessageId(ObjectId::from_bytes(id)),
        text: text.to_owned(),
        ..make::message_at(chat, make::now().millis() + AHEAD_MS)
    }
}

/// A server over a chat with these messages, and the chat.
async fn start_over(scratch: &Scratch, messages: impl Fn(ChatId) -> Vec<Message>) -> (Client, String) {
    let store = scratch.open().await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    for message in messages(chat.id) {
        store.insert_message(&message).await.unwrap();
    }
    // The server has to have a folder to itself.
    drop(store);
    (Client::start(scratch), chat.id.to_string())
}

async fn in_a_chat_that_is_dated_ahead_an_old_text_by_the_other_way_is_another_message(scratch: &Scratch) {
    let (client, chat) = start_over(scratch, |chat| {
        let asks = Message {
            reply_id: Some(MessageId(make::id())),
            ..dated_ahead(chat, "sent")
        };
        vec![dated_ahead(chat, "posted"), asks]
    })
    .await;
    client.message(&chat, json!({ "message": "sent" })).await;
    let full = client.get(&format!("/chat/{chat}/full")).await;
    assert_eq!(full["total_messages"], 3);
    let mut socket = Mt::open(&client.server, &chat).await;
    socket.upload("posted").await;
    socket.until("stop_typing_indicator").await;
    let full = client.get(&format!("/chat/{chat}/full")).await;
    assert_eq!(full["total_messages"], 5);
}

async fn in_a_chat_that_is_dated_ahead_the_same_text_by_the_other_way_is_the_same_message(scratch: &Scratch) {
    let (client, chat) = start_over(scratch, |chat| vec![dated_ahead(chat, "old")]).await;
    let mut socket = Mt::open(&client.server, &chat).await;
    let posted = client.message(&chat, json!({ "message": "posted first" })).await;
    socket.upload("posted first").await;
    let frames = socket.until("stop_typing_indicator").await;
    assert!(
        frames.iter().any(|frame| frame["messageId"] == posted),
        "{frames:?}"
    );
    socket.upload("sent first").await;
    let sent = socket.expect("user confirm").await["messageId"].take();
    assert_eq!(
        client.message(&chat, json!({ "message": "sent first" })).await,
        sent
    );
    socket.until("stop_typing_indicator").await;
    let full = client.get(&format!("/chat/{chat}/full")).await;
    assert_eq!(full["total_messages"], 5);
}

async fn a_text_that_was_sent_a_moment_ago_is_not_stored_again_by_rest(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let query =
        "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } reply { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "Hello there" } });
    let sent = client.server.data(query, input).await["sendMessage"].take();
    let posted = client
        .message(&chat, json!({ "message": "Hello there", "chat_id": chat }))
        .await;
    assert_eq!(sent["message"]["id"], posted);
    // Other texts, other sides and other chats are other messages.
    let other = client.any_chat().await;
    for (chat, body) in [
        (&chat, json!({ "message": "Hello there!" })),
        (&chat, json!({ "message": "Hello there", "is_bot": true })),
        (&other, json!({ "message": "Hello there" })),
    ] {
        assert_ne!(client.message(chat, body).await, posted);
    }
    follow(&client.server, sent["reply"]["id"].as_str().unwrap()).await;
    let full = client.get(&format!("/chat/{chat}/full")).await;
    assert_eq!(full["total_messages"], 4);
}

async fn the_same_text_by_rest_twice_is_two_messages(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let first = client.message(&chat, json!({ "message": "again" })).await;
    let second = client.message(&chat, json!({ "message": "again" })).await;
    assert_ne!(first, second);
}

async fn followers_are_told_what_rest_does(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let mut follower = ChatFollower::start(&client.server, &chat, &Value::Null).await;
    assert_eq!(follower.next().await.unwrap()["__typename"], "ChatResync");
    let path = format!("/chat/{chat}");

    let id = client.message(&chat, json!({ "message": "m" })).await;
    let event = follower.next().await.unwrap();
    assert_eq!(
        (&event["__typename"], &event["added"]["id"]),
        (&json!("MessageAdded"), &json!(id))
    );
    let message = format!("{path}/messages/{id}");
    client.call("PUT", &message, json!({ "message": "n" })).await.ok();
    let event = follower.next().await.unwrap();
    assert_eq!(
        (&event["updated"]["text"], &event["updated"]["isEdited"]),
        (&json!("n"), &json!(true))
    );
    client
        .bare("POST", &format!("{message}/reaction?reaction=x"))
        .await
        .ok();
    assert_eq!(follower.next().await.unwrap()["updated"]["reaction"], "x");
    client.bare("DELETE", &format!("{message}/reaction")).await.ok();
    assert_eq!(follower.next().await.unwrap()["updated"]["reaction"], Value::Null);
    client.call("PUT", &path, json!({ "title": "T" })).await.ok();
    assert_eq!(follower.next().await.unwrap()["chat"]["title"], "T");
    client.bare("DELETE", &message).await.ok();
    assert_eq!(follower.next().await.unwrap()["messageId"], id);
    // Nothing to change is nothing to tell.
    client.call("PUT", &path, json!({})).await.ok();
    client.bare("DELETE", &path).await.ok();
    assert_eq!(follower.next().await.unwrap()["__typename"], "ChatDeleted");
}

async fn a_reply_that_grows_cannot_be_rewritten(scratch: &Scratch) {
    let client = Client::start_with(scratch, &["--builtin-faults", "stall@1=60s"]);
    let chat = client.any_chat().await;
    let reply = client.server.send(&chat, "Tell me about the sea").await;
    let path = format!("/chat/{chat}/messages/{reply}");
    let answer = client.call("PUT", &path, json!({ "message": "x" })).await;
    assert_eq!(
        answer.both(),
        (409, json!({ "detail": "Message is still being written" }))
    );
    client.call("PUT", &path, json!({ "reaction": "x" })).await.ok();
    let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { id } } }";
    client.server.data(stop, json!({ "id": reply })).await;
    client.call("PUT", &path, json!({ "message": "x" })).await.ok();
    assert_eq!(client.get(&path).await["message"], "x");
}

/// The first texts of a chat come to two servers in the same moment, by either way.
#[tokio::test(flavor = "multi_thread")]
async fn a_pending_chat_is_named_also_where_two_servers_store_its_first_messages_at_once() {
    let scratch = Scratch::mongo_and_redis().await;
    let (sockets, posts) = (Client::start(&scratch), Client::start(&scratch));
    for n in 0..tries(PAIRS_FEW) {
        let chat = json!({ "user_id": 1, "title": "New Chat", "status": "pending" });
        let chat = sockets.chat(chat).await;
        let mut socket = Mt::open(&sockets.server, &chat).await;
        let texts = [["same", "same"], ["sent", "posted"]][n % 2];
        tokio::join!(
            socket.upload(texts[0]),
            posts.message(&chat, json!({ "message": texts[1] }))
        );
        socket.until("stop_typing_indicator").await;
        // The answers to both may come before the servers are done.
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let shown = posts.get(&format!("/chat/{chat}")).await;
            let title = shown["title"].as_str().unwrap();
            if shown["status"] == "active" && texts.contains(&title) {
                break;
            }
            assert!(Instant::now() < deadline, "pair {n}: {shown}");
        }
    }
    scratch.remove().await;
}
