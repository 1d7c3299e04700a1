//! Servers whose clocks differ.

use std::sync::Arc;

use colloquy::bot::BuiltinBot;
use colloquy::config::EngineConfig;
use colloquy::domain::{Clock, MessageId, SystemClock, Timestamp};
use colloquy::engine::Engine;
use colloquy::feed::LocalFeed;
use colloquy::store::Claim;

use super::{Viewer, stored};
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
