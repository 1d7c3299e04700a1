//! Chats and messages: read by one command each, written as JSON.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State};
use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::{Acknowledgment, Hint, WriteConcern};
use serde::{Deserialize, Serialize};

use crate::data::LISTED_CHATS;

/// Messages of a page.
const PAGE: i64 = 50;

/// The collections.
#[derive(Clone)]
pub struct Stored {
    /// Chats, as they are read.
    pub chats: Collection<StoredChat>,
    /// Messages, as they are read.
    pub messages: Collection<StoredMessage>,
    /// Messages, as they are written.
    pub written: Collection<Document>,
}

/// A chat's document, as far as it is shown.
#[derive(Deserialize)]
pub struct StoredChat {
    #[serde(rename = "_id")]
    id: ObjectId,
    title: String,
    status: String,
    created_at: DateTime,
    updated_at: DateTime,
    user_id: i64,
    document_id: Option<ObjectId>,
}

/// A message's document, as far as it is shown.
#[derive(Deserialize)]
pub struct StoredMessage {
    #[serde(rename = "_id")]
    id: ObjectId,
    chat_id: ObjectId,
    message: String,
    is_bot: bool,
    reaction: Option<String>,
    token: Option<i64>,
    #[serde(rename = "type")]
    kind: String,
    is_edited: bool,
    created_ts: DateTime,
    updated_ts: DateTime,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chat {
    id: String,
    title: String,
    status: String,
    updated_at: String,
    messages: Page<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedChat {
    id: String,
    title: String,
    status: String,
    updated_at: String,
    message_count: i64,
    last_message: Option<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: String,
    author: &'static str,
    text: String,
    #[serde(rename = "type")]
    kind: String,
    reaction: Option<String>,
    is_edited: bool,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    nodes: Vec<T>,
    has_more: bool,
    end: Option<String>,
}

/// A message to write.
#[derive(Deserialize)]
pub struct NewMessage {
    text: String,
}

#[derive(Deserialize)]
struct Count {
    #[serde(rename = "_id")]
    chat: ObjectId,
    count: i64,
}

/// A chat with its last messages.
pub async fn chat(State(stored): State<Stored>, Path(id): Path<ObjectId>) -> Json<impl Serialize> {
    Json(chat_with(&stored, id, doc! { "chat_id": id }, -1).await)
}

/// A chat with the messages behind a place.
pub async fn page(
    State(stored): State<Stored>,
    Path((id, at, message)): Path<(ObjectId, i64, ObjectId)>,
) -> Json<impl Serialize> {
    let at = DateTime::from_millis(at);
    let behind = doc! { "$or": [
        { "chat_id": id, "created_ts": { "$gt": at } },
        { "chat_id": id, "created_ts": at, "_id": { "$gt": message } },
    ] };
    Json(chat_with(&stored, id, behind, 1).await)
}

async fn chat_with(
    stored: &Stored,
    id: ObjectId,
    filter: Document,
    direction: i32,
) -> impl Serialize + use<> {
    let chat = stored.chats.find_one(doc! { "_id": id }).await.unwrap().unwrap();
    let find = stored.messages.find(filter).limit(PAGE + 1);
    let find = find.sort(doc! { "created_ts": direction, "_id": direction });
    let find = find.hint(Hint::Name("chat_id_1_created_ts_1__id_1".to_owned()));
    let found = find.batch_size(PAGE as u32 + 2).await.unwrap();
    let mut messages: Vec<StoredMessage> = found.try_collect().await.unwrap();
    let has_more = messages.len() > PAGE as usize;
    messages.truncate(PAGE as usize);
    if direction < 0 {
        messages.reverse();
    }
    let end = messages
        .last()
        .map(|message| format!("{}.{}", message.created_ts.timestamp_millis(), message.id));
    Chat {
        id: id.to_hex(),
        title: chat.title,
        status: chat.status,
        updated_at: rfc3339(chat.updated_at),
        messages: Page {
            nodes: messages.into_iter().map(Message::from).collect(),
            has_more,
            end,
        },
    }
}

/// A user's chats, each with its last message and how many it has.
pub async fn chats(State(stored): State<Stored>, Path(user): Path<i64>) -> Json<impl Serialize> {
    let find = stored
        .chats
        .find(doc! { "user_id": user })
        .limit(LISTED_CHATS as i64 + 1);
    let find = find.sort(doc! { "updated_at": -1, "_id": -1 });
    let found = find.batch_size(LISTED_CHATS as u32 + 2).await.unwrap();
    let mut chats: Vec<StoredChat> = found.try_collect().await.unwrap();
    let has_more = chats.len() > LISTED_CHATS;
    chats.truncate(LISTED_CHATS);
    let ids: Vec<_> = chats.iter().map(|chat| chat.id).collect();
    let (counts, last) = tokio::join!(counts(&stored, &ids), last_messages(&stored, &ids));
    let (counts, mut last) = (counts, last);
    let end = chats
        .last()
        .map(|chat| format!("{}.{}", chat.updated_at.timestamp_millis(), chat.id));
    let nodes = chats.into_iter().map(|chat| ListedChat {
        id: chat.id.to_hex(),
        title: chat.title,
        status: chat.status,
        updated_at: rfc3339(chat.updated_at),
        message_count: counts.get(&chat.id).copied().unwrap_or_default(),
        last_message: last.remove(&chat.id).map(Message::from),
    });
    Json(Page {
        nodes: nodes.collect(),
        has_more,
        end,
    })
}

async fn counts(stored: &Stored, chats: &[ObjectId]) -> HashMap<ObjectId, i64> {
    let pipeline = [
        doc! { "$match": { "chat_id": { "$in": chats } } },
        doc! { "$group": { "_id": "$chat_id", "count": { "$sum": 1 } } },
    ];
    let counted = stored.messages.aggregate(pipeline).with_type::<Count>();
    let counts: Vec<Count> = counted.await.unwrap().try_collect().await.unwrap();
    counts
        .into_iter()
        .map(|count| (count.chat, count.count))
        .collect()
}

async fn last_messages(stored: &Stored, chats: &[ObjectId]) -> HashMap<ObjectId, StoredMessage> {
    let stages = |chat: &ObjectId| {
        [
            doc! { "$match": { "chat_id": chat } },
            doc! { "$sort": { "created_ts": -1, "_id": -1 } },
            doc! { "$limit": 1 },
        ]
    };
    let (first, others) = chats.split_first().unwrap();
    let union = |chat| doc! { "$unionWith": { "coll": "chat_messages", "pipeline": stages(chat).to_vec() } };
    let pipeline = stages(first).into_iter().chain(others.iter().map(union));
    let found = stored.messages.aggregate(pipeline).with_type::<StoredMessage>();
    let last: Vec<StoredMessage> = found.await.unwrap().try_collect().await.unwrap();
    last.into_iter()
        .map(|message| (message.chat_id, message))
        .collect()
}

/// Writes a message durably, and moves its chat to the top.
pub async fn create(
    State(stored): State<Stored>,
    Path(id): Path<ObjectId>,
    Json(new): Json<NewMessage>,
) -> Json<impl Serialize> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        id: String,
        created_at: String,
    }
    let (message, at) = write(&stored, id, new.text).await;
    let moved = stored
        .chats
        .update_one(doc! { "_id": id }, doc! { "$max": { "updated_at": at } });
    moved.write_concern(durable()).await.unwrap();
    Json(Created {
        id: message.to_hex(),
        created_at: rfc3339(at),
    })
}

async fn write(stored: &Stored, chat: ObjectId, text: String) -> (ObjectId, DateTime) {
    stored
        .chats
        .find_one(doc! { "_id": chat })
        .await
        .unwrap()
        .unwrap();
    let (id, at) = (ObjectId::new(), DateTime::now());
    let document = doc! {
        "_id": id,
        "chat_id": chat,
        "message": text,
        "is_bot": false,
        "reaction": Bson::Null,
        "token": Bson::Null,
        "type": "text",
        "is_edited": false,
        "training_doc_id": Bson::Null,
        "created_ts": at,
        "updated_ts": at,
    };
    stored
        .written
        .insert_one(document)
        .write_concern(durable())
        .await
        .unwrap();
    (id, at)
}

/// The documented list of a chat's messages.
pub async fn documented_messages(
    State(stored): State<Stored>,
    Path(id): Path<ObjectId>,
) -> Json<impl Serialize> {
    stored.chats.find_one(doc! { "_id": id }).await.unwrap().unwrap();
    let find = stored.messages.find(doc! { "chat_id": id }).limit(PAGE);
    let find = find
        .sort(doc! { "created_ts": 1, "_id": 1 })
        .batch_size(PAGE as u32 + 1);
    let messages: Vec<StoredMessage> = find.await.unwrap().try_collect().await.unwrap();
    Json(
        messages
            .into_iter()
            .map(DocumentedMessage::from)
            .collect::<Vec<_>>(),
    )
}

/// The documented list of a user's chats.
pub async fn documented_chats(State(stored): State<Stored>, Path(user): Path<i64>) -> Json<impl Serialize> {
    #[derive(Serialize)]
    struct Chats {
        chats: Vec<DocumentedChat>,
        total: u64,
        page: u32,
        limit: usize,
    }
    let of_user = doc! { "user_id": user };
    let total = stored.chats.count_documents(of_user.clone()).await.unwrap();
    let find = stored.chats.find(of_user).limit(LISTED_CHATS as i64);
    let find = find
        .sort(doc! { "created_at": -1, "_id": 1 })
        .batch_size(LISTED_CHATS as u32 + 1);
    let chats: Vec<StoredChat> = find.await.unwrap().try_collect().await.unwrap();
    Json(Chats {
        chats: chats.into_iter().map(DocumentedChat::from).collect(),
        total,
        page: 1,
        limit: LISTED_CHATS,
    })
}

/// Writes a message durably, as documented.
pub async fn create_documented(
    State(stored): State<Stored>,
    Path(id): Path<ObjectId>,
    Json(new): Json<NewMessage>,
) -> Json<impl Serialize> {
    #[derive(Serialize)]
    struct Created {
        success: bool,
        message: &'static str,
        message_id: String,
    }
    let (message, _) = write(&stored, id, new.text).await;
    Json(Created {
        success: true,
        message: "Message created successfully",
        message_id: message.to_hex(),
    })
}

#[derive(Serialize)]
struct DocumentedChat {
    _id: String,
    user_id: i64,
    document_id: Option<String>,
    title: String,
    status: String,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct DocumentedMessage {
    _id: String,
    chat_id: String,
    message: String,
    is_bot: bool,
    reaction: Option<String>,
    token: Option<i64>,
    #[serde(rename = "type")]
    kind: String,
    is_edited: bool,
    created_ts: String,
    updated_ts: String,
}

impl From<StoredChat> for DocumentedChat {
    fn from(chat: StoredChat) -> Self {
        Self {
            _id: chat.id.to_hex(),
            user_id: chat.user_id,
            document_id: chat.document_id.map(ObjectId::to_hex),
            title: chat.title,
            status: chat.status,
            created_at: naive(chat.created_at),
            updated_at: naive(chat.updated_at),
        }
    }
}

impl From<StoredMessage> for DocumentedMessage {
    fn from(message: StoredMessage) -> Self {
        Self {
            _id: message.id.to_hex(),
            chat_id: message.chat_id.to_hex(),
            message: message.message,
            is_bot: message.is_bot,
            reaction: message.reaction,
            token: message.token,
            kind: message.kind,
            is_edited: message.is_edited,
            created_ts: naive(message.created_ts),
            updated_ts: naive(message.updated_ts),
        }
    }
}

impl From<StoredMessage> for Message {
    fn from(message: StoredMessage) -> Self {
        Self {
            id: message.id.to_hex(),
            author: if message.is_bot { "BOT" } else { "USER" },
            text: message.message,
            kind: message.kind,
            reaction: message.reaction,
            is_edited: message.is_edited,
            created_at: rfc3339(message.created_ts),
            updated_at: rfc3339(message.updated_ts),
        }
    }
}

fn rfc3339(at: DateTime) -> String {
    at.try_to_rfc3339_string().unwrap()
}

/// As documented: no zone.
fn naive(at: DateTime) -> String {
    let mut text = rfc3339(at);
    text.pop();
    text
}

fn durable() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build()
}
