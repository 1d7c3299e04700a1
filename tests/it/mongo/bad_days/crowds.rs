//! More calls than the database takes: they wait a bounded time, and do not pile up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use colloquy::domain::{ChatChange, MessageChange};
use colloquy::store::{ChatStore, MessageStore, MongoStore, Store, StoreError};
use futures_util::future::join_all;
use mongodb::bson::doc;
use serde_json::json;

use super::{CREATE, Viewer, Writers, ask, create, stored, until_ready};
use crate::crash::read_all;
use crate::support::make;
use crate::support::replica_set::ReplicaSet;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const TITLE: &str = "query ($id: ID!) { chat(id: $id) { title } }";

/// Connections beside those for calls: one that looks at the member, and one that times it.
const MONITORS: usize = 2;

async fn all_are_unavailable(server: &Server, chat: &str, calls: usize) {
    let answers = (0..calls).map(|_| ask(server, TITLE, json!({ "id": chat })));
    for answer in join_all(answers).await {
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_a_database_that_hangs_wait_a_bounded_time_and_take_no_more_connections_than_they_may() {
    let set = ReplicaSet::start(1).await;
    for (option, connections) in [("&maxPoolSize=1", 1), ("", 32)] {
        let uri = format!("{}{option}", set.uri());
        let server = Server::start(&Scratch::on_mongod(&uri));
        let chat = server.create_chat("A chat").await;
        set.freeze(0);
        for _ in 0..2 {
            all_are_unavailable(&server, &chat, 100).await;
        }
        set.thaw(0);
        until_ready(&server).await;
        let asked = (0..100).map(|_| ask(&server, TITLE, json!({ "id": chat })));
        for answer in join_all(asked).await {
            assert_eq!(answer["data"]["chat"]["title"], "A chat", "{answer}");
        }
        let taken = set.connections(0).await;
        assert!(taken <= connections + MONITORS, "{taken}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_to_a_disk_that_stands_still_hold_up_neither_reads_nor_replies_and_are_done_once() {
    let set = ReplicaSet::start(1).await;
    let scratch = Scratch::on_mongod(&set.uri());
    let arguments = ["--builtin-pace", "20", "--builtin-words", "100"];
    let server = Arc::new(Server::start_with(&scratch, &arguments));
    let chat = server.create_chat("A chat").await;
    let writers = Writers::start(&server, 40).await;
    writers.go_on(40).await;
    let reply = server.send(&chat, "नमस्ते 🌍").await;
    let mut viewer = Viewer::of(&server, &reply).await;
    viewer.sees_more().await;

    set.command(0, doc! { "fsync": 1, "lock": true }).await;
    let held_up = async {
        let input = json!({ "input": { "chatId": chat, "clientKey": "held-up", "text": "held up" } });
        let answer = ask(&server, CREATE, input).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{answer}"
        );
    };
    let read = async {
        for _ in 0..20 {
            let answer = ask(&server, TITLE, json!({ "id": chat })).await;
            assert_eq!(answer["data"]["chat"]["title"], "A chat", "{answer}");
            viewer.sees_more().await;
        }
    };
    let locked = tokio::time::sleep(Duration::from_secs(6));
    tokio::join!(held_up, read, locked);
    set.command(0, doc! { "fsyncUnlock": 1 }).await;
    let held_up = create(&server, &chat, "held-up", "held up").await;
    writers.go_on(40).await;
    writers.check().await;
    let mut messages = HashMap::new();
    read_all(&server, &chat, &mut messages).await;
    messages.retain(|_, text| text == "held up");
    assert_eq!(messages.into_keys().collect::<Vec<_>>(), [held_up]);
    assert_eq!(viewer.end().await, stored(&server, &reply).await);
}

/// An edit's new text or title.
fn edits(text: &str) -> (MessageChange, ChatChange) {
    let message = MessageChange {
        text: Some(text.to_owned()),
        ..MessageChange::default()
    };
    let chat = ChatChange {
        title: Some(text.to_owned()),
        ..ChatChange::default()
    };
    (message, chat)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_reported_unavailable_is_not_made_once_the_disk_goes_on() {
    let set = ReplicaSet::start(1).await;
    let store = MongoStore::connect(&set.uri()).await.unwrap();
    let mut messages = Vec::new();
    for _ in 0..10 {
        let chat = make::stored_chat(&store).await;
        let message = make::message(chat.id);
        store.insert_message(&message).await.unwrap();
        messages.push(message);
    }
    let edit = async |text: &str| {
        let (message_change, chat_change) = edits(text);
        let edits = messages.iter().map(async |message| {
            let (chat, id) = (message.chat_id, message.id);
            let (edited, renamed) = tokio::join!(
                store.update_message(chat, id, &message_change, make::now()),
                store.update_chat(chat, &chat_change, make::now())
            );
            (edited.map(drop), renamed.map(drop))
        });
        join_all(edits).await
    };
    let assert_all = async |text: &str, title: &str| {
        for message in &messages {
            let stored = make::all(&store, message.chat_id).await;
            assert_eq!(stored[0].text, text);
            let chats = store.chats(&[message.chat_id]).await.unwrap();
            assert_eq!(chats[0].title, title);
        }
    };
    set.command(0, doc! { "fsync": 1, "lock": true }).await;
    for (edited, renamed) in edit("A").await {
        assert!(matches!(edited, Err(StoreError::Unavailable(_))), "{edited:?}");
        assert!(matches!(renamed, Err(StoreError::Unavailable(_))), "{renamed:?}");
    }
    set.command(0, doc! { "fsyncUnlock": 1 }).await;
    store.ping().await.unwrap();
    assert_all("Hello", "A chat").await;
    for (edited, renamed) in edit("B").await {
        assert!(edited.is_ok() && renamed.is_ok(), "{edited:?} {renamed:?}");
    }
    assert_all("B", "B").await;
}
