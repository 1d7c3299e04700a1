//! A chat that is deleted while others write in it.

use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use serde_json::json;

use super::{CREATE, SEND, chats};
use crate::on_both_stores;
use crate::support::follow::ChatFollower;
use crate::support::scratch::{Scratch, tries};
use crate::support::server::Server;

const DELETE: &str = "mutation ($id: ID!) { deleteChat(input: { id: $id }) { deletedChatId } }";
const CHATS_FEW: usize = 75;

on_both_stores! {
    a_deleted_chat_leaves_nothing_whatever_was_on_its_way,
    nothing_of_a_deleted_message_follows_its_deletion,
}

/// Sends and writes at the moment of the deletion, on these servers.
async fn delete_beside(deleters: &Server, senders: &Server) -> Vec<String> {
    let chats = chats(deleters, tries(CHATS_FEW)).await;
    for chat in &chats {
        let send = |n: usize| {
            let input = json!({ "input": { "chatId": chat, "text": format!("forgettable {n}") } });
            senders.request(SEND, input)
        };
        let write = json!({ "input": { "chatId": chat, "text": "forgettable too" } });
        let (deleted, _, _, _, _) = tokio::join!(
            deleters.request(DELETE, json!({ "id": chat })),
            send(1),
            send(2),
            send(3),
            senders.request(CREATE, write),
        );
        assert!(deleted["errors"].is_null(), "{deleted}");
    }
    chats
}

async fn a_deleted_chat_leaves_nothing_whatever_was_on_its_way(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "20"]);
    let chats = delete_beside(&server, &server).await;
    for chat in &chats {
        let gone = server
            .code(SEND, json!({ "input": { "chatId": chat, "text": "still?" } }))
            .await;
        assert_eq!(gone, "NOT_FOUND");
    }
    until_nothing_is_left(scratch, Some(server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_one_server_deletes_leaves_nothing_of_what_another_writes() {
    let scratch = Scratch::mongo_and_redis().await;
    let [a, b] = [(); 2].map(|()| Server::start_with(&scratch, &["--builtin-pace", "20"]));
    delete_beside(&a, &b).await;
    // Whoever deleted it may die: another carries it on.
    a.kill();
    until_nothing_is_left(&scratch, None).await;
    drop(b);
    scratch.remove().await;
}

/// Waits until no message is stored any more. The sweep has no event that a client could await.
async fn until_nothing_is_left(scratch: &Scratch, embedded: Option<Server>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    if scratch.address().starts_with("mongodb") {
        let messages = scratch.database().await.collection::<Document>("chat_messages");
        while messages.count_documents(doc! {}).await.unwrap() > 0 {
            assert!(Instant::now() < deadline, "messages are left");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        return;
    }
    // One process at a time may open the folder.
    let (status, _) = embedded.unwrap().stop();
    assert!(status.success());
    let store = scratch.open().await;
    while store.sweep_deleted(100).await.unwrap().is_some() {}
    drop(store);
    let file = std::path::Path::new(&scratch.address()).join("colloquy.db");
    let database = rusqlite::Connection::open(file).unwrap();
    for table in ["messages", "searchable_messages", "message_words"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let left: i64 = database.query_row(&sql, (), |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

async fn nothing_of_a_deleted_message_follows_its_deletion(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "200", "--builtin-words", "400"]);
    let chat = server.create_chat("A chat").await;
    for _ in 0..5 {
        let mut follower = ChatFollower::start(&server, &chat, &serde_json::Value::Null).await;
        follower.expect("ChatResync").await;
        let reply = server.send(&chat, "Tell me about the sea").await;
        while follower.next().await.unwrap()["__typename"] != "ReplyPartial" {}
        let delete = "mutation ($id: ID!) { deleteMessage(input: { id: $id }) { deletedMessageId } }";
        server.data(delete, json!({ "id": reply })).await;
        while follower.next().await.unwrap()["__typename"] != "MessageDeleted" {}
        let rename =
            "mutation ($id: ID!) { updateChat(input: { id: $id, title: \"Later\" }) { chat { id } } }";
        server.data(rename, json!({ "id": chat })).await;
        let next = follower.next().await.unwrap();
        assert_eq!(next["__typename"], "ChatUpdated", "{next}");
    }
}
