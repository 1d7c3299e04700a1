//! `colloquy verify`, as operators run it: on each store, with a feed, ended early, and where something is broken.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::redis::Redis;
use crate::support::scratch::{Scratch, mongodb_uri};

/// Longer than the trouble, the rest after it and the reading take on a machine that is busy.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(60);

/// A trial whose temporary files are below a folder, which should be empty after it.
fn verify(arguments: &[&str], folder: &TempDir) -> Command {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    verify
        .args(["verify", "--json"])
        .args(arguments)
        .env("TMPDIR", folder.path());
    verify
}

fn is_empty(folder: &TempDir) -> bool {
    folder.path().read_dir().unwrap().next().is_none()
}

/// What a trial reports, which ended with this code.
fn report(output: &Output, code: i32) -> Value {
    let (stdout, stderr) = [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .into();
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// The verdict on each promise, by its number.
fn verdict(report: &Value, number: usize) -> &Value {
    let promises = report["promises"].as_array().unwrap();
    &promises
        .iter()
        .find(|promise| promise["number"] == number)
        .unwrap()["verdict"]
}

/// Whether the calls to the bot were counted, chats and messages deleted, and messages sent beside prompts.
fn is_counted(report: &Value) -> bool {
    let counts = ["/bot/calls", "/deleted/chats", "/deleted/messages", "/pairs"];
    counts.map(|count| report.pointer(count).unwrap().as_u64().unwrap() > 0) == [true; 4]
}

/// What was found broken of a promise.
fn broken(report: &Value, number: usize) -> BTreeSet<&str> {
    let promises = report["promises"].as_array().unwrap();
    let promise = promises
        .iter()
        .find(|promise| promise["number"] == number)
        .unwrap();
    let breaches = promise["breaches"].as_array().unwrap().iter();
    breaches
        .flat_map(|breach| breach["ids"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect()
}

#[test]
fn with_no_store_named_it_tries_a_temporary_folder_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = verify(&["--seconds", "8"], &folder).output().unwrap();
    let report = report(&output, 0);
    assert_eq!(report["verdict"], "held");
    assert_eq!(report["servers"], 1);
    for promise in [1, 2, 3, 4, 10, 11, 12, 13] {
        assert_eq!(verdict(&report, promise), "held", "{report:#}");
    }
    for promise in [8, 9] {
        assert_eq!(verdict(&report, promise), "not_tried", "{report:#}");
    }
    assert!(is_counted(&report), "{report:#}");
    assert!(report["data"].is_null() && report["logs"].is_null());
    assert!(is_empty(&folder));
}

#[tokio::test]
async fn ctrl_c_ends_it_early_and_it_still_reports_and_removes_its_database() {
    let (folder, scratch) = (tempfile::tempdir().unwrap(), Scratch::mongo().await);
    let store = scratch.address();
    let arguments = [
        "--store",
        &store,
        "--servers",
        "2",
        "--minutes",
        "240",
        "--chats",
        "4",
    ];
    let mut trial = Trial::start(verify(&arguments, &folder));
    let database = trial.database();
    trial.line(|line| line.starts_with("10 s of"));
    kill_process(Pid::from_child(&trial.process), Signal::INT).unwrap();
    let report = report(&trial.end(), 0);
    assert_eq!(report["servers"], 2);
    for promise in [1, 2, 3, 4, 10] {
        assert_eq!(verdict(&report, promise), "held", "{report:#}");
    }
    assert!(is_empty(&folder));
    let names = client().await.list_database_names().await.unwrap();
    assert!(!names.contains(&database));
    // Not even opened.
    assert!(!names.contains(&scratch.client_options().await.1));
}

#[tokio::test]
async fn with_a_feed_the_servers_are_one() {
    let (folder, scratch) = (tempfile::tempdir().unwrap(), Scratch::mongo().await);
    let (store, redis) = (scratch.address(), Redis::start());
    let arguments = [
        "--store",
        &store,
        "--servers",
        "3",
        "--seconds",
        "12",
        "--chats",
        "4",
    ];
    let output = verify(&arguments, &folder)
        .args(redis.arguments())
        .output()
        .unwrap();
    let report = report(&output, 0);
    for promise in [1, 2, 3, 4, 11, 12, 13] {
        assert_eq!(verdict(&report, promise), "held", "{report:#}");
    }
    assert!(is_counted(&report), "{report:#}");
    assert!(report["data"].is_null());
    assert!(is_empty(&folder));
    let names = client().await.list_database_names().await.unwrap();
    let ours = format!("{}_verify_", scratch.client_options().await.1);
    assert!(names.iter().all(|name| !name.starts_with(&ours)), "{names:?}");
}

#[tokio::test]
async fn what_is_spoilt_behind_its_back_is_found() {
    let (folder, scratch) = (tempfile::tempdir().unwrap(), Scratch::mongo().await);
    let store = scratch.address();
    let arguments = [
        "--store",
        &store,
        "--servers",
        "2",
        "--minutes",
        "240",
        "--chats",
        "4",
    ];
    let mut trial = Trial::start(verify(&arguments, &folder));
    let name = trial.database();
    let database = client().await.database(&name);
    let messages = database.collection::<Document>("chat_messages");

    // Some chats and prompts are deleted by the trial itself.
    let chats = database.collection::<Document>("chats");
    let is_to_stay = async |reply: &Document| {
        let chat =
            doc! { "_id": reply.get_object_id("chat_id").unwrap(), "title": { "$regex": "^A trial, chat" } };
        let in_reply_to = reply
            .get_document("reply")
            .unwrap()
            .get_object_id("in_reply_to")
            .unwrap();
        let asked = doc! { "_id": in_reply_to };
        let found = (
            chats.find_one(chat).await.unwrap(),
            messages.find_one(asked).await.unwrap(),
        );
        found.0.is_some() && found.1.is_some()
    };
    // A message that was answered was acknowledged long before.
    let replies = eventually(async || {
        let ended = doc! { "reply.state": "COMPLETE", "reply.in_reply_to": { "$exists": true } };
        let mut found = messages.find(ended).await.unwrap();
        let mut replies = Vec::new();
        while found.advance().await.unwrap() {
            let reply = found.deserialize_current().unwrap();
            if is_to_stay(&reply).await {
                replies.push(reply);
            }
        }
        (replies.len() >= 4).then_some(replies)
    })
    .await;
    let [lost, other, double] = &replies[1..4] else {
        unreachable!();
    };
    let asked = |reply: &Document| {
        reply
            .get_document("reply")
            .unwrap()
            .get_object_id("in_reply_to")
            .unwrap()
    };
    let id = |reply: &Document| reply.get_object_id("_id").unwrap();
    let deleted = messages.delete_one(doc! { "_id": asked(lost) }).await.unwrap();
    assert_eq!(deleted.deleted_count, 1);
    let spoilt = doc! { "$set": { "message": "You wrote: something else" } };
    let changed = messages
        .update_one(doc! { "_id": id(other) }, spoilt)
        .await
        .unwrap();
    assert_eq!(changed.modified_count, 1);
    let mut copy = double.clone();
    let copied = mongodb::bson::oid::ObjectId::new();
    copy.insert("_id", copied);
    messages.insert_one(copy).await.unwrap();
    kill_process(Pid::from_child(&trial.process), Signal::INT).unwrap();

    let report = report(&trial.end(), 1);
    assert_eq!(report["verdict"], "broken");
    assert!(
        broken(&report, 1).contains(asked(lost).to_hex().as_str()),
        "{report:#}"
    );
    assert!(
        broken(&report, 3).contains(id(other).to_hex().as_str()),
        "{report:#}"
    );
    assert!(
        broken(&report, 2).contains(copied.to_hex().as_str()),
        "{report:#}"
    );
    // Kept, because something is broken: the database, and the servers' logs.
    assert!(
        client()
            .await
            .list_database_names()
            .await
            .unwrap()
            .contains(&name)
    );
    assert_eq!(report["data"], format!("database {name}"));
    assert!(!is_empty(&folder) && report["logs"].is_string());
    database.drop().await.unwrap();
}

#[test]
fn what_cannot_be_tried_is_said_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = "mongodb://user:secret@127.0.0.1:1/chats?serverSelectionTimeoutMS=200";
    for (arguments, reason) in [
        (&["--servers", "2"][..], "the embedded store is for one server"),
        (&["--seconds", "1"], "--seconds"),
        (&["--minutes", "1", "--seconds", "5"], "cannot be used with"),
        (&["--store", "postgres://user:secret@host/db"], "mongodb://"),
        (&["--store", nowhere, "--servers", "1"], "did not start"),
        (
            &["--store", nowhere, "--feed", "redis://user:secret@127.0.0.1:1"],
            "the feed cannot be used",
        ),
        (&["--feed", "redis://user:secret@127.0.0.1:1"], "share a MongoDB"),
    ] {
        let output = verify(arguments, &folder).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {stderr}");
        assert!(stderr.contains(reason), "{stderr}");
        assert!(!stderr.contains("secret") && output.stdout.is_empty(), "{stderr}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "postgres://user:secret@host/db").unwrap();
    let mut told_by_a_file = verify(&[], &folder);
    let output = told_by_a_file
        .env("COLLOQUY_STORE_FILE", file.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(is_empty(&folder));
}

/// A trial under way.
struct Trial {
    process: Child,
    stderr: BufReader<ChildStderr>,
}

impl Trial {
    fn start(mut verify: Command) -> Self {
        let mut process = verify
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        Self { process, stderr }
    }

    /// The first line of standard error that is meant.
    fn line(&mut self, is_meant: impl Fn(&str) -> bool) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "{all}");
            if is_meant(&line) {
                return line;
            }
            all.push_str(&line);
        }
    }

    /// The name of its database.
    fn database(&mut self) -> String {
        let line = self.line(|line| line.contains(" on database "));
        let name = line.split(" on database ").nth(1).unwrap();
        name.split([' ', ',', ';']).next().unwrap().to_owned()
    }

    fn end(mut self) -> Output {
        let mut stderr = Vec::new();
        // Never much more than a pipe holds.
        self.stderr.read_to_end(&mut stderr).unwrap();
        let output = self.process.wait_with_output().unwrap();
        Output { stderr, ..output }
    }
}

async fn client() -> Client {
    Client::with_uri_str(mongodb_uri()).await.unwrap()
}

/// What comes about in the end.
async fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + LOOK_WAIT_MAX;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come about");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
