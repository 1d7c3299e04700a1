//! What stands in the MongoDB before anything is measured.

use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::{Client, Database};

/// Chats of the user whose list is read.
pub const LISTED_CHATS: usize = 20;
/// Messages of each of them.
const LISTED_MESSAGES: usize = 60;
/// Messages of the long chat.
const DEEP_MESSAGES: usize = 200_000;
/// How deep in it a page begins.
const DEPTH: usize = 150_000;
/// Chats that nobody writes in.
pub const QUIET_CHATS: usize = 10_000;
/// How many of them messages are stored in all the same.
const WRITTEN_CHATS: usize = 2_000;
/// Documents sent at once.
const BATCH: usize = 10_000;

/// The user whose chats are listed.
pub const USER: i64 = 7;
/// The user of every other chat.
const OTHER_USER: i64 = 8;

/// A database with chats in it, of the benchmark's own.
pub struct Data {
    /// The database.
    pub uri: String,
    database: Database,
    /// A chat with some messages.
    pub chat: ObjectId,
    /// A chat with very many messages.
    pub deep_chat: ObjectId,
    /// The place in it that pages are read behind: the moment, and the message.
    pub depth: (DateTime, ObjectId),
    /// Chats that nobody writes in.
    pub quiet_chats: Vec<ObjectId>,
}

/// The MongoDB of the benchmarks, if there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "how the scripts hand on what they started"
)]
pub fn uri() -> Option<String> {
    std::env::var("COLLOQUY_TEST_MONGODB_URI").ok()
}

impl Data {
    /// Writes it all.
    pub async fn write(server: &str) -> Self {
        let name = "colloquy_bench_load";
        let (host, options) = server.split_once('?').unwrap_or((server, ""));
        let uri = format!("{}/{name}?{options}", host.trim_end_matches('/'));
        let client = Client::with_uri_str(&uri).await.unwrap();
        let database = client.database(name);
        database.drop().await.unwrap();
        let (mut chats, mut messages) = (
            Batch::new(&database, "chats"),
            Batch::new(&database, "chat_messages"),
        );
        let mut listed = Vec::new();
        for nth in 0..LISTED_CHATS {
            let chat = chats.add(chat(USER, nth)).await;
            for nth in 0..LISTED_MESSAGES {
                messages.add(message(chat, nth, LISTED_MESSAGES)).await;
            }
            listed.push(chat);
        }
        let deep_chat = chats.add(chat(OTHER_USER, 1)).await;
        let mut depth = None;
        for nth in 0..DEEP_MESSAGES {
            let message = message(deep_chat, nth, DEEP_MESSAGES);
            let at = *message.get_datetime("created_ts").unwrap();
            let id = messages.add(message).await;
            if nth + 1 == DEPTH {
                depth = Some((at, id));
            }
        }
        let mut quiet_chats = Vec::new();
        for nth in 0..QUIET_CHATS {
            quiet_chats.push(chats.add(chat(OTHER_USER, nth)).await);
        }
        chats.end().await;
        messages.end().await;
        Self {
            uri,
            database,
            chat: listed[0],
            deep_chat,
            depth: depth.unwrap(),
            quiet_chats,
        }
    }

    /// Quiet chats that messages may be stored in, because nobody speaks in them.
    pub fn written_chats(&self) -> &[ObjectId] {
        &self.quiet_chats[QUIET_CHATS - WRITTEN_CHATS..]
    }

    /// Lets go of it.
    pub async fn clear(&self) {
        self.database.drop().await.unwrap();
    }
}

fn chat(user: i64, nth: usize) -> Document {
    let at = ago(Duration::from_secs(nth.try_into().unwrap()));
    doc! {
        "_id": ObjectId::new(),
        "user_id": user,
        "document_id": Bson::Null,
        "training_doc_id": Bson::Null,
        "title": format!("Chat {nth} about the sea"),
        "status": "active",
        "created_at": at,
        "updated_at": at,
    }
}

/// The `nth` of so many messages, one a millisecond.
fn message(chat: ObjectId, nth: usize, of: usize) -> Document {
    let at = ago(Duration::from_millis((of - nth).try_into().unwrap()));
    doc! {
        "_id": ObjectId::new(),
        "chat_id": chat,
        "message": format!(
            "Message {nth} of a conversation about the sea, the ships on it and the weather above it, \"as it was\""
        ),
        "is_bot": nth % 2 == 1,
        "reaction": Bson::Null,
        "token": 24,
        "type": "text",
        "is_edited": false,
        "training_doc_id": Bson::Null,
        "created_ts": at,
        "updated_ts": at,
    }
}

fn ago(time: Duration) -> DateTime {
    let millis = i64::try_from(time.as_millis()).unwrap();
    DateTime::from_millis(DateTime::now().timestamp_millis() - 60_000 - millis)
}

/// Documents on their way into a collection.
struct Batch {
    collection: mongodb::Collection<Document>,
    waiting: Vec<Document>,
}

impl Batch {
    fn new(database: &Database, name: &str) -> Self {
        Self {
            collection: database.collection(name),
            waiting: Vec::new(),
        }
    }

    async fn add(&mut self, document: Document) -> ObjectId {
        let id = document.get_object_id("_id").unwrap();
        self.waiting.push(document);
        if self.waiting.len() >= BATCH {
            self.send().await;
        }
        id
    }

    async fn send(&mut self) {
        self.collection.insert_many(&self.waiting).await.unwrap();
        self.waiting.clear();
    }

    async fn end(mut self) {
        if !self.waiting.is_empty() {
            self.send().await;
        }
    }
}
