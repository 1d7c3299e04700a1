//! Who is taken for dead: nobody who lives, whatever the clocks say, and nobody who had no time to show it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use colloquy::bot::BuiltinBot;
use colloquy::config::EngineConfig;
use colloquy::domain::{Clock, MessageId, SystemClock, Timestamp};
use colloquy::engine::Engine;
use colloquy::feed::LocalFeed;
use colloquy::store::{Checkpointed, Claim};

use super::{RETRY_AFTER, Viewer, WAIT_MAX, stored, until_ready};
use crate::support::make;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// A clock that is half a minute ahead.
struct Fast;

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_millis(30_000)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_ahead_closes_no_reply_of_another() {
    let scratch = Scratch::mongo().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "40", "--builtin-words", "100"]);
    let reply = server.send(&server.create_chat("A chat").await, "नमस्ते 🌍").await;
    let mut viewer = Viewer::of(&server, &reply).await;
    viewer.sees_more().await;
    let feed = Arc::new(LocalFeed::new(1));
    let bot = Arc::new(BuiltinBot::new(0.0, 0));
    let store = scratch.open().await;
    let config = EngineConfig::default();
    let other = Engine::new(
        store.clone(),
        feed,
        bot,
        Arc::new(Fast),
        config,
        "other".to_owned(),
    );
    assert_eq!(other.recover(Claim::Lapsed).await.unwrap(), 0);
    let id = MessageId::parse(&reply).unwrap();
    assert!(store.messages(&[id]).await.unwrap()[0].is_under_way());
    assert_eq!(viewer.end().await, stored(&server, &reply).await);
    scratch.remove().await;
}

/// Longer than the test takes.
const LEASE: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_lets_owners_renew_before_it_closes_the_replies_of_the_dead() {
    let scratch = Scratch::mongo().await;
    let store = scratch.open().await;
    // As both are when the database comes back after a while.
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let [alive, dead] = ["alive", "dead"].map(|owner| {
        let mut message = make::streaming(chat.id, owner);
        message.reply.as_mut().unwrap().lease_until = make::at(5);
        message
    });
    store.insert_message(&alive).await.unwrap();
    store.insert_message(&dead).await.unwrap();
    let server = Server::start(&scratch);
    until_ready(&server).await;
    let held = Checkpointed::Held {
        is_stop_requested: false,
    };
    let renewed = store
        .checkpoint(alive.chat_id, alive.id, "alive", "", LEASE)
        .await;
    assert_eq!(renewed.unwrap(), held);
    let begun = Instant::now();
    while store.messages(&[dead.id]).await.unwrap()[0].is_under_way() {
        assert!(begun.elapsed() < WAIT_MAX, "nobody closed the reply");
        tokio::time::sleep(RETRY_AFTER).await;
    }
    let renewed = store
        .checkpoint(alive.chat_id, alive.id, "alive", "", LEASE)
        .await;
    assert_eq!(renewed.unwrap(), held);
    scratch.remove().await;
}
