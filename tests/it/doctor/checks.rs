//! The checks of configuration, store, feed and bot.

use std::fs;

use mongodb::bson::Document;
use serde_json::json;

use super::report::{Report, run};
use crate::support::follow::follow;
use crate::support::mongod::Mongod;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::upstream::{Act, Upstream, head, send};

#[tokio::test]
async fn a_machine_with_nothing_on_it_is_well_and_stays_as_it_is() {
    let scratch = Scratch::embedded().await;
    let report = Report::of(&scratch.address(), &[]);
    assert_eq!(report.code, 0, "{}", report.printed);
    for subject in [
        "configuration",
        "address",
        "tokens",
        "store",
        "data",
        "feed",
        "bot",
    ] {
        assert_eq!(report.verdict(subject), "ok", "{}", report.printed);
    }
    assert_eq!(
        report.report["summary"],
        json!({ "ok": 7, "warnings": 0, "problems": 0 })
    );
    assert!(!fs::exists(scratch.address()).unwrap());
}

#[tokio::test]
async fn a_folder_in_use_and_an_address_in_use_are_seen() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let address = server.url.trim_start_matches("http://");
    let report = Report::of(&scratch.address(), &["--listen", address]);
    assert_eq!(report.code, 0, "{}", report.printed);
    assert_eq!(report.verdict("store"), "warning");
    assert_eq!(report.verdict("address"), "warning");
    assert_eq!(report.findings("data"), [("ok", "version 4")]);
    // The look has freed what it took.
    server.stop();
    Server::start(&scratch).stop();
    assert_eq!(Report::of(&scratch.address(), &[]).verdict("store"), "ok");
}

#[tokio::test]
async fn a_folder_that_cannot_be_one_is_a_problem() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "x").unwrap();
    let report = Report::of(file.to_str().unwrap(), &[]);
    assert_eq!((report.code, report.verdict("store")), (1, "problem"));
}

#[tokio::test]
async fn what_is_wrong_with_the_configuration_hides_nothing_else() {
    let scratch = Scratch::embedded().await;
    let report = Report::of(&scratch.address(), &["--builtin-faults", "stall@x"]);
    assert_eq!(report.code, 1);
    let [(verdict, detail)] = report.findings("configuration")[..] else {
        panic!("{}", report.printed);
    };
    assert!(verdict == "problem" && detail.contains("stall@x"), "{detail}");
    assert_eq!(report.verdict("store"), "ok");

    let report = Report::of(&scratch.address(), &["--listen", "0.0.0.0:0"]);
    assert_eq!((report.code, report.verdict("configuration")), (1, "problem"));
    let report = Report::of(
        &scratch.address(),
        &["--listen", "0.0.0.0:0", "--insecure-no-auth"],
    );
    assert_eq!((report.code, report.verdict("configuration")), (0, "warning"));
    let report = Report::of(&scratch.address(), &["--builtin-message-faults"]);
    assert_eq!(report.verdict("bot"), "warning");
}

#[tokio::test]
async fn a_mongodb_is_asked_what_it_is_and_which_indexes_it_has() {
    let scratch = Scratch::mongo().await;
    let report = Report::of(&scratch.address(), &[]);
    assert_eq!(report.code, 0, "{}", report.printed);
    assert_eq!((report.verdict("store"), report.verdict("copies")), ("ok", "ok"));
    assert_eq!(report.verdict("indexes of chats"), "warning");
    let there = scratch.database().await.list_collection_names().await.unwrap();
    assert!(there.is_empty(), "{there:?}");

    scratch.open().await;
    let report = Report::of(&scratch.address(), &[]);
    assert_eq!(report.findings("indexes of chats"), [("ok", "all 6 are there")]);
    assert_eq!(
        report.findings("indexes of chat_messages"),
        [("ok", "all 10 are there")]
    );
    assert_eq!(
        report.findings("indexes of usage_bills"),
        [("ok", "all 2 are there")]
    );
    assert_eq!(report.report["summary"]["warnings"], 0, "{}", report.printed);
    let bills = scratch.database().await.collection::<Document>("usage_bills");
    bills.drop_index("due_by_user").await.unwrap();
    let report = Report::of(&scratch.address(), &[]);
    assert_eq!(report.verdict("indexes of usage_bills"), "warning");
    scratch.remove().await;
}

#[tokio::test]
async fn a_reply_that_is_not_in_the_ledger_yet_is_none_of_an_earlier_version() {
    let scratch = Scratch::mongo().await;
    let server = Server::start(&scratch);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    follow(&server, &reply).await;
    let report = Report::of(&scratch.address(), &[]);
    assert_eq!(report.report["summary"]["warnings"], 0, "{}", report.printed);
    let ledger = scratch.database().await.collection::<Document>("usage_ledger");
    assert_eq!(ledger.count_documents(Document::new()).await.unwrap(), 0);
    drop(server);
    scratch.remove().await;
}

#[tokio::test]
async fn a_mongodb_that_is_away_or_will_not_let_us_in_is_a_problem_and_no_password_is_told() {
    let away = "mongodb://somebody:secret@127.0.0.1:1/chats?serverSelectionTimeoutMS=200";
    let broken = "mongodb://somebody:sec/ret@host/chats";
    for store in [away, broken] {
        for arguments in [&[][..], &["--adopt"]] {
            let report = Report::of(store, arguments);
            assert_eq!((report.code, report.verdict("store")), (1, "problem"));
            assert!(!report.printed.contains("sec"), "{}", report.printed);
        }
    }

    let mongod = Mongod::start().await;
    let report = Report::of(&mongod.uri("owner", "chats"), &[]);
    assert_eq!(report.code, 0, "{}", report.printed);
    assert_eq!(report.verdict("copies"), "warning");

    let report = Report::of(&mongod.uri("reader", "chats"), &[]);
    assert_eq!(report.code, 1);
    assert_eq!(
        report.findings("rights"),
        [("problem", "the user may not: insert, update, remove, createIndex")]
    );
    let report = Report::of(
        &mongod
            .uri("owner", "chats")
            .replace("secret-owner", "secret-wrong"),
        &[],
    );
    assert_eq!((report.code, report.verdict("store")), (1, "problem"));
    assert!(!report.printed.contains("secret"), "{}", report.printed);
    let databases = mongod.client("owner").await.list_database_names().await.unwrap();
    assert!(!databases.contains(&"chats".to_owned()), "{databases:?}");
}

async fn service(status: u16, headers: &str, body: &str) -> Upstream {
    Upstream::always("", vec![head(status, headers), send(body)]).await
}

fn ask(scratch: &Scratch, service: &Upstream, key: &str) -> Report {
    let arguments = [
        "--bot",
        "openai",
        "--openai-model",
        "a-model",
        "--openai-base-url",
    ];
    let base_url = service.base_url();
    let arguments = [&arguments[..], &[base_url.as_str()]].concat();
    Report::in_environment(&scratch.address(), &arguments, &[("OPENAI_API_KEY", key)])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_of_the_bot_is_asked_for_its_models_and_the_key_is_shown_to_nobody_else() {
    let scratch = Scratch::embedded().await;
    let json = "content-type: application/json";
    for (status, headers, body, code, verdict) in [
        (
            200,
            json,
            r#"{"object":"list","data":[{"id":"a-model"}]}"#,
            0,
            "ok",
        ),
        (
            200,
            json,
            r#"{"object":"list","data":[{"id":"b"}]}"#,
            0,
            "warning",
        ),
        (200, "content-type: text/html", "<html>", 0, "warning"),
        (
            401,
            json,
            r#"{"error":{"message":"wrong key: secret"}}"#,
            1,
            "problem",
        ),
        (404, json, "", 0, "warning"),
        (500, json, "", 1, "problem"),
        (308, "location: http://127.0.0.1:1/secret", "", 1, "problem"),
    ] {
        let service = service(status, headers, body).await;
        let report = ask(&scratch, &service, "secret");
        assert_eq!(
            (report.code, report.verdict("bot")),
            (code, verdict),
            "{}",
            report.printed
        );
        assert!(!report.printed.contains("secret"), "{}", report.printed);
        let requests = service.requests("");
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].line, "GET /v1/models HTTP/1.1");
        assert_eq!(requests[0].headers["authorization"], "Bearer secret");
    }
    let broken = Upstream::always("", vec![Act::Reset]).await;
    let report = ask(&scratch, &broken, "secret");
    assert_eq!((report.code, report.verdict("bot")), (1, "problem"));
    // One that takes the question and says nothing.
    let silent = Upstream::always("", vec![Act::Hold]).await;
    let report = ask(&scratch, &silent, "secret");
    assert_eq!((report.code, report.verdict("bot")), (1, "problem"));
    assert!(report.printed.contains("in time"), "{}", report.printed);
}

#[tokio::test]
async fn people_get_a_line_for_each_check_and_colour_only_where_they_see_it() {
    let scratch = Scratch::embedded().await;
    let arguments = ["--builtin-message-faults"];
    let output = run(&scratch.address(), &arguments, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("ok       feed "), "{text}");
    assert!(text.contains("warning  bot "), "{text}");
    assert!(text.contains("→ leave out --builtin-message-faults"), "{text}");
    assert!(text.ends_with("6 ok, 1 warning, 0 problems.\n"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    assert_eq!(output.stderr, b"");

    let forced = run(&scratch.address(), &arguments, &[("CLICOLOR_FORCE", "1")]);
    assert!(String::from_utf8(forced.stdout).unwrap().contains("\x1b["));
    let both = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
    let plain = run(&scratch.address(), &arguments, &both);
    assert!(!String::from_utf8(plain.stdout).unwrap().contains('\x1b'));
}
