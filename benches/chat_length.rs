//! What a token costs in an empty chat and in a very long one, on each store.

mod support {
    pub mod filling;
    pub mod ids;
    pub mod mongodb;
    pub mod percentile;
    pub mod ratio;
}

use std::sync::Arc;
use std::time::{Duration, Instant};

use colloquy::app::open_store;
use colloquy::bot::BuiltinBot;
use colloquy::config::{EngineConfig, Limits, StoreConfig};
use colloquy::domain::{ChatId, Clock, SystemClock, Viewer, WhileReplying};
use colloquy::engine::Engine;
use colloquy::feed::{Feed, LocalFeed};
use colloquy::service::{Manner, NewChat, Prompt, ReplyUpdate, Service};
use rustix::time::{ClockId, clock_gettime};

use support::filling::fill;
use support::ids::new_ids;
use support::mongodb::Scratch;
use support::percentile::percentile;
use support::ratio::ratio;

/// The chats, by how many messages they have: none, more than a bot is ever given, and very many.
const LENGTHS: [usize; 3] = [0, 200, 100_000];
/// Replies in each chat. They take turns, so that what else the machine does falls on all of them.
const ROUNDS: usize = 9;
/// Words of an answer, which are the offline bot's tokens; with them it stays below the longest reply.
const WORDS: usize = 50_000;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = folder.path().join("data");
    measure("the embedded store", embedded.to_str().unwrap()).await;
    match Scratch::new() {
        Some(scratch) => {
            measure("MongoDB", &scratch.uri).await;
            scratch.remove().await;
        }
        None => println!("\nMongoDB: left out, as COLLOQUY_TEST_MONGODB_URI names none; `make bench` does"),
    }
}

async fn measure(name: &str, address: &str) {
    let store = open_store(&StoreConfig::parse(address).unwrap()).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let feed: Arc<dyn Feed> = Arc::new(LocalFeed::new(0));
    let engine = Engine::new(
        store.clone(),
        feed.clone(),
        Arc::new(BuiltinBot::new(0.0, WORDS)),
        clock.clone(),
        EngineConfig::default(),
        "bench".to_owned(),
    );
    let service = Arc::new(Service::new(
        store.clone(),
        feed,
        engine.clone(),
        clock.clone(),
        new_ids(),
        Limits::default(),
        None,
    ));

    let mut chats = Vec::new();
    for length in LENGTHS {
        let chat = new_chat(&service).await;
        fill(&*store, chat, length).await;
        chats.push(chat);
    }
    // The first reply finds everything cold.
    reply(&service, new_chat(&service).await).await;
    let mut costs: [Vec<Cost>; LENGTHS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for ((length, chat), costs) in LENGTHS.into_iter().zip(&chats).zip(&mut costs) {
            // An empty chat is empty once.
            let chat = if length == 0 {
                new_chat(&service).await
            } else {
                *chat
            };
            costs.push(reply(&service, chat).await);
        }
    }
    engine.shut_down().await;

    println!("\nOne token of a reply of {WORDS} tokens, on {name}, by the messages of the chat");
    println!(
        "{:>10} {:>14} {:>8} {:>14} {:>8} {:>18} {:>8}",
        "messages", "CPU", "ratio", "wall", "ratio", "first text after", "ratio"
    );
    let median =
        |costs: &[Cost], of: fn(&Cost) -> Duration| percentile(&costs.iter().map(of).collect::<Vec<_>>(), 50);
    let columns: [fn(&Cost) -> Duration; 3] = [|cost| cost.cpu, |cost| cost.wall, |cost| cost.first];
    let base = columns.map(|column| median(&costs[0], column));
    for (length, costs) in LENGTHS.into_iter().zip(&costs) {
        let [cpu, wall, first] = columns.map(|column| median(costs, column));
        println!(
            "{length:>10} {cpu:>14.1?} {:>8.2} {wall:>14.1?} {:>8.2} {first:>18.1?} {:>8.2}",
            ratio(cpu, base[0]),
            ratio(wall, base[1]),
            ratio(first, base[2]),
        );
    }
}

/// What one reply cost.
struct Cost {
    /// The CPU time of the process per token, from the call that asked for the reply to its end.
    cpu: Duration,
    /// The time per token from the first text at a reader to the end.
    wall: Duration,
    /// The time from the call to the first text at a reader. It holds the reading of the bot's history.
    first: Duration,
}

async fn reply(service: &Arc<Service>, chat: ChatId) -> Cost {
    let (asked, cpu) = (Instant::now(), cpu_of_this_process());
    let prompt = Prompt {
        chat_id: chat,
        text: "Tell me about the sea".to_owned(),
        client_key: None,
        while_replying: WhileReplying::default(),
        manner: Manner::default(),
        is_legacy: false,
    };
    let sent = service.send_message(&Viewer::Anonymous, prompt).await.unwrap();
    let mut reader = service
        .follow_reply(&Viewer::Anonymous, sent.reply.id, None)
        .await
        .unwrap();
    let mut first = None;
    while let Some(update) = reader.next().await {
        match update {
            ReplyUpdate::Snapshot { text, .. } | ReplyUpdate::Partial { text, .. } => {
                if !text.is_empty() {
                    first.get_or_insert_with(Instant::now);
                }
            }
            ReplyUpdate::Finished { message, .. } => {
                let first = first.unwrap();
                let tokens = u32::try_from(message.message().token_count.unwrap().tokens).unwrap();
                return Cost {
                    cpu: (cpu_of_this_process() - cpu) / tokens,
                    wall: first.elapsed() / tokens,
                    first: first - asked,
                };
            }
            ReplyUpdate::Deleted { .. } => panic!("the reply was deleted"),
        }
    }
    panic!("the reply did not end");
}

async fn new_chat(service: &Service) -> ChatId {
    let new = NewChat {
        user_id: None,
        document_id: None,
        title: "A chat".to_owned(),
        status: None,
    };
    service.create_chat(&Viewer::Anonymous, new).await.unwrap().id
}

fn cpu_of_this_process() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap()
}
