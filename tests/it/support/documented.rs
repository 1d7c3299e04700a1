//! A database as the documented system left it, in all its revisions and with everything odd that was ever found in
//! one: written as raw documents, so that nothing tidies them up on their way.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Bson, DateTime, Decimal128, Document, RawDocumentBuf, doc, oid::ObjectId};

/// Messages of the busy chat.
pub const BUSY: usize = 2_345;
/// The moment of the first document, in seconds.
const BEGIN_S: u32 = 1_700_000_000;
/// What the clock of the documented system's machine was ahead by, in minutes.
const AHEAD_MIN: i64 = 5 * 60 + 30;

/// The database, and what is in it.
pub struct Documented {
    /// The chats that can be read, by title.
    pub chats: BTreeMap<&'static str, ObjectId>,
    minted: u32,
}

/// A user whose number needs eight bytes.
pub const LARGE_USER: i64 = (1 << 31) + 5;
/// A user of the last revision.
pub const TEXT_USER: &str = "auth0|7";

impl Documented {
    /// Fills a database.
    pub async fn fill(database: &Database) -> Self {
        let mut documented = Self {
            chats: BTreeMap::new(),
            minted: 0,
        };
        let chats = documented.all_chats();
        let messages = documented.all_messages();
        for (name, documents) in [("chats", chats), ("chat_messages", messages)] {
            let documents = documents.into_iter().map(raw);
            let collection = database.collection::<RawDocumentBuf>(name);
            collection.insert_many(documents).await.unwrap();
        }
        for (name, collection) in [("title", "chats"), ("message", "chat_messages")] {
            documented.insert_broken(database, collection, name).await;
        }
        documented.index(database).await;
        documented
    }

    fn all_chats(&mut self) -> Vec<Document> {
        let document = self.id();
        let mut chats = vec![
            self.chat("early", doc! { "user_id": 1, "document_id": Bson::Null }),
            self.chat(
                "base",
                doc! { "user_id": 1_i64, "document_id": document, "training_doc_id": Bson::Null },
            ),
            self.chat(
                "late",
                doc! { "user_id": TEXT_USER, "document_id": Bson::Null, "training_doc_id": document },
            ),
            self.chat("large", doc! { "user_id": LARGE_USER, "status": "pending" }),
            self.chat("busy", doc! { "user_id": 1, "document_id": Bson::Null }),
            self.chat(
                "double",
                doc! { "user_id": 1.0, "document_id": document.to_hex(), "status": "archived",
                "extra": { "nested": [1, { "deep": Bson::Null }] }, "_class": "x.Chat" },
            ),
            self.chat(
                "undated",
                doc! { "user_id": 1, "created_at": Bson::Null, "updated_at": "yesterday", "status": Bson::Null },
            ),
        ];
        let bare = self.id();
        self.chats.insert("", bare);
        chats.push(doc! { "_id": bare, "user_id": 1 });
        // None of these can be anybody's.
        chats.extend([
            doc! { "_id": "not an id", "user_id": 1, "title": "a text for an id" },
            doc! { "_id": self.id(), "title": "nobody's" },
            doc! { "_id": self.id(), "user_id": f64::NAN, "title": "not a number's" },
            doc! { "_id": self.id(), "user_id": "", "title": "an empty name's" },
            doc! { "_id": self.id(), "user_id": "u".repeat(256), "title": "a long name's" },
            doc! { "_id": self.id(), "user_id": { "id": 1 }, "title": "an object's" },
        ]);
        chats
    }

    /// A chat with all documented fields, some of them changed.
    fn chat(&mut self, title: &'static str, fields: Document) -> Document {
        let id = self.id();
        self.chats.insert(title, id);
        let mut chat = doc! { "_id": id, "user_id": Bson::Null, "document_id": Bson::Null, "title": title,
        "status": "active", "created_at": created(id, 1), "updated_at": created(id, 9) };
        chat.extend(fields);
        chat
    }

    fn all_messages(&mut self) -> Vec<Document> {
        let mut messages = Vec::new();
        let decimal: Decimal128 = "7".parse().unwrap();
        let tokens = [
            Bson::Null,
            Bson::Int32(5),
            Bson::Int64(1 << 40),
            Bson::Double(7.0),
            Bson::Double(7.5),
            Bson::Double(f64::NAN),
            Bson::Double(f64::INFINITY),
            decimal.into(),
            "12".into(),
            "-12".into(),
            "many".into(),
            "९".into(),
            "".into(),
            true.into(),
        ];
        for token in tokens {
            messages.push(self.message("late", doc! { "token": token, "citation": "document + ai" }));
        }
        for citation in [Bson::Null, doc! { "source": 1 }.into(), vec![1].into()] {
            messages.push(self.message(
                "late",
                doc! { "citation": citation, "training_doc_id": Bson::Null },
            ));
        }
        let texts = [
            "".into(),
            "\0 nul \0".into(),
            "नमस्ते 👩‍👩‍👧 e\u{301}".into(),
            "a long one ".repeat(100_000),
            "\u{202e}\u{feff}\u{fffd}".into(),
        ];
        for text in texts {
            messages.push(self.message("base", doc! { "message": text, "is_bot": true }));
        }
        let changes = [
            doc! { "type": Bson::Null },
            doc! { "type": "error" },
            doc! { "type": 7 },
            doc! { "reaction": "" },
            doc! { "reaction": "👍" },
            doc! { "reaction": ["👍"] },
            doc! { "is_edited": true },
            doc! { "is_edited": "true" },
            doc! { "is_bot": 1 },
            doc! { "is_bot": Bson::Null },
            doc! { "message": 7 },
            doc! { "message": Bson::Null },
            doc! { "updated_ts": Bson::Null },
            doc! { "reply": "not ours", "client_key": 7, "reply_id": "x", "token_is_estimated": "no" },
            doc! { "extra": { "nested": [1, { "deep": Bson::Null }] }, "language": "hinglish", "timestamp": 7 },
        ];
        messages.extend(changes.map(|change| self.message("early", change)));
        // Each field left out in turn, and all of them.
        let whole = self.message("early", doc! {});
        for name in whole
            .keys()
            .filter(|name| !["_id", "chat_id"].contains(&name.as_str()))
        {
            let mut without = self.message("early", doc! {});
            without.remove(name);
            messages.push(without);
        }
        messages.push(whole);
        for _ in 0..3 {
            messages.push(doc! { "_id": self.id(), "chat_id": self.chats["early"] });
        }
        for time in [
            Bson::Null,
            "yesterday".into(),
            Bson::Int64(7),
            DateTime::MAX.into(),
            DateTime::MIN.into(),
        ] {
            messages.push(self.message("early", doc! { "created_ts": time }));
        }
        for n in 0..BUSY {
            // Several share a moment, and whole seconds are among them.
            let mut message = self.message(
                "busy",
                doc! { "message": format!("message {n}"), "is_bot": n % 2 == 1 },
            );
            let id = message.get_object_id("_id").unwrap();
            message.insert("created_ts", created(id, i64::try_from(n / 4 % 3).unwrap() * 500));
            messages.push(message);
        }
        messages.extend(self.nobodys_messages());
        messages
    }

    /// Messages that are in no chat's list, though one of them in its count.
    fn nobodys_messages(&mut self) -> Vec<Document> {
        let gone = self.id();
        let mut messages = vec![
            doc! { "_id": 7, "chat_id": self.chats["base"], "message": "a number for an id", "created_ts": created(gone, 0) },
        ];
        for _ in 0..2 {
            messages.push(self.message("base", doc! { "chat_id": gone }));
        }
        let text = self.chats["base"].to_hex();
        messages.push(self.message("base", doc! { "chat_id": text }));
        messages.push(self.message("base", doc! { "chat_id": Bson::Null }));
        messages
    }

    /// A message of the first revision, some of its fields changed.
    fn message(&mut self, chat: &str, fields: Document) -> Document {
        let id = self.id();
        let mut message = doc! { "_id": id, "chat_id": self.chats[chat], "message": "hello", "is_bot": false,
        "reaction": Bson::Null, "token": Bson::Null, "type": "text", "is_edited": false,
        "created_ts": created(id, 250), "updated_ts": created(id, 251) };
        message.extend(fields);
        message
    }

    /// A document with a text that is no UTF-8, as no driver writes one.
    async fn insert_broken(&mut self, database: &Database, collection: &str, field: &str) {
        let mut document = match collection {
            "chats" => self.chat("\u{fffd}", doc! { "user_id": 1 }),
            _ => self.message("base", doc! {}),
        };
        document.insert(field, "BROKEN");
        let mut bytes = raw(document).into_bytes();
        let place = bytes.windows(6).position(|window| window == b"BROKEN").unwrap();
        bytes[place..place + 6].copy_from_slice(b"\xff\xfe\xc3\x28\xed\xa0");
        let broken = RawDocumentBuf::from_bytes(bytes).unwrap();
        let collection = database.collection::<RawDocumentBuf>(collection);
        collection.insert_one(broken).await.unwrap();
    }

    /// The documented indexes, under the names that the server gives them.
    async fn index(&self, database: &Database) {
        for (collection, keys) in [
            ("chats", vec!["user_id", "document_id", "status", "created_at"]),
            ("chat_messages", vec!["chat_id", "is_bot", "created_ts"]),
        ] {
            let collection = database.collection::<Document>(collection);
            for key in keys {
                let index = mongodb::IndexModel::builder().keys(doc! { key: 1 });
                collection.create_index(index.build()).await.unwrap();
            }
        }
    }

    /// The next id, one second after the last.
    fn id(&mut self) -> ObjectId {
        self.minted += 1;
        let mut bytes = [5; 12];
        bytes[..4].copy_from_slice(&(BEGIN_S + self.minted).to_be_bytes());
        bytes[8..].copy_from_slice(&self.minted.to_be_bytes());
        ObjectId::from_bytes(bytes)
    }
}

/// When a document was made, as the clock of its machine said.
fn created(id: ObjectId, millis: i64) -> DateTime {
    let ahead = AHEAD_MIN * 60_000 + millis;
    DateTime::from_millis(id.timestamp().timestamp_millis() + ahead)
}

fn raw(document: Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(&document).unwrap()
}

/// Every document of both collections, byte for byte, in the order of their ids.
pub async fn bytes_of(database: &Database) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for collection in ["chats", "chat_messages"] {
        let collection = database.collection::<RawDocumentBuf>(collection);
        let found = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        let documents: Vec<_> = found.try_collect().await.unwrap();
        all.extend(documents.into_iter().map(RawDocumentBuf::into_bytes));
    }
    all
}
