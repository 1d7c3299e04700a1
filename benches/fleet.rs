//! What a reply costs that is followed on another server than the one that generates it: how much later each piece comes
//! there, and what is sent to Redis for it.

mod support {
    pub mod mongodb;
    pub mod percentile;
    pub mod ratio;
    pub mod reading;
    pub mod redis;
    pub mod sending;
    pub mod server;
    pub mod socket;
}

use std::time::{Duration, Instant};

use support::mongodb::Scratch;
use support::percentile::percentile;
use support::ratio::ratio;
use support::reading::Reading;
use support::redis::Redis;
use support::sending::send;
use support::server::Server;

/// Pieces a second, of one reply: as a model speaks, as a fast one does, and more than is carried one by one.
const PACES: [u32; 3] = [20, 100, 1_000];
/// How long each reply takes, in seconds.
const SECONDS: u32 = 10;
/// Replies at once, each in a chat of its own.
const REPLIES: [usize; 2] = [1, 50];

#[tokio::main]
async fn main() {
    let (Some(scratch), true) = (Scratch::new(), Redis::is_there()) else {
        println!(
            "left out: two servers need a MongoDB (scripts/with-mongod.sh) and a Redis (COLLOQUY_TEST_REDIS)"
        );
        return;
    };
    println!(
        "{:<8} {:<7} {:<22} {:>9} {:>9} {:>9} {:>10}  {:>9} {:>10}",
        "replies", "pace", "piece, after the first", "p50", "p95", "p99", "p50 ratio", "commands", "bytes"
    );
    for replies in REPLIES {
        for pace in PACES {
            run(&scratch.uri, replies, pace).await;
        }
    }
    scratch.remove().await;
}

async fn run(store: &str, replies: usize, pace: u32) {
    let redis = Redis::start();
    let (pieces, speed) = ((pace * SECONDS).to_string(), pace.to_string());
    let arguments = [
        "--store",
        store,
        "--feed",
        &redis.url(),
        "--builtin-words",
        &pieces,
        "--builtin-pace",
        &speed,
    ];
    let (near, far) = (Server::start(&arguments), Server::start(&arguments));
    let before = redis.sent();
    let readings = (0..replies).map(|n| {
        let (near, far) = (&near, &far);
        async move {
            let chat = near.create_chat().await;
            let reply = send(near, &chat, &format!("prompt {n}")).await;
            tokio::join!(
                Reading::to_the_end(near, &reply),
                Reading::to_the_end(near, &reply),
                Reading::to_the_end(far, &reply),
            )
        }
    });
    let readings = futures_util::future::join_all(readings).await;
    let sent = redis.sent() - before;
    let (mut near, mut far, mut pieces) = (Vec::new(), Vec::new(), 0_usize);
    for (first, second, remote) in &readings {
        assert_eq!((&first.text, &first.text), (&second.text, &remote.text));
        near.extend(later(first, second));
        far.extend(later(first, remote));
        pieces += first.text.split_inclusive(char::is_whitespace).count();
    }
    row(
        &format!("{replies:<8} {pace:<7}"),
        "on the same server",
        &near,
        &near,
        None,
    );
    let per_piece = |figure: u64| figure as f64 / pieces as f64;
    let costs = (per_piece(sent.commands), per_piece(sent.bytes));
    row(&" ".repeat(16), "on the other server", &far, &near, Some(costs));
}

fn row(which: &str, reader: &str, lags: &[Duration], base: &[Duration], costs: Option<(f64, f64)>) {
    let [p50, p95, p99] = [50, 95, 99].map(|percent| percentile(lags, percent));
    let costs = costs.map_or(String::new(), |(commands, bytes)| {
        format!("{commands:>9.2} {bytes:>10.0}")
    });
    println!(
        "{which} {reader:<22} {p50:>9.1?} {p95:>9.1?} {p99:>9.1?} {:>10.1}  {costs}",
        ratio(p50, percentile(base, 50)),
    );
}

/// How much later than the first reader the other one had each text that it was told.
fn later(first: &Reading, other: &Reading) -> Vec<Duration> {
    let had = |length: usize| -> Option<Instant> {
        let event = first.events.iter().find(|event| event.length >= length)?;
        Some(event.at)
    };
    let lags = other.events.iter().filter_map(|event| {
        let first = had(event.length)?;
        // Whoever was first of two is chance; who had it sooner waited for nothing.
        Some(
            event
                .at
                .saturating_duration_since(first)
                .max(Duration::from_micros(1)),
        )
    });
    lags.collect()
}
