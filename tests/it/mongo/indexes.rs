//! The indexes: made at the start and by `colloquy setup`, the documented ones by their documented names.

use std::collections::BTreeMap;
use std::process::Command;

use colloquy::store::MongoStore;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};

use crate::support::scratch::Scratch;

async fn indexes(scratch: &Scratch, collection: &str) -> BTreeMap<String, Document> {
    let collection = scratch.database().await.collection::<Document>(collection);
    let indexes: Vec<_> = collection
        .list_indexes()
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let named = indexes.into_iter().map(|index| {
        let options = index.options.unwrap();
        (options.name.unwrap(), index.keys)
    });
    named.collect()
}

async fn assert_indexes(scratch: &Scratch) {
    let chats = indexes(scratch, "chats").await;
    for (name, key) in [
        ("user_id_1", "user_id"),
        ("document_id_1", "document_id"),
        ("status_1", "status"),
        ("created_at_1", "created_at"),
    ] {
        assert_eq!(chats.get(name), Some(&doc! { key: 1 }), "{name}");
    }
    let messages = indexes(scratch, "chat_messages").await;
    for (name, key) in [
        ("chat_id_1", "chat_id"),
        ("is_bot_1", "is_bot"),
        ("created_ts_1", "created_ts"),
    ] {
        assert_eq!(messages.get(name), Some(&doc! { key: 1 }), "{name}");
    }
    assert_eq!(
        chats["user_id_1_updated_at_-1__id_-1"],
        doc! { "user_id": 1, "updated_at": -1, "_id": -1 }
    );
    assert_eq!(
        chats["user_id_1_created_at_-1__id_1"],
        doc! { "user_id": 1, "created_at": -1, "_id": 1 }
    );
    assert_eq!(
        messages["chat_id_1_created_ts_1__id_1"],
        doc! { "chat_id": 1, "created_ts": 1, "_id": 1 }
    );
    assert_eq!(
        messages["message_text"],
        doc! { "_fts": "text", "_ftsx": 1, "chat_id": 1 }
    );
}

#[tokio::test]
async fn setup_makes_every_index_and_can_be_repeated() {
    let scratch = Scratch::mongo().await;
    for _ in 0..2 {
        let mut setup = Command::new(env!("CARGO_BIN_EXE_colloquy"));
        let output = setup
            .args(["--store", &scratch.address(), "setup"])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_indexes(&scratch).await;
    }
    scratch.remove().await;
}

#[tokio::test]
async fn a_start_makes_the_indexes_that_are_missing_and_leaves_those_that_are_there() {
    let scratch = Scratch::mongo().await;
    let database = scratch.database().await;
    // As the documented system left them, with one of somebody else's.
    for (collection, keys) in [
        ("chats", doc! { "user_id": 1 }),
        ("chat_messages", doc! { "reaction": 1 }),
    ] {
        let index = mongodb::IndexModel::builder().keys(keys).build();
        database
            .collection::<Document>(collection)
            .create_index(index)
            .await
            .unwrap();
    }
    MongoStore::connect(&scratch.address()).await.unwrap();
    assert_indexes(&scratch).await;
    assert_eq!(
        indexes(&scratch, "chat_messages").await["reaction_1"],
        doc! { "reaction": 1 }
    );
    scratch.remove().await;
}
