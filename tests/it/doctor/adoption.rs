//! What `--adopt` finds in a database of the documented system.

use std::collections::BTreeMap;

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use super::report::{Report, run};
use crate::support::documented::{BUSY, Documented};
use crate::support::scratch::Scratch;

/// What is in a field: of each kind how many documents have it, and what is read.
fn kinds(survey: &Value, collection: usize, field: &str) -> BTreeMap<String, (u64, String)> {
    let fields = survey["collections"][collection]["fields"].as_array().unwrap();
    let field = fields.iter().find(|found| found["name"] == field).unwrap();
    let kinds = field["kinds"].as_array().unwrap().iter().map(|kind| {
        let reading = kind["default"].as_str().or(kind["reading"].as_str()).unwrap();
        let kind_name = kind["kind"].as_str().unwrap().to_owned();
        assert!(!kind["sample"].as_str().unwrap().is_empty());
        (kind_name, (kind["count"].as_u64().unwrap(), reading.to_owned()))
    });
    kinds.collect()
}

fn expected(kinds: &[(&str, u64, &str)]) -> BTreeMap<String, (u64, String)> {
    let kinds = kinds.iter();
    kinds
        .map(|(kind, count, reading)| ((*kind).to_owned(), (*count, (*reading).to_owned())))
        .collect()
}

#[tokio::test]
async fn every_odd_field_is_counted_with_what_is_read_instead() {
    let scratch = Scratch::mongo().await;
    let documented = Documented::fill(&scratch.database().await).await;
    let report = Report::of(&scratch.address(), &["--adopt"]);
    assert_eq!(report.code, 0, "{}", report.printed);
    let survey = &report.report["survey"];
    assert_eq!(
        kinds(survey, 0, "user_id"),
        expected(&[
            ("int", 6, "documented"),
            ("long", 2, "documented"),
            ("string of 1 to 255 bytes", 1, "documented"),
            ("whole double", 1, "understood"),
            ("double", 1, "left_out"),
            ("string", 2, "left_out"),
            ("object", 1, "left_out"),
            ("missing", 1, "left_out"),
        ])
    );
    let tokens = kinds(survey, 1, "token");
    for (kind, count, reading) in [
        ("int", 1, "documented"),
        ("long", 1, "documented"),
        ("whole double", 1, "understood"),
        ("double", 3, "null"),
        ("decimal", 1, "null"),
        ("string of digits", 1, "documented"),
        ("string", 4, "null"),
        ("bool", 1, "null"),
        ("missing", 5, "null"),
    ] {
        assert_eq!(tokens[kind], (count, reading.to_owned()), "{kind}");
    }
    assert_eq!(kinds(survey, 1, "type")["missing"], (5, "\"text\"".to_owned()));
    assert_eq!(
        kinds(survey, 1, "created_ts")["null"].1,
        "the moment inside its _id"
    );
    assert_eq!(kinds(survey, 1, "_id")["int"], (1, "left_out".to_owned()));
    assert_eq!(kinds(survey, 1, "chat_id")["string"], (1, "left_out".to_owned()));
    let documents = survey["collections"][1]["documents"].as_u64().unwrap();
    let counted: u64 = kinds(survey, 1, "message").values().map(|(count, _)| count).sum();
    assert_eq!(counted, documents);
    assert!(documents > BUSY as u64);

    let orphans = &survey["orphans"];
    assert_eq!(orphans["messages"], 2);
    assert_ne!(orphans["sample"]["chat_id"], documented.chats["base"].to_hex());
    assert_eq!(report.verdict("orphans"), "warning");
    // Nearly everything was dated by a clock in India.
    let clock = &survey["collections"][1]["clock"];
    assert!(
        clock["offsets"]["+05:30"].as_u64().unwrap() > BUSY as u64,
        "{clock}"
    );
    assert_eq!(clock["beyond"], 0);
    assert_eq!(survey["collections"][0]["revisions"]["late"], 3);
    assert_eq!(survey["collections"][0]["revisions"]["base"], 1);
    assert_eq!(survey["collections"][1]["revisions"]["late"], 17);

    let indexes = &survey["collections"][1]["indexes"];
    assert_eq!(indexes["documented_missing"], json!([]));
    let added: Vec<_> = indexes["added"]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| &index["name"])
        .collect();
    assert_eq!(added.len(), 7, "{added:?}");
    assert_eq!(survey["collections"][1]["additions"][2]["name"], "reply");

    // The same for people.
    let output = run(&scratch.address(), &["--adopt"], &[]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "chat_messages.token",
        "the moment inside its _id",
        "+05:30",
        "message text, chat_id 1",
        "would be added",
        "nothing was written",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\0') && !text.contains('\x1b'));
    scratch.remove().await;
}

#[tokio::test]
async fn a_large_collection_is_read_in_passes_and_every_document_once_whatever_its_id() {
    const DOCUMENTS: usize = 25_000;
    let scratch = Scratch::mongo().await;
    let messages = scratch.database().await.collection::<Document>("chat_messages");
    let chat = mongodb::bson::oid::ObjectId::new();
    for first in (0..DOCUMENTS).step_by(5_000) {
        let document = |n: usize| match n % 5 {
            0 => doc! { "_id": format!("text {n}"), "chat_id": chat },
            1 => doc! { "_id": i64::try_from(n).unwrap(), "chat_id": chat },
            2 => doc! { "_id": { "n": i64::try_from(n).unwrap() }, "chat_id": chat },
            _ => doc! { "chat_id": chat },
        };
        messages
            .insert_many((first..first + 5_000).map(document))
            .await
            .unwrap();
    }
    let report = Report::of(&scratch.address(), &["--adopt"]);
    let survey = &report.report["survey"];
    assert_eq!(survey["collections"][1]["documents"], DOCUMENTS);
    assert_eq!(kinds(survey, 1, "_id")["objectId"].0, 10_000);
    assert_eq!(kinds(survey, 1, "_id")["string"].0, 5_000);
    assert_eq!(survey["orphans"]["messages"], DOCUMENTS);
    scratch.remove().await;
}

#[tokio::test]
async fn a_database_without_the_collections_is_told_apart_from_an_empty_one() {
    let scratch = Scratch::mongo().await;
    let report = Report::of(&scratch.address(), &["--adopt"]);
    assert_eq!(
        (report.code, report.verdict("chats")),
        (0, "warning"),
        "{}",
        report.printed
    );
    let database = scratch.database().await;
    database.create_collection("chats").await.unwrap();
    let capped = doc! { "create": "chat_messages", "capped": true, "size": 4096, "validator": { "x": 1 } };
    database.run_command(capped).await.unwrap();
    let report = Report::of(&scratch.address(), &["--adopt"]);
    assert!(
        report.findings("chats").contains(&("ok", "0 documents")),
        "{}",
        report.printed
    );
    assert_eq!(report.code, 1);
    let messages: Vec<_> = report
        .findings("chat_messages")
        .iter()
        .map(|(verdict, _)| *verdict)
        .collect();
    assert!(
        messages.contains(&"problem") && messages.contains(&"warning"),
        "{}",
        report.printed
    );

    database
        .collection::<Document>("chat_messages")
        .drop()
        .await
        .unwrap();
    let view = doc! { "create": "chat_messages", "viewOn": "chats", "pipeline": [] };
    database.run_command(view).await.unwrap();
    let report = Report::of(&scratch.address(), &["--adopt"]);
    assert_eq!(report.code, 1, "{}", report.printed);
    scratch.remove().await;
}

#[tokio::test]
async fn names_in_a_database_cannot_speak_to_the_terminal() {
    let scratch = Scratch::mongo().await;
    let database = scratch.database().await;
    let index = doc! { "name": "\x1b[2Jcleared", "key": { "x": 1 } };
    let make = doc! { "createIndexes": "chats", "indexes": [index] };
    database.run_command(make).await.unwrap();
    let chat = doc! { "_id": "\x1b[2J", "user_id": 1 };
    database.collection("chats").insert_one(chat).await.unwrap();
    let output = run(&scratch.address(), &["--adopt"], &[("CLICOLOR_FORCE", "1")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("cleared") && !text.contains("\x1b[2J"), "{text}");
    scratch.remove().await;
}

#[tokio::test]
async fn a_folder_cannot_be_adopted() {
    let scratch = Scratch::embedded().await;
    let output = run(&scratch.address(), &["--adopt"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("--store mongodb://HOST/DATABASE"), "{words}");
    assert_eq!(output.stdout, b"");
}
