//! How long a stop takes, with one reply under way and with many: until the caller is answered, until a follower is
//! told, and until the service that generates has its connection closed.

mod support {
    pub mod follower;
    pub mod percentile;
    pub mod pieces;
    pub mod ratio;
    pub mod sending;
    pub mod server;
    pub mod socket;
}

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use support::follower::Follower;
use support::percentile::percentile;
use support::pieces::PieceService;
use support::ratio::ratio;
use support::sending::send;
use support::server::Server;

/// Replies under way at once, each in a chat of its own and with a follower on a socket of its own.
const REPLIES: usize = 100;
/// Stops that each row of the table is made of.
const STOPS: usize = 200;
/// Between two stops, so that they find the server at its work and not at the start of the last reply.
const PAUSE: Duration = Duration::from_millis(20);

const STOP: &str =
    "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { reply { state } } } }";

#[tokio::main]
async fn main() {
    let service = PieceService::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder, &service);
    let bench = Bench { server, service };

    let one = bench.stop_one_by_one(1).await;
    let many = bench.stop_one_by_one(REPLIES).await;
    let at_once = bench.stop_at_once().await;

    let pace = PieceService::PIECES_PER_SECOND;
    println!("\nFrom a stop until this, by the replies under way, of {pace} pieces a second each");
    println!(
        "{:<16} {:<24} {:>9} {:>9} {:>9} {:>10} {:>9}",
        "replies", "until", "p50", "p95", "p99", "p50 ratio", "p99 ratio"
    );
    row_for_each_end("1", &one, &one);
    row_for_each_end(&REPLIES.to_string(), &many, &one);
    row_for_each_end(&format!("{REPLIES}, all at once"), &at_once, &one);
}

/// One of the times of a stop.
type End = fn(&Stop) -> Duration;

fn row_for_each_end(replies: &str, stops: &[Stop], base: &[Stop]) {
    let ends: [(&str, End); 3] = [
        ("the caller is answered", |stop| stop.answered),
        ("the follower is told", |stop| stop.told),
        ("the service is closed", |stop| stop.closed),
    ];
    for (until, end) in ends {
        let of = |stops: &[Stop], percent| {
            let times: Vec<_> = stops.iter().map(end).collect();
            percentile(&times, percent)
        };
        let [p50, p95, p99] = [50, 95, 99].map(|percent| of(stops, percent));
        println!(
            "{replies:<16} {until:<24} {p50:>9.1?} {p95:>9.1?} {p99:>9.1?} {:>10.1} {:>9.1}",
            ratio(p50, of(base, 50)),
            ratio(p99, of(base, 99)),
        );
    }
}

fn start(folder: &TempDir, service: &PieceService) -> Server {
    let data = folder.path().join("data");
    Server::start(&[
        "--store",
        data.to_str().unwrap(),
        "--bot",
        "openai",
        "--openai-base-url",
        &service.base_url(),
        "--openai-model",
        "a-model",
    ])
}

struct Bench {
    server: Server,
    service: PieceService,
}

/// A reply that streams, and who follows it.
struct Streaming {
    chat: String,
    /// What the service was asked: it finds the connection by that.
    question: String,
    reply: String,
    follower: Follower,
}

/// The times from the call of a stop on.
struct Stop {
    /// Until the caller was answered.
    answered: Duration,
    /// Until the follower was told the end.
    told: Duration,
    /// Until the service saw its connection closed.
    closed: Duration,
}

impl Bench {
    /// Stops one reply after the other, while the number of those under way stays the same.
    async fn stop_one_by_one(&self, under_way: usize) -> Vec<Stop> {
        let mut streaming = self.begin_in_new_chats(under_way).await;
        let mut stops = Vec::new();
        for _ in 0..STOPS {
            tokio::time::sleep(PAUSE).await;
            let oldest = streaming.pop_front().unwrap();
            let chat = oldest.chat.clone();
            stops.push(self.stop(oldest).await);
            streaming.push_back(self.begin(chat).await);
        }
        join_all(streaming.into_iter().map(|reply| self.stop(reply))).await;
        stops
    }

    /// Stops all replies at once.
    async fn stop_at_once(&self) -> Vec<Stop> {
        let mut stops = Vec::new();
        while stops.len() < STOPS {
            let streaming = self.begin_in_new_chats(REPLIES).await;
            stops.extend(join_all(streaming.into_iter().map(|reply| self.stop(reply))).await);
        }
        stops
    }

    async fn begin_in_new_chats(&self, replies: usize) -> VecDeque<Streaming> {
        let mut streaming = VecDeque::new();
        for _ in 0..replies {
            let chat = self.server.create_chat().await;
            streaming.push_back(self.begin(chat).await);
        }
        streaming
    }

    /// Asks for a reply, and waits until a follower has the first of its text.
    async fn begin(&self, chat: String) -> Streaming {
        let question = self.service.question();
        let reply = send(&self.server, &chat, &question).await;
        let follower = Follower::start(&self.server, &reply).await;
        Streaming {
            chat,
            question,
            reply,
            follower,
        }
    }

    async fn stop(&self, streaming: Streaming) -> Stop {
        let called = Instant::now();
        let answered = async {
            let data = self.server.data(STOP, json!({ "id": streaming.reply })).await;
            assert_eq!(data["stopReply"]["message"]["reply"]["state"], "STOPPED");
            Instant::now()
        };
        let (answered, told, closed) = tokio::join!(
            answered,
            streaming.follower.ended(),
            self.service.closed(&streaming.question),
        );
        Stop {
            answered: answered - called,
            told: told - called,
            closed: closed - called,
        }
    }
}
