//! Nothing that `colloquy doctor` does changes a database, and the right to read is enough for it.

use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document, doc};

use super::report::Report;
use crate::support::documented::{Documented, bytes_of};
use crate::support::mongod::Mongod;
use crate::support::scratch::Scratch;

/// The server's own fingerprint of each collection.
async fn fingerprint(database: &Database) -> Document {
    let hash = database.run_command(doc! { "dbHash": 1 }).await.unwrap();
    hash.get_document("collections").unwrap().clone()
}

#[tokio::test]
async fn a_user_who_may_only_read_can_look_and_everything_stays_as_it_was() {
    let mongod = Mongod::start().await;
    let database = mongod.client("owner").await.database("documented");
    Documented::fill(&database).await;
    let before = (fingerprint(&database).await, bytes_of(&database).await);
    let report = Report::of(&mongod.uri("reader", "documented"), &["--adopt"]);
    assert_eq!(report.code, 0, "{}", report.printed);
    assert!(
        report.report["survey"]["collections"][1]["documents"]
            .as_u64()
            .unwrap()
            > 0
    );
    Report::of(&mongod.uri("reader", "documented"), &[]);
    assert_eq!((fingerprint(&database).await, bytes_of(&database).await), before);
    assert!(!report.printed.contains("secret"), "{}", report.printed);
}

#[tokio::test]
async fn every_command_only_reads_and_is_bounded() {
    let scratch = Scratch::mongo().await;
    let database = scratch.database().await;
    Documented::fill(&database).await;
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    for arguments in [&["--adopt"][..], &[]] {
        Report::of(&scratch.address(), arguments);
    }
    database.run_command(doc! { "profile": 0 }).await.unwrap();
    let profile = database.collection::<Document>("system.profile");
    let ours = profile.find(doc! { "appName": "colloquy" }).await.unwrap();
    let ours: Vec<_> = ours.try_collect().await.unwrap();
    let (mut passes, mut looks) = (0, 0);
    let is_date = |hint: &str| hint == "created_ts_1";
    for entry in &ours {
        let command = entry.get_document("command").unwrap();
        let (name, _) = command.iter().next().unwrap();
        let reads = [
            "aggregate",
            "count",
            "find",
            "listCollections",
            "listIndexes",
            "hello",
            "buildInfo",
            "connectionStatus",
        ];
        assert!(reads.contains(&name.as_str()), "{entry}");
        if name == "find" {
            assert!(command.contains_key("maxTimeMS"), "{entry}");
        }
        if command.get_str("hint").is_ok_and(is_date) {
            looks += 1;
            let plan = entry.get_str("planSummary").unwrap();
            assert!(plan.starts_with("IXSCAN { created_ts: 1 }"), "{entry}");
            assert!(command.contains_key("maxTimeMS"), "{entry}");
        } else if name == "aggregate" {
            passes += 1;
            assert!(
                command.contains_key("maxTimeMS") && command.contains_key("allowDiskUse"),
                "{entry}"
            );
            // By the index of the ids, in its order: nothing is scanned whole or sorted but a few sums.
            assert!(
                entry
                    .get_str("planSummary")
                    .unwrap()
                    .starts_with("IXSCAN { _id: 1 }"),
                "{entry}"
            );
        }
    }
    // Two collections, the end of each, and the orphans.
    assert_eq!(passes, 5, "{ours:#?}");
    // For replies that are older than the ledger.
    assert_eq!(looks, 1, "{ours:#?}");
    scratch.remove().await;
}
