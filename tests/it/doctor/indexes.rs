//! What `--adopt` says of the indexes is what the server says when they are made.

use mongodb::bson::{Document, doc};

use super::report::Report;
use crate::support::scratch::Scratch;

/// Makes an index that is there before Colloquy comes, looks, and then starts.
async fn look_and_start(collection: &str, index: Document) -> (Report, bool) {
    let scratch = Scratch::mongo().await;
    let database = scratch.database().await;
    let make = doc! { "createIndexes": collection, "indexes": [index] };
    database.run_command(make).await.unwrap();
    let report = Report::of(&scratch.address(), &["--adopt"]);
    let config = colloquy::config::StoreConfig::parse(&scratch.address()).unwrap();
    let starts = colloquy::app::open_store(&config).await.is_ok();
    let after = Report::of(&scratch.address(), &["--adopt"]);
    if starts {
        for n in 0..2 {
            let indexes = &after.report["survey"]["collections"][n]["indexes"];
            assert_eq!(indexes["added"], serde_json::json!([]), "{indexes:#}");
            assert_eq!(indexes["documented_missing"], serde_json::json!([]));
        }
    }
    scratch.remove().await;
    (report, starts)
}

#[tokio::test]
async fn an_index_in_the_way_is_a_problem_exactly_where_a_start_fails() {
    let only = doc! { "client_key": { "$type": "string" } };
    for (collection, index, starts) in [
        // A text index of another kind, and one under another name.
        (
            "chat_messages",
            doc! { "name": "t", "key": { "message": "text" } },
            false,
        ),
        (
            "chat_messages",
            doc! { "name": "t", "key": { "title": "text", "x": 1 } },
            false,
        ),
        (
            "chat_messages",
            doc! { "name": "message_text", "key": { "message": "text", "chat_id": 1 }, "default_language": "none",
            "language_override": "message_text_language" },
            true,
        ),
        (
            "chat_messages",
            doc! { "name": "message_text", "key": { "message": "text", "chat_id": 1 }, "default_language": "none" },
            false,
        ),
        // The documented keys under another name, of another direction, and with other options.
        ("chats", doc! { "name": "mine", "key": { "user_id": 1 } }, false),
        (
            "chats",
            doc! { "name": "user_id_1", "key": { "user_id": 1.0 } },
            true,
        ),
        (
            "chats",
            doc! { "name": "user_id_1", "key": { "user_id": -1 } },
            false,
        ),
        (
            "chats",
            doc! { "name": "user_id_1", "key": { "user_id": 1 }, "unique": true },
            false,
        ),
        (
            "chats",
            doc! { "name": "user_id_1", "key": { "user_id": 1 }, "sparse": true },
            false,
        ),
        (
            "chats",
            doc! { "name": "created_at_1", "key": { "created_at": 1 }, "expireAfterSeconds": 9 },
            false,
        ),
        (
            "chats",
            doc! { "name": "ttl", "key": { "created_at": 1 }, "expireAfterSeconds": 9 },
            false,
        ),
        // What may stand beside ours.
        (
            "chats",
            doc! { "name": "mine", "key": { "user_id": 1 }, "sparse": true },
            true,
        ),
        ("chats", doc! { "name": "mine", "key": { "user_id": -1 } }, true),
        (
            "chats",
            doc! { "name": "mine", "key": { "user_id": 1 }, "collation": { "locale": "en" } },
            true,
        ),
        (
            "chat_messages",
            doc! { "name": "mine", "key": { "chat_id": 1, "client_key": 1 }, "partialFilterExpression": only.clone(),
            "unique": true },
            false,
        ),
        (
            "chat_messages",
            doc! { "name": "mine", "key": { "chat_id": 1, "client_key": 1 }, "partialFilterExpression": only },
            true,
        ),
    ] {
        let (report, started) = look_and_start(collection, index.clone()).await;
        assert_eq!(started, starts, "{index}");
        assert_eq!(report.code == 0, starts, "{index} {}", report.printed);
    }
}

#[tokio::test]
async fn somebody_elses_indexes_that_delete_or_refuse_documents_are_told() {
    let ttl = doc! { "name": "ttl", "key": { "updated_at": 1 }, "expireAfterSeconds": 3600 };
    let unique = doc! { "name": "one", "key": { "title": 1 }, "unique": true };
    for (index, expected) in [
        (ttl, "the index ttl deletes documents after 3600 seconds"),
        (
            unique,
            "the unique index one (title 1) may refuse what Colloquy writes",
        ),
    ] {
        let (report, _) = look_and_start("chats", index).await;
        assert!(
            report.findings("chats").contains(&("warning", expected)),
            "{}",
            report.printed
        );
    }
}
