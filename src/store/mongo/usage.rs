//! What was used.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, RawDocument, doc, oid};

use super::fields::{Fields, stored_date};
use super::{MongoStore, indexes, lists};
use crate::domain::{Author, ReplyState, Timestamp, TokenCount, UsageRow, UserId};
use crate::store::{StoreError, UsageStore};

/// Rows that one batch of the answer holds: years of days and a few models. More take another batch.
const ROWS_EXPECTED: usize = 10_000;

#[async_trait]
impl UsageStore for MongoStore {
    async fn usage(
        &self,
        user: &UserId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let chats = self.chat_ids(user).await?;
        if chats.is_empty() {
            return Ok(Vec::new());
        }
        let pipeline = pipeline(chats, from, to);
        let rows = lists::aggregate(&self.messages, pipeline, ROWS_EXPECTED, indexes::MESSAGE_LIST).await?;
        let mut rows: Vec<_> = rows.iter().filter_map(|row| read_row(row)).collect();
        // Here rather than there: they are few, and the server's order of texts is not ours to know.
        rows.sort_by(|one, other| order(one).cmp(&order(other)));
        Ok(rows)
    }
}

fn order(row: &UsageRow) -> (Timestamp, bool, Option<&str>, bool) {
    (
        row.day,
        row.author.is_bot(),
        row.model.as_deref(),
        row.tokens.is_estimated,
    )
}

/// Sums up the messages of these chats that were written in a time.
fn pipeline(chats: Vec<oid::ObjectId>, from: Timestamp, to: Timestamp) -> Vec<Document> {
    let written = doc! { "$gte": stored_date(from), "$lt": stored_date(to) };
    let scope = doc! {
        "chat_id": { "$in": chats },
        "created_ts": written,
        "reply.state": { "$ne": ReplyState::Streaming.name() },
    };
    let ended = ReplyState::ALL.into_iter().filter(|state| state.is_final());
    let ended: Vec<_> = ended.map(ReplyState::name).collect();
    let is_text = doc! { "$eq": [{ "$type": "$reply.model" }, "string"] };
    let fields = doc! {
        "day": { "$dateTrunc": { "date": "$created_ts", "unit": "day" } },
        "is_bot": is_true("$is_bot"),
        "model": { "$cond": [is_text, "$reply.model", Bson::Null] },
        "is_estimated": {
            "$or": [is_true("$token_is_estimated"), is_true("$reply.usage.prompt_is_estimated")]
        },
        "tokens": number("$token"),
        "prompt_tokens": number("$reply.usage.prompt_tokens"),
        "has_ended": { "$in": ["$reply.state", ended] },
    };
    let counts = doc! { "$or": [{ "tokens": { "$ne": Bson::Null } }, { "has_ended": true }] };
    let row = doc! { "day": "$day", "is_bot": "$is_bot", "model": "$model", "is_estimated": "$is_estimated" };
    let sums = doc! {
        "_id": row,
        "messages": { "$sum": 1 },
        "tokens": { "$sum": "$tokens" },
        "prompt_tokens": { "$sum": "$prompt_tokens" },
    };
    vec![
        doc! { "$match": scope },
        doc! { "$project": fields },
        doc! { "$match": counts },
        doc! { "$group": sums },
    ]
}

fn is_true(field: &str) -> Document {
    doc! { "$eq": [field, true] }
}

/// A number, or null. Late documented systems stored digits.
fn number(field: &str) -> Document {
    doc! { "$convert": { "input": field, "to": "long", "onError": Bson::Null, "onNull": Bson::Null } }
}

fn read_row(row: &RawDocument) -> Option<UsageRow> {
    let sums = Fields::of(row);
    let key = sums.nested("_id")?;
    // A sum past what an integer holds is a double, and no longer exact.
    let sum = |name| sums.integer(name).unwrap_or(i64::MAX);
    Some(UsageRow {
        day: key.date("day")?,
        author: Author::from_is_bot(key.flag("is_bot")?),
        model: key.text("model").map(str::to_owned),
        message_count: sums.integer("messages")?.unsigned_abs(),
        prompt_tokens: sum("prompt_tokens"),
        tokens: TokenCount {
            tokens: sum("tokens"),
            is_estimated: key.flag("is_estimated")?,
        },
    })
}
