//! Deletions, and what arrives behind them.

use colloquy::store::{Begun, ChatStore, Claim, MessageStore, MongoStore, ReplyStore, Written};
use mongodb::Collection;
use mongodb::bson::{DateTime, Document, doc, oid};

use super::operations::{begin, exchange, write, writing};
use super::recorder::Recorder;
use crate::support::make;
use crate::support::scratch::Scratch;

struct Collections {
    messages: Collection<Document>,
    deletions: Collection<Document>,
}

impl Collections {
    async fn of(scratch: &Scratch) -> Self {
        let database = scratch.database().await;
        Self {
            messages: database.collection("chat_messages"),
            deletions: database.collection("chat_deletions"),
        }
    }

    async fn messages_left(&self) -> u64 {
        self.messages.count_documents(doc! {}).await.unwrap()
    }

    /// Makes every record as old as it is when so much time has passed.
    async fn age(&self, seconds: i64) {
        let older = |field: &str| doc! { "$subtract": [field, seconds * 1_000] };
        let age = doc! { "deleted_at": older("$deleted_at"), "next_look_at": older("$next_look_at") };
        self.deletions
            .update_many(doc! {}, vec![doc! { "$set": age }])
            .await
            .unwrap();
    }
}

async fn sweep(store: &MongoStore) {
    while store.sweep_deleted(7).await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_deleted_chat_is_gone_at_once_its_messages_soon_and_its_record_after_an_hour() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let collections = Collections::of(&scratch).await;
    let [chat, kept] = [make::chat(), make::chat()];
    for chat in [&chat, &kept] {
        store.insert_chat(chat).await.unwrap();
        for n in 0..30 {
            store.insert_message(&make::message_at(chat.id, n)).await.unwrap();
        }
    }
    let (prompt, reply) = begin(&store, &exchange(&chat, "us")).await;
    let of_chat = oid::ObjectId::from_bytes(chat.id.0.bytes());
    let damaged = doc! { "_id": 7, "chat_id": of_chat, "created_ts": "yesterday" };
    collections.messages.insert_one(damaged).await.unwrap();

    assert!(store.delete_chat(chat.id).await.unwrap());
    assert!(store.active_replies(&[chat.id]).await.unwrap().is_empty());
    assert!(
        store
            .claimable_replies(Claim::Alone, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let until = prompt.unwrap().position();
    let before = store
        .before_reply(chat.id, reply.id, until, super::operations::BOUNDS)
        .await;
    assert_eq!(before.unwrap(), None);
    let written = store
        .write_message(&writing(make::message(chat.id)))
        .await
        .unwrap();
    assert_eq!(written, Written::NoChat);
    let begun = store.begin_exchange(&exchange(&chat, "us")).await.unwrap();
    assert_eq!(begun, Begun::NoChat);
    assert!(!store.delete_chat(chat.id).await.unwrap());

    // No piece removes more than it was told.
    let mut left = collections.messages_left().await;
    recorder.take();
    while store.sweep_deleted(7).await.unwrap().is_some() {
        let now = collections.messages_left().await;
        assert!(left - now <= 7);
        left = now;
    }
    assert_eq!(left, 30);
    assert_eq!(store.message_counts(&[kept.id]).await.unwrap()[&kept.id], 30);
    assert_eq!(collections.deletions.count_documents(doc! {}).await.unwrap(), 1);
    collections.age(3_600).await;
    sweep(&store).await;
    assert_eq!(collections.deletions.count_documents(doc! {}).await.unwrap(), 0);
    scratch.remove().await;
}

#[tokio::test]
async fn what_a_frozen_writer_stores_behind_the_deletion_is_removed_when_it_is_looked_for_again() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let collections = Collections::of(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    write(&store, make::message(chat.id)).await;
    store.delete_chat(chat.id).await.unwrap();
    sweep(&store).await;
    assert_eq!(collections.messages_left().await, 0);
    // The second command of a write whose first was done before the deletion.
    store.insert_message(&make::message(chat.id)).await.unwrap();
    store
        .insert_message(&make::streaming(chat.id, "us"))
        .await
        .unwrap();
    assert!(store.sweep_deleted(7).await.unwrap().is_none());
    collections.age(60).await;
    sweep(&store).await;
    assert_eq!(collections.messages_left().await, 0);
    scratch.remove().await;
}

#[tokio::test]
async fn deletions_that_a_crash_interrupted_are_finished_also_those_of_0_1_0() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let collections = Collections::of(&scratch).await;
    let now = DateTime::from_millis(make::now().millis());
    for record in [doc! {}, doc! { "deleted_at": now, "next_look_at": now }] {
        let chat = make::chat();
        store.insert_chat(&chat).await.unwrap();
        write(&store, make::message(chat.id)).await;
        // Only the record was written.
        let mut record = record;
        record.insert("_id", oid::ObjectId::from_bytes(chat.id.0.bytes()));
        collections.deletions.insert_one(record).await.unwrap();
        sweep(&store).await;
        assert!(store.chats(&[chat.id]).await.unwrap().is_empty());
        assert_eq!(collections.messages_left().await, 0);
    }
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_written_while_their_chat_is_deleted_are_not_left() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let collections = Collections::of(&scratch).await;
    let mut chats = Vec::new();
    for _ in 0..40 {
        let chat = make::chat();
        store.insert_chat(&chat).await.unwrap();
        chats.push(chat);
    }
    let all = chats.iter().map(|chat| {
        let (message, exchange) = (writing(make::message(chat.id)), exchange(chat, "us"));
        let store = store.clone();
        async move {
            let (written, begun, deleted) = tokio::join!(
                store.write_message(&message),
                store.begin_exchange(&exchange),
                store.delete_chat(chat.id)
            );
            let (_, _) = (written.unwrap(), begun.unwrap());
            assert!(deleted.unwrap());
        }
    });
    futures_util::future::join_all(all).await;
    sweep(&store).await;
    collections.age(60).await;
    sweep(&store).await;
    assert_eq!(collections.messages_left().await, 0);
    scratch.remove().await;
}
