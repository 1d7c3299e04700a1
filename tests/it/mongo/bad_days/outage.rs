//! No member answers for a while.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ANSWER_MAX, Viewer, ask, create, readiness, stored, until_ready};
use crate::support::mt::Mt;
use crate::support::replica_set::ReplicaSet;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Longer than a lease.
const AWAY_FOR: Duration = Duration::from_secs(13);

#[tokio::test(flavor = "multi_thread")]
async fn while_all_members_are_away_calls_fail_cleanly_and_replies_go_on_and_then_all_is_stored() {
    let mut set = ReplicaSet::start(3).await;
    let scratch = Scratch::on_mongod(&set.uri());
    let words = |words| ["--builtin-pace", "20", "--builtin-words", words];
    // One whose reply goes on until the database is back, and one whose reply ends before. Each would close the other's.
    let patient = Server::start_with(&scratch, &words("260"));
    let brief = Server::start_with(&scratch, &words("40"));
    let chat = patient.create_chat("A chat").await;
    let mut socket = Mt::open(&patient, &patient.create_chat("Another").await).await;
    create(&patient, &chat, "before", "before").await;
    let long = patient.send(&chat, "नमस्ते दुनिया 🌍").await;
    let mut long_viewer = Viewer::of(&patient, &long).await;
    long_viewer.sees_more().await;
    let short = brief.send(&brief.create_chat("A third").await, "नमस्ते 🌍").await;
    let mut short_viewer = Viewer::of(&brief, &short).await;
    short_viewer.sees_more().await;

    for member in 0..3 {
        set.kill(member);
    }
    let back_at = Instant::now() + AWAY_FOR;
    let graphql = async {
        let title = "query ($id: ID!) { chat(id: $id) { title } }";
        let create =
            "mutation ($id: ID!) { createMessage(input: {chatId: $id, text: \"x\"}) { message { id } } }";
        let send =
            "mutation ($id: ID!) { sendMessage(input: {chatId: $id, text: \"x\"}) { message { id } } }";
        for query in [title, create, send] {
            let response = ask(&patient, query, json!({ "id": chat })).await;
            assert_eq!(
                response["errors"][0]["extensions"]["code"], "UNAVAILABLE",
                "{response}"
            );
            assert!(!response.to_string().contains("127.0.0.1"), "{response}");
        }
    };
    let rest = async {
        let begun = Instant::now();
        let answer = reqwest::get(patient.at(&format!("/chat/{chat}"))).await.unwrap();
        assert!(begun.elapsed() < ANSWER_MAX, "{:?}", begun.elapsed());
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "2");
    };
    let documented = async {
        let begun = Instant::now();
        socket.upload("hello").await;
        socket.until("error").await;
        assert!(begun.elapsed() < ANSWER_MAX, "{:?}", begun.elapsed());
    };
    let health = async {
        assert_eq!(readiness(&patient).await, 503);
        let live = reqwest::get(patient.at("/health/live")).await.unwrap();
        assert_eq!(live.status(), 200);
    };
    let seen = async {
        for _ in 0..50 {
            long_viewer.sees_more().await;
        }
    };
    let away = tokio::time::sleep_until(back_at.into());
    let sees_all = short_viewer.sees_words(40);
    tokio::join!(sees_all, graphql, rest, documented, health, seen, away);

    for member in 0..3 {
        set.restart(member);
    }
    set.primary().await;
    until_ready(&patient).await;
    until_ready(&brief).await;
    // Its end is told once it is stored, and no other server has ended it meanwhile.
    assert_eq!(short_viewer.end().await, stored(&patient, &short).await);
    create(&patient, &chat, "after", "after").await;
    socket.upload("hello again").await;
    socket.until("user confirm").await;
    assert_eq!(long_viewer.end().await, stored(&brief, &long).await);
}
