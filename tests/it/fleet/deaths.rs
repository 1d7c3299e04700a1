//! A server dies, or Redis does, in the middle of a reply.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ENDLESS, Reader, STEADY, STOP};
use crate::support::follow::ChatFollower;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// A bot whose answers outlive a Redis that comes and goes.
const LONG: [&str; 4] = ["--builtin-pace", "50", "--builtin-words", "600"];
/// What a dead server's reply takes to end, at most.
const FOUND_OUT_WITHIN: Duration = Duration::from_secs(15);
/// How often a follower is told to read again before something that happens reaches it, at most: each tells of some
/// seconds.
const RESYNCS_MAX: u32 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_of_a_server_that_is_killed_ends_on_another_with_all_that_was_shown() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &ENDLESS),
        Server::start_with(&scratch, &ENDLESS),
    );
    let chat = a.create_chat("A chat").await;
    let reply = a.send(&chat, "Tell me about the sea").await;
    let mut reader = Reader::start(&b, &reply).await;
    reader.read_to(500).await;
    a.kill();
    let killed = Instant::now();
    let shown = reader.text.clone();
    assert_eq!(reader.read_to_end().await, "INTERRUPTED");
    assert!(killed.elapsed() < FOUND_OUT_WITHIN, "{:?}", killed.elapsed());
    // Also what came after the last checkpoint.
    assert!(reader.text.starts_with(&shown));
    assert_eq!(reader.corrections, 0);
    assert_eq!(Reader::start(&b, &reply).await.read_to_end().await, "INTERRUPTED");
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_and_comes_back_empty_costs_nobody_a_character() {
    let mut scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &LONG),
        Server::start_with(&scratch, &LONG),
    );
    let chat = a.create_chat("A chat").await;
    let reply = a.send(&chat, "Tell me about the sea").await;
    let (mut near, mut far) = (Reader::start(&a, &reply).await, Reader::start(&b, &reply).await);
    far.read_to(300).await;
    scratch.redis_mut().kill();
    // By the checkpoints, meanwhile.
    let goal = far.text.len() + 500;
    far.read_to(goal).await;
    let others = b.create_chat("Another").await;
    assert_ne!(b.send(&others, "A prompt needs no Redis").await, "");
    scratch.redis_mut().restart();
    let joined = tokio::join!(near.read_to_end(), far.read_to_end());
    assert_eq!(joined, ("COMPLETE".to_owned(), "COMPLETE".to_owned()));
    assert_eq!((&near.text, far.corrections), (&far.text, 0));
    // And everything is as it was before.
    for server in [&a, &b] {
        until_healed(server, &a, &b).await;
    }
    scratch.remove().await;
}

/// Waits until what happens on one server is told on the other: how soon that is depends on when they tried to reach
/// Redis.
async fn until_healed(server: &Server, a: &Server, b: &Server) {
    let other = if std::ptr::eq(server, a) { b } else { a };
    let chat = server.create_chat("A chat").await;
    let mut follower = ChatFollower::start(other, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let rename = "mutation ($id: ID!) { updateChat(input: {id: $id, title: \"x\"}) { chat { id } } }";
    let deadline = Instant::now() + FOUND_OUT_WITHIN;
    loop {
        server.data(rename, json!({ "id": chat })).await;
        let told = tokio::time::timeout(Duration::from_millis(500), follower.next()).await;
        match told {
            Ok(event) if event.as_ref().unwrap()["__typename"] == "ChatUpdated" => return,
            _ => assert!(Instant::now() < deadline, "it does not heal"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgets_everything_is_told_again() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &STEADY),
        Server::start_with(&scratch, &STEADY),
    );
    let chat = a.create_chat("A chat").await;
    let reply = a.send(&chat, "Tell me about the sea").await;
    let mut far = Reader::start(&b, &reply).await;
    far.read_to(100).await;
    let mut connection = scratch.redis().connection().await;
    redis::cmd("FLUSHALL")
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    // One who comes now finds nothing of it in Redis, or only what is told again.
    let late = b.create_chat("Another").await;
    drop(ChatFollower::start(&b, &late, &Value::Null).await);
    let mut late = Reader::start(&b, &reply).await;
    assert_eq!(far.read_to_end().await, "COMPLETE");
    assert_eq!(late.read_to_end().await, "COMPLETE");
    assert_eq!((&far.text, far.corrections), (&late.text, 0));
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_frozen_holds_nobody_up() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &ENDLESS),
        Server::start_with(&scratch, &ENDLESS),
    );
    let chat = a.create_chat("A chat").await;
    let mut on_a = ChatFollower::start(&a, &chat, &Value::Null).await;
    on_a.expect("ChatResync").await;
    let reply = a.send(&chat, "Tell me about the sea").await;
    let mut far = Reader::start(&b, &reply).await;
    far.read_to(100).await;
    scratch.redis().freeze();
    let goal = far.text.len() + 300;
    far.read_to(goal).await;
    // Followers of the same server are told also now, and that they may miss something.
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let mut resyncs = 0;
    'told: loop {
        let input = json!({ "input": { "chatId": chat, "text": "meanwhile" } });
        a.data(create, input).await;
        // One that is told to read again is not told what it finds there.
        let read_again = resyncs + 2;
        assert!(read_again < RESYNCS_MAX, "nothing is told");
        while resyncs < read_again {
            let event = on_a.next_but_pieces().await;
            match event["__typename"].as_str() {
                Some("ChatResync") => resyncs += 1,
                Some("MessageAdded") if event["added"]["text"] == "meanwhile" => break 'told,
                _ => {}
            }
        }
    }
    while resyncs == 0 {
        resyncs += u32::from(on_a.next_but_pieces().await["__typename"] == "ChatResync");
    }
    // By the store: the owner finds it with its next checkpoint.
    let stopped = b.data(STOP, json!({ "id": reply })).await["stopReply"].take();
    assert_eq!(stopped["receipt"]["outcome"], "STOPPED", "{stopped}");
    assert_eq!(far.read_to_end().await, "STOPPED");
    scratch.redis().thaw();
    until_healed(&a, &a, &b).await;
    scratch.remove().await;
}
