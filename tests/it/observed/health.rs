//! Health that tells the truth about each part, soon.

use std::time::{Duration, Instant};

use colloquy::engine::SWEEP_EVERY;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::figures::Figures;
use crate::support::follow::follow;
use crate::support::mongod::Mongod;
use crate::support::redis::Redis;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Probes at once.
const PROBES: usize = 40;
/// A probe waits for a store for less than half of this; the store's own patience is longer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(4);
/// Longer than it takes to lose a feed or to find it again.
const FEED_WAIT_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn each_part_is_named() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    for path in ["/health", "/health/ready"] {
        let (status, body) = probe(&server, path).await;
        let healthy = json!({ "status": "healthy" });
        let parts = json!({ "store": healthy, "feed": healthy, "bot": healthy });
        let expected = json!({ "status": "healthy", "store": "healthy", "parts": parts });
        assert_eq!((status, body), (200, expected));
    }
    let (status, body) = probe(&server, "/health/live").await;
    assert_eq!((status, body), (200, json!({ "status": "healthy" })));
}

#[tokio::test]
async fn a_bot_that_fails_again_and_again_is_named_and_takes_no_server_out_of_rotation() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(
        &scratch,
        &["--builtin-pace", "0", "--builtin-faults", "status=503"],
    );
    for n in 1..=3 {
        let (_, body) = probe(&server, "/health").await;
        assert_eq!(body["status"], "healthy", "{n}");
        let chat = server.create_chat("A chat").await;
        let reply = server.send(&chat, "Anybody there?").await;
        follow(&server, &reply).await;
    }
    let (status, body) = probe(&server, "/health").await;
    assert_eq!((status, &body["status"]), (200, &json!("degraded")));
    assert_eq!(body["parts"]["bot"], json!({ "status": "failing" }));
    assert_eq!(body["store"], "healthy");
    assert_eq!(Figures::of(&server).await.sum("colloquy_ready", &[]), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_store_is_told_soon_and_asked_once_at_a_time() {
    let mongod = Mongod::start().await;
    let scratch = Scratch::on_mongod(&mongod.uri("owner", "a_database"));
    let server = Server::start_with(&scratch, &["--builtin-pace", "100", "--builtin-words", "200"]);
    assert_eq!(probe(&server, "/health").await.0, 200);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Tell me about the sea").await;
    Figures::until(&server, |figures| {
        figures.sum("colloquy_reply_pieces_total", &[]) > Some(0.0)
    })
    .await;
    mongod.freeze();
    let frozen = Instant::now();
    // A moment ago it was well.
    while probe(&server, "/health").await.0 == 200 {}
    for _ in 0..2 {
        let asked = Instant::now();
        let answers = join_all((0..PROBES).map(|_| probe(&server, "/health/ready"))).await;
        assert!(asked.elapsed() < ANSWER_WAIT_MAX, "{:?}", asked.elapsed());
        for (status, body) in answers {
            assert_eq!((status, &body["status"]), (503, &json!("unhealthy")));
            assert_eq!(body["store"], "unavailable");
            assert_eq!(body["parts"]["store"], json!({ "status": "unavailable" }));
            assert_eq!(body["parts"]["feed"], json!({ "status": "healthy" }));
        }
    }
    assert_eq!(probe(&server, "/health/live").await.0, 200);
    // The reply goes on, and its end waits.
    let has_failed = |figures: &Figures, operation| {
        let labels = [("operation", operation), ("kind", "unavailable")];
        figures.sum("colloquy_store_errors_total", &labels) >= Some(1.0)
    };
    let figures = Figures::until(&server, |figures| {
        figures.sum("colloquy_replies_unstored", &[]) == Some(1.0)
            && figures.sum("colloquy_checkpoint_failures_total", &[]) > Some(0.0)
            && ["ping", "checkpoint"]
                .iter()
                .all(|operation| has_failed(figures, operation))
    })
    .await;
    assert_eq!(figures.sum("colloquy_ready", &[]), Some(0.0));
    assert_eq!(
        figures.sum("colloquy_replies_total", &[("state", "COMPLETE")]),
        Some(1.0)
    );
    mongod.thaw();
    let figures = Figures::until(&server, |figures| {
        figures.sum("colloquy_ready", &[]) == Some(1.0)
            && figures.sum("colloquy_replies_unstored", &[]) == Some(0.0)
    })
    .await;
    assert_eq!(probe(&server, "/health").await.0, 200);
    // One a second at most, however many asked, and one for each look for lapsed replies; one more of each when it was
    // well.
    let pings = figures.sum("colloquy_store_operation_seconds_count", &[("operation", "ping")]);
    let seconds = frozen.elapsed().as_secs_f64();
    let most = seconds + seconds / SWEEP_EVERY.as_secs_f64() + 4.0;
    assert!(pings <= Some(most), "{pings:?} in {:?}", frozen.elapsed());
    let (_, end) = follow(&server, &reply).await;
    assert_eq!(end["reply"]["state"], "COMPLETE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_lost_is_named_and_takes_no_server_out_of_rotation() {
    let scratch = Scratch::mongo().await;
    let mut redis = Redis::start();
    let feed = redis.arguments();
    let arguments = [&["--builtin-pace", "0"], &feed.each_ref().map(String::as_str)[..]].concat();
    let server = Server::start_with(&scratch, &arguments);
    let well = until_feed(&server, "healthy").await;
    assert_eq!(well["status"], "healthy");
    let chat = server.create_chat("A chat").await;
    follow(&server, &server.send(&chat, "Hello").await).await;
    let figures = Figures::until(&server, |figures| {
        figures.sum("colloquy_feed_operation_seconds_count", &[]) > Some(0.0)
    })
    .await;
    assert_eq!(figures.sum("colloquy_feed_up", &[]), Some(1.0));
    redis.kill();
    let lost = until_feed(&server, "unavailable").await;
    assert_eq!(
        (&lost["status"], &lost["store"]),
        (&json!("degraded"), &json!("healthy"))
    );
    let figures = Figures::of(&server).await;
    assert_eq!(figures.sum("colloquy_feed_up", &[]), Some(0.0));
    assert_eq!(figures.sum("colloquy_ready", &[]), Some(1.0));
    redis.restart();
    let well = until_feed(&server, "healthy").await;
    assert_eq!(well["status"], "healthy");
    scratch.remove().await;
}

/// Asks until the feed is said to be so; the server is ready all the time.
async fn until_feed(server: &Server, state: &str) -> Value {
    let deadline = Instant::now() + FEED_WAIT_MAX;
    loop {
        let (status, body) = probe(server, "/health/ready").await;
        assert_eq!(status, 200, "{body}");
        if body["parts"]["feed"]["status"] == state {
            return body;
        }
        assert!(Instant::now() < deadline, "{body}");
    }
}

async fn probe(server: &Server, path: &str) -> (u16, Value) {
    let answer = reqwest::get(server.at(path)).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}
