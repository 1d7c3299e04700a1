//! What happens in a chat on one server is told on every other, and who is connected is counted over all.

use colloquy::domain::{ChatEvent, ChatId, MessageId};
use colloquy::feed::{Feed, Followed, RedisFeed};
use futures_util::StreamExt;
use mongodb::bson::{Document, doc};
use redis::AsyncCommands;
use serde_json::{Value, json};

use super::{ENDLESS, STEADY, connections, until_connections};
use crate::support::follow::ChatFollower;
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const CREATE: &str =
    "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
const TYPING: &str = "mutation ($input: SetTypingInput!) { setTyping(input: $input) { typing { userId } } }";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_on_one_server_is_told_on_another_in_order() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (Server::start(&scratch), Server::start(&scratch));
    let chat = a.create_chat("A chat").await;
    let mut follower = ChatFollower::start(&b, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let typing = |is_typing| json!({ "input": { "chatId": chat, "isTyping": is_typing } });
    a.data(TYPING, typing(true)).await;
    // Awaited, because a subscriber that is behind receives the latest state of each user alone.
    assert_eq!(follower.expect("TypingChanged").await["typing"]["isTyping"], true);
    let input = json!({ "input": { "chatId": chat, "text": "नमस्ते" } });
    let id = a.data(CREATE, input).await["createMessage"]["message"]["id"].take();
    a.data(TYPING, typing(false)).await;
    for mutation in [
        "addReaction(input: {messageId: $id, reaction: \"👍\"}) { message { id } }",
        "updateMessage(input: {id: $id, text: \"नया\"}) { message { id } }",
        "deleteMessage(input: {id: $id}) { deletedMessageId }",
    ] {
        a.data(
            &format!("mutation ($id: ID!) {{ {mutation} }}"),
            json!({ "id": id }),
        )
        .await;
    }
    let rename = "mutation ($id: ID!) { updateChat(input: {id: $id, title: \"Renamed\"}) { chat { id } } }";
    a.data(rename, json!({ "id": chat })).await;

    assert_eq!(follower.next().await.unwrap()["__typename"], "MessageAdded");
    assert_eq!(
        follower.expect("TypingChanged").await["typing"]["isTyping"],
        false
    );
    // Each is read when it is told, so what was deleted meanwhile may be told as deleted alone.
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "ChatUpdated") {
        let event = follower.next().await.unwrap();
        kinds.push(event["__typename"].as_str().unwrap().to_owned());
    }
    let deleted = kinds.iter().position(|kind| kind == "MessageDeleted").unwrap();
    assert!(
        kinds[..deleted].iter().all(|kind| kind == "MessageUpdated"),
        "{kinds:?}"
    );
    assert_eq!(deleted + 2, kinds.len(), "{kinds:?}");
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_over_all_servers_that_live() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &STEADY),
        Server::start_with(&scratch, &STEADY),
    );
    let chat = a.create_chat("A chat").await;
    let other = a.create_chat("Another").await;
    let on_a = Mt::open(&a, &chat).await;
    let _on_b = Mt::open(&b, &chat).await;
    let mut follower = ChatFollower::start(&b, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    for server in [&a, &b] {
        until_connections(server, &chat, 3).await;
        assert_eq!(connections(server, &other).await, 0);
    }
    let status: Value = reqwest::get(a.at(&format!("/chat/ws/{chat}/status")))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&status["connection_count"], &status["is_active"]),
        (&json!(3), &json!(true))
    );
    drop(on_a);
    until_connections(&b, &chat, 2).await;
    // One that is killed says nothing more, and is not believed to live for long.
    b.kill();
    until_connections(&a, &chat, 0).await;
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_taken_for_dead_is_counted_again() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (Server::start(&scratch), Server::start(&scratch));
    let chat = a.create_chat("A chat").await;
    let _socket = Mt::open(&b, &chat).await;
    until_connections(&a, &chat, 1).await;
    // As if its memory were full.
    let prefix = &scratch.redis().prefix;
    let keys = [format!("{prefix}servers"), format!("{prefix}room:{chat}")];
    let mut connection = scratch.redis().connection().await;
    let forgotten: i64 = connection.del(&keys).await.unwrap();
    assert_eq!(forgotten, 2);
    until_connections(&a, &chat, 1).await;
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_gone_without_an_event_is_sent_as_deleted_once() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &ENDLESS),
        Server::start_with(&scratch, &ENDLESS),
    );
    let chat = a.create_chat("A chat").await;
    let mut followers = Vec::new();
    for server in [&a, &b] {
        let mut follower = ChatFollower::start(server, &chat, &Value::Null).await;
        follower.expect("ChatResync").await;
        followers.push(follower);
    }
    let reply = a.send(&chat, "Tell me about the sea").await;
    for follower in &mut followers {
        follower.expect("MessageAdded").await;
        follower.expect("ReplySnapshot").await;
    }
    let id = MessageId::parse(&reply).unwrap();
    let messages = scratch.database().await.collection::<Document>("chat_messages");
    let in_chat = doc! { "is_bot": true };
    assert_eq!(messages.delete_many(in_chat).await.unwrap().deleted_count, 1);
    for follower in &mut followers {
        assert_eq!(follower.expect("MessageDeleted").await["messageId"], reply);
    }
    // The event comes after all, and another change after it.
    let redis = scratch.redis();
    let feed = RedisFeed::connect(&redis.url(), &redis.prefix, "late", 1)
        .await
        .unwrap();
    let mut witness = feed.follow(ChatId::parse(&chat).unwrap(), None).await;
    let deleted = ChatEvent::MessageDeleted(id);
    feed.publish(ChatId::parse(&chat).unwrap(), deleted.clone()).await;
    while !matches!(witness.next().await, Some(Followed::Event(_, event, _)) if event == deleted) {}
    let input = json!({ "input": { "chatId": chat, "text": "Another" } });
    a.data(CREATE, input).await;
    for follower in &mut followers {
        follower.expect("MessageAdded").await;
    }
    scratch.remove().await;
}
