//! Setting a message aside from the kept counts of its chat, before it is changed.
//!
//! One command takes it out of them and notes its id, another one changes it. If nobody comes to the second, the message
//! is counted by its id all the same.

use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, oid};
use mongodb::error::Result as DriverResult;
use tokio::time::Instant;

use super::MongoStore;
use super::counts::{COUNTS, UNDER_WAY_MAX, tokens};
use super::fields::{Fields, stored_date, stored_id};
use super::messages::of_chat;
use super::operation::ANSWER_TIMEOUT;
use crate::domain::{ChatId, Message, MessageId, ReplyState, Timestamp, whole_millis};
use crate::store::StoreError;

/// The most messages that are set aside in one chat. One more, and its kept counts are dropped.
const ASIDE_MAX: i32 = 100;

/// How often a message is looked at that streams when it is looked at and has ended when it is to be set aside.
const ATTEMPTS_MAX: usize = 2;

/// A message that is to be set aside.
struct Candidate {
    id: oid::ObjectId,
    created_at: Option<Timestamp>,
    tokens: i64,
    is_streaming: bool,
    /// Whether it is so young that it comes into no kept counts as long as a change of it may be under way.
    is_young: bool,
}

impl MongoStore {
    /// Sets a message aside that may be in the kept counts of its chat; whether there is such a message. One command for
    /// a young message, and two for others.
    pub(super) async fn set_aside(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(candidate) = self.look_at(chat, id).await? else {
                return Ok(false);
            };
            if candidate.is_young {
                return Ok(true);
            }
            let mut filter = doc! { "_id": stored_id(chat.0) };
            if let (true, Some(at)) = (candidate.is_streaming, candidate.created_at) {
                // Once it has ended it may have come into the kept counts, with tokens that it does not have yet.
                filter.insert("counts.until", doc! { "$not": { "$gte": stored_date(at) } });
            }
            let update = vec![doc! { "$set": { COUNTS: without(&candidate, true) } }];
            let set = self
                .chats
                .write(|chats| async move { chats.update_one(filter, update).await });
            if set.await?.matched_count > 0 || !candidate.is_streaming {
                break;
            }
        }
        Ok(true)
    }

    /// Drops the kept counts of a chat if a change in it took too long since it was set aside.
    pub(super) async fn settle_change(&self, chat: ChatId, since: Instant) -> Result<(), StoreError> {
        if since.elapsed() <= UNDER_WAY_MAX {
            return Ok(());
        }
        let dropped = self
            .chats
            .write(|chats| async move { drop_counts(&chats, chat).await });
        dropped.await
    }

    async fn look_at(&self, chat: ChatId, id: MessageId) -> Result<Option<Candidate>, StoreError> {
        let filter = of_chat(chat, id);
        let fields = doc! { "created_ts": 1, "tokens": tokens("$token"), "reply.state": 1, "now": "$$NOW" };
        let found = self.messages.read(|messages| async move {
            let find = messages.find_one(filter).projection(fields);
            find.max_time(ANSWER_TIMEOUT).await
        });
        let Some(found) = found.await? else {
            return Ok(None);
        };
        let fields = Fields::of(&found);
        let state = fields.nested("reply").and_then(|reply| reply.text("state"));
        let created_at = fields.date("created_ts");
        let young_since = fields
            .date("now")
            .map(|now| now.plus_millis(-whole_millis(UNDER_WAY_MAX)));
        Ok(Some(Candidate {
            id: stored_id(id.0),
            created_at,
            tokens: fields.integer("tokens").unwrap_or_default(),
            is_streaming: state == Some(ReplyState::Streaming.name()),
            is_young: created_at > young_since && young_since.is_some(),
        }))
    }
}

/// What becomes of the kept counts before a message is stored at a moment of its own: nothing if it is a young one.
pub(super) fn before_insert(message: &Message) -> Document {
    let candidate = Candidate {
        id: stored_id(message.id.0),
        created_at: Some(message.created_at),
        tokens: 0,
        is_streaming: false,
        is_young: false,
    };
    doc! { "$cond": [is_old(message.created_at), without(&candidate, false), format!("${COUNTS}")] }
}

/// Whether a moment is so old that a message of it may come into kept counts soon.
pub(super) fn is_old(at: Timestamp) -> Document {
    doc! { "$lte": [stored_date(at), { "$subtract": ["$$NOW", whole_millis(UNDER_WAY_MAX)] }] }
}

/// Drops the kept counts of a chat, until nothing that was under way can be any longer.
pub(super) async fn drop_counts(chats: &Collection<RawDocumentBuf>, chat: ChatId) -> DriverResult<()> {
    let update = vec![doc! { "$set": { COUNTS: dropped() } }];
    chats
        .update_one(doc! { "_id": stored_id(chat.0) }, update)
        .await
        .map(drop)
}

/// The kept counts without a message, which `is_stored` or is to be stored. Where none are kept, none shall be until the
/// change is over.
fn without(message: &Candidate, is_stored: bool) -> Document {
    let aside = doc! { "$cond": [{ "$isArray": "$counts.aside" }, "$counts.aside", []] };
    let is_up_to: Bson = match message.created_at {
        Some(at) => doc! { "$lte": [stored_date(at), "$counts.until"] }.into(),
        None => true.into(),
    };
    let is_aside = doc! { "$in": [message.id, { "$map": { "input": aside.clone(), "in": "$$this._id" } }] };
    let leaves = doc! { "$and": [is_stored, is_up_to, { "$not": [is_aside] }] };
    let less = |field: &str, less: i64| {
        let less = doc! { "$cond": ["$$leaves", less, 0_i64] };
        doc! { "$subtract": [field, less] }
    };
    let mut own = doc! { "_id": message.id, "at": "$$NOW" };
    if let Some(at) = message.created_at {
        own.insert("created_ts", stored_date(at));
    }
    // What has long been changed, and is not in the kept counts by its moment, need not be noted any more.
    let young_since = doc! { "$subtract": ["$$NOW", whole_millis(UNDER_WAY_MAX)] };
    let still = doc! { "$filter": { "input": aside, "cond": { "$and": [
        { "$ne": ["$$this._id", message.id] },
        { "$or": [
            { "$gt": ["$$this.at", young_since] },
            { "$lte": ["$$this.created_ts", "$counts.until"] },
        ] },
    ] } } };
    let counts = doc! {
        "version": next_version(),
        "until": "$counts.until",
        "messages": less("$counts.messages", 1),
        "tokens": less("$counts.tokens", message.tokens),
        "aside": { "$concatArrays": ["$$still", [own]] },
    };
    let is_kept = doc! { "$eq": [{ "$type": "$counts.until" }, "date"] };
    let has_room = doc! { "$lt": [{ "$size": "$$still" }, ASIDE_MAX] };
    doc! { "$let": {
        "vars": { "still": still, "leaves": leaves },
        "in": { "$cond": [{ "$and": [is_kept, has_room] }, counts, dropped()] },
    } }
}

/// No kept counts, and none to be kept for as long as something may be under way.
fn dropped() -> Document {
    let over = doc! { "$add": ["$$NOW", whole_millis(UNDER_WAY_MAX)] };
    // The greatest of several passes over what is missing.
    let counts = doc! { "version": next_version(), "not_before": { "$max": ["$counts.not_before", over] } };
    // As an expression it takes the place of what is there, and is not merged into it.
    doc! { "$mergeObjects": [counts] }
}

/// The version after the present one.
pub(super) fn next_version() -> Document {
    doc! { "$add": [{ "$ifNull": ["$counts.version", 0_i64] }, 1_i64] }
}
