//! A look for replies that used tokens before there was a ledger of usage, and that are not in it.

use mongodb::bson::{Bson, DateTime, Document, doc};

use super::inspect::{BILLS, CHATS, LEDGER, Looked, MESSAGES};
use super::operation::ANSWER_TIMEOUT;
use crate::domain::whole_millis;
use crate::store::StoreError;
use crate::store::inspection::IndexReview;

/// Messages that are looked at: the latest ones before the ledger begins. A server writes a reply more often.
const MESSAGES_MAX: i64 = 10_000;
/// Replies whose chats are looked for: those of deleted ones are nobody's.
const REPLIES_MAX: i64 = 100;
/// The index by which the latest messages are found.
const CREATION_INDEX: &str = "created_ts_1";

impl Looked {
    /// Whether there are such replies. Without the index of dates nothing is looked at, and there are none.
    pub(super) async fn has_unledgered(&self, indexes: &[IndexReview]) -> Result<bool, StoreError> {
        let of_messages = indexes.iter().filter(|review| review.collection == MESSAGES);
        let mut present = of_messages.flat_map(|review| &review.present);
        if !present.any(|index| index.name == CREATION_INDEX) {
            return Ok(false);
        }
        let first = |collection, sort: Document| {
            doc! {
                "find": collection, "sort": sort, "projection": { "day": 1, "row.day": 1 }, "limit": 1,
                "maxTimeMS": whole_millis(ANSWER_TIMEOUT),
            }
        };
        let row = self.list(first(LEDGER, doc! { "day": 1 })).await?;
        // What was recorded first of all may not be in a row yet.
        let bill = self.list(first(BILLS, doc! { "_id": 1 })).await?;
        let of_row = row.first().and_then(|row| row.get_datetime("day").ok());
        let of_bill = bill
            .first()
            .and_then(|bill| bill.get_document("row").ok()?.get_datetime("day").ok());
        let begins = of_row.into_iter().chain(of_bill).min().copied();
        let found = self.list(replies_before(begins)).await?;
        Ok(!found.is_empty())
    }
}

/// Finds one of the replies that ended before a moment.
fn replies_before(begins: Option<DateTime>) -> Document {
    let mut created = doc! { "$gt": DateTime::MIN };
    let mut used = doc! {
        "reply.usage.prompt_tokens": { "$type": "number" },
        "reply.usage.completion_tokens": { "$type": "number" },
        "reply.finished_at": { "$type": "date" },
    };
    if let Some(begins) = begins {
        created.insert("$lt", begins);
        used.insert("reply.finished_at", doc! { "$lt": begins });
    }
    let lookup = doc! { "from": CHATS, "localField": "chat_id", "foreignField": "_id", "as": "chats" };
    let pipeline: Vec<Bson> = [
        doc! { "$match": { "created_ts": created } },
        doc! { "$sort": { "created_ts": -1 } },
        doc! { "$limit": MESSAGES_MAX },
        doc! { "$match": used },
        doc! { "$limit": REPLIES_MAX },
        doc! { "$project": { "chat_id": 1 } },
        doc! { "$lookup": lookup },
        doc! { "$match": { "chats.user_id": { "$exists": true } } },
        doc! { "$limit": 1 },
        doc! { "$project": { "_id": 1 } },
    ]
    .map(Bson::Document)
    .into();
    doc! {
        "aggregate": MESSAGES, "pipeline": pipeline, "hint": CREATION_INDEX, "cursor": {},
        "maxTimeMS": whole_millis(ANSWER_TIMEOUT),
    }
}
