//! `colloquy recount`.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use colloquy::config::StoreConfig;
use colloquy::domain::{Chat, MessageId, Timestamp, UsageRow, UserId};
use colloquy::store::{ChatStore, MessageStore, MongoStore, Store};
use mongodb::bson::{Bson, DateTime, Document, doc, oid};
use serde_json::{Value, json};

use crate::support::make;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const DAY: i64 = 86_400_000;

fn run(store: &str, arguments: &[&str]) -> Output {
    let mut colloquy = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    colloquy.args(["recount", "--store", store]).args(arguments);
    colloquy.output().unwrap()
}

/// The summary for programs.
fn recount(store: &str) -> Value {
    let output = run(store, &["--format", "json"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A reply as version 0.1.0 stored it, which knew no ledger.
fn reply(
    chat: &Chat,
    finished_at: i64,
    model: Option<&str>,
    prompt: (i64, bool),
    completion: i64,
) -> Document {
    let at = DateTime::from_millis(finished_at);
    doc! {
        "_id": oid::ObjectId::from_bytes(make::id().bytes()),
        "chat_id": oid::ObjectId::from_bytes(chat.id.0.bytes()),
        "message": "an answer", "is_bot": true, "token": completion, "created_ts": at, "updated_ts": at,
        "reply": {
            "state": "COMPLETE", "owner": "long gone", "model": model, "finished_at": at,
            "usage": {
                "prompt_tokens": prompt.0, "prompt_is_estimated": prompt.1,
                "completion_tokens": completion, "completion_is_estimated": false,
            },
        },
    }
}

#[tokio::test]
async fn a_folder_without_a_store_is_an_error_and_stays_as_it_is() {
    let scratch = Scratch::embedded().await;
    let folder = format!("{}/of/nobody", scratch.address());
    let output = run(&folder, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no store in"), "{said}");
    assert!(!std::path::Path::new(&folder).exists());
}

async fn usage(store: &dyn Store, user: &UserId) -> Vec<UsageRow> {
    let (from, to) = (Timestamp::from_millis(0), make::now().plus_millis(DAY));
    store.usage(user, from, to).await.unwrap()
}

/// The day, the model and the kind of a row; replies, tokens of prompts and of replies.
type Figures<'a> = (i64, Option<&'a str>, bool, u64, i64, i64);

fn figures(rows: &[UsageRow]) -> Vec<Figures<'_>> {
    let figures = rows.iter().map(|row| {
        let day = row.day.millis() / DAY;
        let (model, is_estimated) = (row.model.as_deref(), row.tokens.is_estimated);
        (
            day,
            model,
            is_estimated,
            row.reply_count,
            row.prompt_tokens,
            row.tokens.tokens,
        )
    });
    figures.collect()
}

fn doctor_on_usage(store: &str) -> Vec<String> {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    let output = doctor.args(["doctor", "--format", "json", "--store", store]);
    let report: Value = serde_json::from_slice(&output.output().unwrap().stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let of_usage = findings.filter(|finding| finding["subject"] == "usage");
    of_usage
        .map(|finding| format!("{}: {}", finding["verdict"], finding["advice"]))
        .collect()
}

#[tokio::test]
async fn replies_of_0_1_0_are_entered_into_the_ledger_once() {
    let scratch = Scratch::mongo().await;
    let store = scratch.open().await;
    let users = [
        UserId::Int(7),
        UserId::Text("7".to_owned()),
        UserId::Int(i64::from(i32::MAX) + 1),
    ];
    let mut chats = Vec::new();
    for user in [&users[0], &users[0], &users[1], &users[2]] {
        let chat = Chat {
            user_id: user.clone(),
            ..make::chat()
        };
        store.insert_chat(&chat).await.unwrap();
        chats.push(chat);
    }
    let gone = make::chat();
    let mut failed = reply(&chats[0], 5 * DAY, Some("m"), (1, false), 1);
    failed.get_document_mut("reply").unwrap().remove("usage");
    let mut streaming = reply(&chats[0], 5 * DAY, Some("m"), (1, false), 1);
    streaming
        .get_document_mut("reply")
        .unwrap()
        .insert("state", "STREAMING");
    let mut foreign = reply(&chats[0], 5 * DAY, Some("m"), (1, false), 1);
    foreign.insert("reply", "not ours");
    let replies = vec![
        reply(&chats[0], 5 * DAY, Some("m"), (10, false), 1),
        reply(&chats[1], 6 * DAY - 1, Some("m"), (20, false), 2),
        reply(&chats[0], 6 * DAY, Some("m"), (30, false), 3),
        reply(&chats[1], 5 * DAY, None, (40, false), 4),
        reply(&chats[0], 5 * DAY, Some("m"), (50, true), 5),
        reply(&chats[2], 5 * DAY, Some("m"), (60, false), 6),
        reply(&chats[3], 5 * DAY, Some("$m"), (-70, false), 7),
        reply(&gone, 5 * DAY, Some("m"), (80, false), 8),
        // As a server leaves it that closes the reply of a dead one, which has a bill.
        reply(&chats[0], 5 * DAY, Some("m"), (0, true), 9),
        failed,
        streaming,
        foreign,
    ];
    let messages = scratch.database().await.collection::<Document>("chat_messages");
    messages.insert_many(&replies).await.unwrap();
    let warned = doctor_on_usage(&scratch.address());
    assert!(
        warned.len() == 1 && warned[0].contains("warning") && warned[0].contains("colloquy recount"),
        "{warned:?}"
    );

    let done = recount(&scratch.address());
    assert_eq!(
        done["ledger"],
        json!({ "users": 3, "replies": 7, "rows_changed": 6 })
    );
    let expected = vec![
        (5, None, false, 1, 40, 4),
        (5, Some("m"), false, 2, 30, 3),
        (5, Some("m"), true, 1, 50, 5),
        (6, Some("m"), false, 1, 30, 3),
    ];
    assert_eq!(figures(&usage(&*store, &users[0]).await), expected);
    assert_eq!(
        figures(&usage(&*store, &users[1]).await),
        [(5, Some("m"), false, 1, 60, 6)]
    );
    assert_eq!(
        figures(&usage(&*store, &users[2]).await),
        [(5, Some("$m"), false, 1, 0, 7)]
    );
    assert_eq!(recount(&scratch.address())["ledger"]["rows_changed"], 0);
    // What was deleted since is not taken away.
    let id = replies[0].get_object_id("_id").unwrap();
    messages.delete_one(doc! { "_id": id }).await.unwrap();
    assert_eq!(recount(&scratch.address())["ledger"]["rows_changed"], 0);
    assert_eq!(figures(&usage(&*store, &users[0]).await), expected);
    // The reply in a chat that is gone is nobody's.
    assert_eq!(doctor_on_usage(&scratch.address()), [""; 0]);
    scratch.remove().await;
}

#[tokio::test]
async fn kept_counts_are_counted_again_in_pieces_while_a_server_serves() {
    let scratch = Scratch::mongo().await;
    let server = Server::start(&scratch);
    let chat = server.create_chat("long").await;
    let id = oid::ObjectId::parse_str(&chat).unwrap();
    let database = scratch.database().await;
    let (chats, messages) = (
        database.collection::<Document>("chats"),
        database.collection::<Document>("chat_messages"),
    );
    let begun = make::now().millis() - DAY;
    let old = (0..400_i64).map(|n| {
        let at = DateTime::from_millis(begun + n);
        doc! { "chat_id": id, "message": "hello", "token": 2, "created_ts": at, "updated_ts": at }
    });
    messages.insert_many(old).await.unwrap();
    let read = async || {
        let query = "query ($id: ID!) { chat(id: $id) { messageCount tokenCount } }";
        let data = server.data(query, json!({ "id": chat })).await;
        (
            data["chat"]["messageCount"].as_i64().unwrap(),
            data["chat"]["tokenCount"].as_i64().unwrap(),
        )
    };
    assert_eq!(read().await, (400, 800));
    let is_kept = doc! { "_id": id, "counts.until": { "$type": "date" } };
    while chats.find_one(is_kept.clone()).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    // Another program removes some behind its back.
    let first = doc! { "created_ts": { "$lt": DateTime::from_millis(begun + 40) } };
    messages.delete_many(first).await.unwrap();
    assert_eq!(read().await, (400, 800));
    let done = recount(&scratch.address());
    assert_eq!(done["chats"], json!({ "counted": 1, "corrected": 1, "left": 0 }));
    assert_eq!(read().await, (360, 720));
    assert!(chats.find_one(is_kept).await.unwrap().is_some());
    let done = recount(&scratch.address());
    assert_eq!(done["chats"], json!({ "counted": 1, "corrected": 0, "left": 0 }));

    // Where something may be changing, it is left to the server.
    let store = scratch.open().await;
    let oldest = messages.find_one(doc! {}).sort(doc! { "created_ts": 1 }).await;
    let oldest = oldest.unwrap().unwrap().get_object_id("_id").unwrap();
    let chat_id = colloquy::domain::ChatId(colloquy::domain::ObjectId::from_bytes(id.bytes()));
    let oldest = MessageId(colloquy::domain::ObjectId::from_bytes(oldest.bytes()));
    assert!(store.delete_message(chat_id, oldest).await.unwrap());
    let done = recount(&scratch.address());
    assert_eq!(done["chats"], json!({ "counted": 0, "corrected": 0, "left": 1 }));
    assert_eq!(read().await, (359, 718));
    let counts = chats.find_one(doc! { "_id": id }).await.unwrap().unwrap();
    let counts = counts.get_document("counts").unwrap().clone();
    assert!(
        matches!(counts.get("not_before"), Some(Bson::DateTime(_))),
        "{counts}"
    );

    let output = run(&scratch.address(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("0 chats counted again, 0 corrected."), "{text}");
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_counts_that_were_moved_on_since_they_were_read_are_counted_again_as_well() {
    let scratch = Scratch::mongo().await;
    let config = StoreConfig::parse(&scratch.address()).unwrap();
    let StoreConfig::Mongo(uri) = config else {
        panic!("no database")
    };
    let store = MongoStore::connect(&uri).await.unwrap();
    let database = scratch.database().await;
    let (chats, messages) = (
        database.collection::<Document>("chats"),
        database.collection::<Document>("chat_messages"),
    );
    let begun = make::now().millis() - DAY;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let chat = make::chat();
        store.insert_chat(&chat).await.unwrap();
        let id = oid::ObjectId::from_bytes(chat.id.0.bytes());
        let old = (0..400_i64).map(|n| {
            let at = DateTime::from_millis(begun + n);
            doc! { "chat_id": id, "message": "hello", "token": 2, "created_ts": at, "updated_ts": at }
        });
        messages.insert_many(old).await.unwrap();
        store.message_counts(&[chat.id]).await.unwrap();
        let is_kept = doc! { "_id": id, "counts.until": { "$type": "date" } };
        while chats.find_one(is_kept.clone()).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        ids.push(chat.id);
    }
    // Another program removes some behind their back.
    let first = doc! { "created_ts": { "$lt": DateTime::from_millis(begun + 40) } };
    messages.delete_many(first).await.unwrap();
    let last = oid::ObjectId::from_bytes(ids[1].0.bytes());
    let runtime = tokio::runtime::Handle::current();
    let moved_on = AtomicBool::new(false);
    // A reader moves the counts of the second chat on when those of the first are done: both were read at once.
    let progress = |_| {
        if !moved_on.swap(true, Ordering::Relaxed) {
            let later = doc! { "$inc": { "counts.version": 1_i64 } };
            let moved = async { chats.update_one(doc! { "_id": last }, later).await };
            tokio::task::block_in_place(|| runtime.block_on(moved)).unwrap();
        }
    };
    let done = store.recount(&progress).await.unwrap();
    assert_eq!(
        (done.chats_counted, done.chats_corrected, done.chats_left),
        (2, 2, 0)
    );
    let counts = store.message_counts(&ids).await.unwrap();
    assert!(ids.iter().all(|id| counts[id] == 360), "{counts:?}");
    scratch.remove().await;
}

#[tokio::test]
async fn a_folder_is_counted_again_and_has_to_be_free() {
    let scratch = Scratch::embedded().await;
    let store = scratch.open().await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    for n in 0..3 {
        store.insert_message(&make::message_at(chat.id, n)).await.unwrap();
    }
    let busy = run(&scratch.address(), &[]);
    assert_eq!(busy.status.code(), Some(1));
    let words = String::from_utf8(busy.stderr).unwrap();
    assert!(words.contains("another process uses the folder"), "{words}");
    drop(store);
    let done = recount(&scratch.address());
    assert_eq!(done["chats"], json!({ "counted": 1, "corrected": 0, "left": 0 }));
    let store = scratch.open().await;
    assert_eq!(store.message_counts(&[chat.id]).await.unwrap()[&chat.id], 3);
}

#[test]
fn what_is_no_store_is_told_before_anything_is_opened() {
    let output = run("postgres://user:secret@host/db", &[]);
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("mongodb://") && !words.contains("secret"),
        "{words}"
    );
    let away = "mongodb://user:secret@127.0.0.1:1/chats?serverSelectionTimeoutMS=200";
    assert_eq!(run(away, &[]).status.code(), Some(1));
}
