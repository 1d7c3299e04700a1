//! What the deletion of a very long chat costs whoever asks for it, and everybody else, on each store; and that another
//! server carries it on when the one that was asked dies.

mod support {
    pub mod filling;
    pub mod ids;
    pub mod memory;
    pub mod mongodb;
    pub mod percentile;
    pub mod ratio;
    pub mod server;
}

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use colloquy::app::open_store;
use colloquy::config::StoreConfig;
use colloquy::domain::ChatId;
use futures_util::future::join_all;
use mongodb::bson::{Document, doc, oid::ObjectId};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use support::filling::fill;
use support::memory::Held;
use support::mongodb::Scratch;
use support::percentile::percentile;
use support::ratio::ratio;
use support::server::Server;

/// Messages of the chat that is deleted.
const MESSAGES: usize = 1_000_000;
/// Others who write and read meanwhile, each in a chat of its own.
const OTHERS: usize = 8;
/// How long each of them waits between two calls.
const THINKS: Duration = Duration::from_millis(25);
/// How long they are watched before the deletion, and while it is carried out by the server that was asked.
const WATCHED: Duration = Duration::from_secs(30);
/// How often it is looked whether anything is left, and what memory a server holds.
const LOOKS_EVERY: Duration = Duration::from_millis(200);

const CREATE: &str =
    "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
const READ: &str = "query ($id: ID!) { chat(id: $id) { messages(last: 50) { nodes { id text } } } }";
const DELETE: &str = "mutation ($id: ID!) { deleteChat(input: { id: $id }) { deletedChatId } }";

/// Where the chats are kept.
enum Place {
    Folder(PathBuf),
    MongoDb(Scratch),
}

#[tokio::main]
async fn main() {
    println!("The deletion of a chat of {MESSAGES} messages, beside {OTHERS} others who write and read");
    // `cargo bench --bench deletion -- mongodb` measures one store alone.
    let only = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let is_wanted = |store| only.as_deref().is_none_or(|only| only == store);
    if is_wanted("embedded") {
        let folder = tempfile::tempdir().unwrap();
        measure("embedded", &Place::Folder(folder.path().join("data"))).await;
    }
    match Scratch::new().filter(|_| is_wanted("mongodb")) {
        Some(scratch) => {
            let place = Place::MongoDb(scratch);
            measure("MongoDB", &place).await;
            if let Place::MongoDb(scratch) = place {
                scratch.remove().await;
            }
        }
        None if !is_wanted("mongodb") => {}
        None => println!("\nMongoDB: left out, as COLLOQUY_TEST_MONGODB_URI names none; `make bench` does"),
    }
}

impl Place {
    fn address(&self) -> &str {
        match self {
            Self::Folder(folder) => folder.to_str().unwrap(),
            Self::MongoDb(scratch) => &scratch.uri,
        }
    }

    /// Whether any message of a chat is stored.
    async fn has_any_of(&self, chat: &str) -> bool {
        match self {
            Self::Folder(folder) => {
                let id = ObjectId::parse_str(chat).unwrap().bytes();
                database(folder)
                    .prepare("SELECT 1 FROM messages WHERE chat_id = ? LIMIT 1")
                    .unwrap()
                    .exists([id])
                    .unwrap()
            }
            Self::MongoDb(scratch) => {
                let messages = scratch.database().await.collection::<Document>("chat_messages");
                let of_chat = doc! { "chat_id": ObjectId::parse_str(chat).unwrap() };
                messages.find_one(of_chat).await.unwrap().is_some()
            }
        }
    }
}

fn database(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("colloquy.db")).unwrap()
}

async fn measure(name: &str, place: &Place) {
    let address = place.address();
    let start = || Server::start(&["--store", address, "--builtin-pace", "0"]);
    let asked = start();
    let long = asked.create_chat().await;
    let chats = join_all((0..OTHERS).map(|_| asked.create_chat())).await;
    let id = ChatId::parse(&long).unwrap();
    // One process at a time may open the folder.
    drop(asked);
    {
        let store = open_store(&StoreConfig::parse(address).unwrap()).await.unwrap();
        fill(&*store, id, MESSAGES).await;
    }
    let asked = start();
    let other = matches!(place, Place::MongoDb(_)).then(start);
    let theirs = other.as_ref().unwrap_or(&asked);

    let (_, before) = meanwhile(theirs, &chats, tokio::time::sleep(WATCHED)).await;
    let memory = Held::by(&asked.process);
    let deletion = async {
        let begun = Instant::now();
        asked.data(DELETE, json!({ "id": long })).await;
        let answered = begun.elapsed();
        tokio::time::sleep(WATCHED).await;
        answered
    };
    let begun = Instant::now();
    let mut peak = memory;
    let measured = async {
        loop {
            peak = peak.max(Held::by(&asked.process));
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    };
    let watched = meanwhile(theirs, &chats, deletion);
    let (answered, during) = tokio::select! {
        watched = watched => watched,
        () = measured => unreachable!(),
    };
    assert!(
        place.has_any_of(&long).await,
        "the deletion was over before it was looked at"
    );

    // Whoever was asked dies, and another goes on.
    drop(asked);
    let successor = other.unwrap_or_else(start);
    let memory_after = Held::by(&successor.process);
    let mut peak_after = memory_after;
    let rest = async {
        while place.has_any_of(&long).await {
            peak_after = peak_after.max(Held::by(&successor.process));
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    };
    let (_, after) = meanwhile(&successor, &chats, rest).await;
    let took = begun.elapsed();

    println!(
        "\n{name}: answered after {answered:.1?}; nothing left after {took:.1?}, of which {WATCHED:?} by the"
    );
    println!("server that was asked and was then killed");
    for (whose, before, peak) in [("asked", memory, peak), ("other", memory_after, peak_after)] {
        println!(
            "memory of the {whose} server: {} MiB of its own before, {} at the most; mapped pages of files {} and {}",
            before.own, peak.own, before.mapped, peak.mapped
        );
    }
    if let Place::Folder(folder) = place {
        let words = "SELECT count(*) FROM message_words WHERE message_words MATCH 'weather'";
        let left: i64 = database(folder).query_row(words, (), |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "words of deleted messages");
    }
    println!(
        "{:<32} {:>8} {:>9} {:>9} {:>10} {:>9} {:>9} {:>10}",
        "others", "calls", "write p50", "p99", "p99 ratio", "read p50", "p99", "p99 ratio"
    );
    row("before", &before, &before);
    row("while it is carried out", &during, &before);
    row("while another goes on", &after, &before);
}

/// How long calls took.
#[derive(Default)]
struct Waits {
    writes: Vec<Duration>,
    reads: Vec<Duration>,
}

fn row(when: &str, waits: &Waits, base: &Waits) {
    let figures = |waits: &[Duration], base: &[Duration]| {
        let [p50, p99] = [50, 99].map(|percent| percentile(waits, percent));
        let ratio = ratio(p99, percentile(base, 99));
        format!("{p50:>9.1?} {p99:>9.1?} {ratio:>10.2}")
    };
    let writes = figures(&waits.writes, &base.writes);
    let reads = figures(&waits.reads, &base.reads);
    println!("{when:<32} {:>8} {writes} {reads}", waits.writes.len());
}

/// What others wait for while something happens.
async fn meanwhile<T>(server: &Server, chats: &[String], what: impl Future<Output = T>) -> (T, Waits) {
    let is_over = CancellationToken::new();
    let others = chats.iter().map(|chat| write_and_read(server, chat, &is_over));
    let happening = async {
        let outcome = what.await;
        is_over.cancel();
        outcome
    };
    let (outcome, waits) = tokio::join!(happening, join_all(others));
    let mut all = Waits::default();
    for waits in waits {
        all.writes.extend(waits.writes);
        all.reads.extend(waits.reads);
    }
    (outcome, all)
}

async fn write_and_read(server: &Server, chat: &str, is_over: &CancellationToken) -> Waits {
    let mut waits = Waits::default();
    let write = json!({ "input": { "chatId": chat, "text": "A word in between" } });
    while !is_over.is_cancelled() {
        let begun = Instant::now();
        server.data(CREATE, write.clone()).await;
        waits.writes.push(begun.elapsed());
        tokio::time::sleep(THINKS).await;
        let begun = Instant::now();
        server.data(READ, json!({ "id": chat })).await;
        waits.reads.push(begun.elapsed());
        tokio::time::sleep(THINKS).await;
    }
    waits
}
