//! Filling the ledger of usage from stored replies: those that were written before there was a ledger.
//!
//! A row is raised to what the stored replies come to, and never lowered, so that to repeat this changes nothing. Replies
//! that were deleted before are not found, and those that ended since have a bill, which is entered first.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc, oid};
use mongodb::options::Hint;

use super::MongoStore;
use super::bulk::update_all;
use super::fields::{Fields, stored_value};
use super::indexes::{CHAT_LIST, MESSAGE_LIST};
use super::operation::{ANSWER_TIMEOUT, run_for};
use super::usage::row_id;
use crate::domain::{ReplyState, Timestamp, UserId};
use crate::store::StoreError;
use crate::store::recount::{RecountProgress, Recounted};

/// Chats whose messages are read in one command.
const CHATS_AT_ONCE: usize = 50;
/// How long the server may work on one command: far longer than a slow disk needs for so many chats.
const PASS_TIMEOUT: Duration = Duration::from_secs(60);
/// Rows that are written in one command.
const ROWS_AT_ONCE: usize = 500;

/// A row's UTC day, model, and whether its numbers are estimates.
type Key = (Timestamp, Option<String>, bool);

/// What the replies of a row come to.
#[derive(Clone, Copy, Default)]
struct Sums {
    replies: i64,
    prompt: i64,
    completion: i64,
}

impl MongoStore {
    /// Raises every row to what the stored replies come to.
    pub(super) async fn fill_ledger(
        &self,
        recounted: &mut Recounted,
        progress: &(dyn Fn(RecountProgress) + Send + Sync),
    ) -> Result<(), StoreError> {
        // A comparison finds values of its own type only, and these are the types of users.
        for first in [Bson::Double(f64::NEG_INFINITY), Bson::String(String::new())] {
            let mut next = doc! { "$gte": first };
            while let Some(found) = self.next_user(next).await? {
                if let Some(user) = Fields::of(&found).user_id("user_id") {
                    self.fill_ledger_of(&user, recounted).await?;
                    recounted.users += 1;
                    progress(RecountProgress::Users(recounted.users));
                }
                let Some(user) = stored_value(&found, "user_id") else {
                    break;
                };
                next = doc! { "$gt": user };
            }
        }
        Ok(())
    }

    async fn fill_ledger_of(&self, user: &UserId, recounted: &mut Recounted) -> Result<(), StoreError> {
        let mut rows: HashMap<Key, Sums> = HashMap::new();
        for chats in self.chat_ids(user).await?.chunks(CHATS_AT_ONCE) {
            for found in self.used_in(chats.to_vec()).await? {
                if let Some((key, found)) = read_sums(&found) {
                    let sums = rows.entry(key).or_default();
                    sums.replies = sums.replies.saturating_add(found.replies);
                    sums.prompt = sums.prompt.saturating_add(found.prompt);
                    sums.completion = sums.completion.saturating_add(found.completion);
                }
            }
        }
        // A reply has its bill before it has ended, so the bills of all that were counted are then in the rows.
        self.enter_due(Some(user)).await?;
        let replies: i64 = rows.values().map(|sums| sums.replies).sum();
        recounted.replies += replies.unsigned_abs();
        let rows: Vec<_> = rows
            .into_iter()
            .map(|((day, model, is_estimated), sums)| {
                let row = row_id(user, day, model.as_deref(), is_estimated);
                let raise = doc! {
                    "replies": sums.replies,
                    "prompt_tokens": sums.prompt,
                    "completion_tokens": sums.completion,
                };
                doc! { "q": { "_id": &row }, "u": { "$max": raise, "$setOnInsert": row }, "upsert": true }
            })
            .collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            recounted.ledger_rows += update_all(&self.ledger, rows.to_vec()).await?.changed();
        }
        Ok(())
    }

    /// The first of the users that are so.
    async fn next_user(&self, is: Document) -> Result<Option<RawDocumentBuf>, StoreError> {
        let next = self.chats.read(|chats| async move {
            chats
                .find_one(doc! { "user_id": is })
                .sort(doc! { "user_id": 1 })
                .projection(doc! { "_id": 0, "user_id": 1 })
                .hint(Hint::Name(CHAT_LIST.to_owned()))
                .max_time(ANSWER_TIMEOUT)
                .await
        });
        next.await
    }

    /// What the replies in these chats used, by day, model and kind.
    async fn used_in(&self, chats: Vec<oid::ObjectId>) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let used = doc! {
            "chat_id": { "$in": chats },
            "reply.state": { "$ne": ReplyState::Streaming.name() },
            "reply.usage.prompt_tokens": { "$type": "number" },
            "reply.usage.completion_tokens": { "$type": "number" },
            // As of a reply that was closed for a dead server: that one may have recorded the bill, and knew more.
            "$nor": [{ "reply.usage.prompt_tokens": 0, "reply.usage.prompt_is_estimated": true }],
        };
        let ended_at = doc! { "$ifNull": ["$reply.finished_at", "$updated_ts"] };
        let ended_at = doc! { "$convert": { "input": ended_at, "to": "date", "onError": Bson::Null, "onNull": Bson::Null } };
        let is_estimated = |name: &str| doc! { "$eq": [format!("$reply.usage.{name}_is_estimated"), true] };
        let key = doc! {
            "day": { "$dateTrunc": { "date": ended_at, "unit": "day" } },
            "model": { "$ifNull": ["$reply.model", Bson::Null] },
            "is_estimated": { "$or": [is_estimated("prompt"), is_estimated("completion")] },
        };
        let tokens = |name: &str| doc! { "$sum": { "$max": [0_i64, format!("$reply.usage.{name}_tokens")] } };
        let sums = doc! {
            "_id": key,
            "replies": { "$sum": 1_i64 },
            "prompt": tokens("prompt"),
            "completion": tokens("completion"),
        };
        let pipeline = vec![doc! { "$match": used }, doc! { "$group": sums }];
        let messages = self.messages.bare.clone();
        run_for(PASS_TIMEOUT + ANSWER_TIMEOUT, async move {
            let aggregate = messages.aggregate(pipeline).with_type::<RawDocumentBuf>();
            let aggregate = aggregate.hint(Hint::Name(MESSAGE_LIST.to_owned()));
            aggregate.max_time(PASS_TIMEOUT).await?.try_collect().await
        })
        .await
    }
}

fn read_sums(row: &RawDocument) -> Option<(Key, Sums)> {
    let row = Fields::of(row);
    let key = row.nested("_id")?;
    let sums = Sums {
        replies: row.sum("replies")?,
        prompt: row.sum("prompt")?,
        completion: row.sum("completion")?,
    };
    let model = key.text("model").map(str::to_owned);
    Some(((key.date("day")?, model, key.flag("is_estimated")?), sums))
}
