//! The primary changes: it steps down, dies, or freezes.

use std::sync::Arc;
use std::time::Duration;

use super::{Viewer, Writers, stored, until_ready};
use crate::support::replica_set::ReplicaSet;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Longer than an election, than a call is waited for, and than a lease.
const FROZEN_FOR: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn each_acknowledged_message_is_there_once_after_the_primary_stepped_down_and_after_it_died() {
    let mut set = ReplicaSet::start(3).await;
    let scratch = Scratch::on_mongod(&set.uri());
    let server = Arc::new(Server::start(&scratch));
    let writers = Writers::start(&server, 20).await;
    writers.go_on(200).await;
    set.step_down().await;
    writers.go_on(200).await;
    let primary = set.primary().await;
    set.kill(primary);
    writers.go_on(200).await;
    set.restart(primary);
    writers.go_on(200).await;
    writers.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_freezes_costs_no_message_and_no_character() {
    let set = ReplicaSet::start(3).await;
    let scratch = Scratch::on_mongod(&set.uri());
    let arguments = ["--builtin-pace", "40", "--builtin-words", "320"];
    let server = Arc::new(Server::start_with(&scratch, &arguments));
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "नमस्ते दुनिया 🌍").await;
    let mut viewer = Viewer::of(&server, &reply).await;
    viewer.sees_more().await;
    let writers = Writers::start(&server, 5).await;
    writers.go_on(20).await;

    let primary = set.primary().await;
    set.freeze(primary);
    let thawed = async {
        tokio::time::sleep(FROZEN_FOR).await;
        set.thaw(primary);
    };
    let seen = async {
        // As long as several checkpoints, none of which comes through.
        for _ in 0..100 {
            viewer.sees_more().await;
        }
    };
    tokio::join!(thawed, seen, writers.go_on(20));
    writers.go_on(100).await;
    writers.check().await;
    until_ready(&server).await;
    assert_eq!(viewer.end().await, stored(&server, &reply).await);
}
