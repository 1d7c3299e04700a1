//! How long a stop takes, with one reply under way and with many: until the caller is answered, until a follower is
//! told, and until the service that generates has its connection closed.

mod support {
    pub mod figures;
    pub mod pieces;
    pub mod server;
}

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use support::figures::{percentile, ratio};
use support::pieces::PieceService;
use support::server::{Follower, Server};

/// Replies under way at once, each in a chat of its own and with a follower on a socket of its own.
const REPLIES: usize = 100;
/// Stops that each row of the table is made of.
const STOPS: usize = 100;
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

    println!(
        "\nA stop, with so many replies under way ({} pieces a second each)",
        PieceService::PIECES_PER_SECOND
    );
    println!(
        "{:>22} {:>20} {:>10} {:>10} {:>10} {:>8} {:>8}",
        "", "until", "p50", "p95", "p99", "p50", "p99"
    );
    let names = ["caller answered", "follower told", "service closed"];
    let base = &one;
    for (name, stops) in [
        ("1", &one),
        ("100", &many),
        ("100, all stopped at once", &at_once),
    ] {
        for (column, until) in names.into_iter().enumerate() {
            let of = |stops: &[Stop], percent| {
                percentile(
                    &stops.iter().map(|stop| stop.0[column]).collect::<Vec<_>>(),
                    percent,
                )
            };
            let [p50, p95, p99] = [50, 95, 99].map(|percent| of(stops, percent));
            println!(
                "{:>24} {until:>18} {p50:>10.1?} {p95:>10.1?} {p99:>10.1?} {:>8.1} {:>8.1}",
                if column == 0 { name } else { "" },
                ratio(p50, of(base, 50)),
                ratio(p99, of(base, 99)),
            );
        }
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

/// The times from the call on until the caller was answered, the follower told, and the connection closed.
struct Stop([Duration; 3]);

impl Bench {
    /// Stops one reply after the other, while the number of those under way stays the same.
    async fn stop_one_by_one(&self, under_way: usize) -> Vec<Stop> {
        let mut streaming = VecDeque::new();
        for _ in 0..under_way {
            let chat = self.server.create_chat().await;
            streaming.push_back(self.begin(chat).await);
        }
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

    async fn stop_at_once(&self) -> Vec<Stop> {
        let mut streaming = Vec::new();
        for _ in 0..REPLIES {
            let chat = self.server.create_chat().await;
            streaming.push(self.begin(chat).await);
        }
        join_all(streaming.into_iter().map(|reply| self.stop(reply))).await
    }

    /// Asks for a reply, and waits until a follower has the first of its text.
    async fn begin(&self, chat: String) -> Streaming {
        let question = self.service.question();
        let reply = self.server.send(&chat, &question).await;
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
        Stop([answered, told, closed].map(|at| at - called))
    }
}
