//! The ledger of what was used: a document for each user, day, model and kind of figures, which only ever grows.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::Hint;

use super::fields::{Fields, stored_date, stored_id, stored_user_id};
use super::lists::batch_size;
use super::operation::{ANSWER_TIMEOUT, is_duplicate_key};
use super::{MongoStore, indexes};
use crate::domain::{Bill, MessageId, Timestamp, TokenCount, UsageRow, UserId};
use crate::store::dates::{DAY_MILLIS, day_of};
use crate::store::{StoreError, UsageStore};

/// Rows that one batch of the answer holds: years of days and a few models. More take another batch.
const ROWS_EXPECTED: usize = 10_000;

/// The replies that were entered into a row last.
const RECENT: &str = "recent";
/// So many of them: more than end for one user while one of them is entered again.
const RECENT_MAX: i32 = 256;

#[async_trait]
impl UsageStore for MongoStore {
    async fn usage(
        &self,
        user: &UserId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRow>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let days = doc! { "$gte": stored_date(day_of(from)), "$lt": stored_date(to) };
        let filter = doc! { "user": stored_user_id(user), "day": days };
        let read = self.ledger.read(|ledger| async move {
            let find = ledger
                .find(filter)
                .projection(doc! { "_id": 0, RECENT: 0 })
                .hint(Hint::Name(indexes::LEDGER_ROWS.to_owned()))
                .batch_size(batch_size(ROWS_EXPECTED));
            let found = find.max_time(ANSWER_TIMEOUT).await?;
            found.try_collect::<Vec<RawDocumentBuf>>().await
        });
        let rows = read.await?;
        let mut rows: Vec<_> = rows.iter().filter_map(|row| read_row(row)).collect();
        // Here rather than there: they are few, and the server's order of texts is not ours to know.
        rows.sort_by(|one, other| order(one).cmp(&order(other)));
        Ok(rows)
    }
}

impl MongoStore {
    /// Writes the bill of a reply into the ledger, unless it is in it already: each row knows the replies that were
    /// entered last.
    pub(super) async fn enter(&self, reply: MessageId, bill: &Bill) -> Result<(), StoreError> {
        let (prompt, completion) = (bill.usage.prompt, bill.usage.completion);
        let is_estimated = prompt.is_estimated || completion.is_estimated;
        let row = row_id(&bill.user, day_of(bill.at), bill.model.as_deref(), is_estimated);
        let sums = [
            ("replies", 1),
            ("prompt_tokens", prompt.tokens),
            ("completion_tokens", completion.tokens),
        ];
        let sums = sums.map(|(name, more)| (name.to_owned(), plus(name, more).into()));
        let reply = stored_id(reply.0);
        let recent = doc! { "$concatArrays": [{ "$ifNull": [format!("${RECENT}"), []] }, [reply]] };
        let recent = doc! { RECENT: { "$slice": [recent, -RECENT_MAX] } };
        // A user's or a model's name may look like an expression.
        let names = row
            .iter()
            .map(|(name, value)| (name.clone(), doc! { "$literal": value }.into()));
        let set = names.chain(sums).chain(recent).collect::<Document>();
        let update = vec![doc! { "$set": set }];
        let filter = doc! { "_id": row, RECENT: { "$ne": reply } };
        let written = self.ledger.write(|ledger| async move {
            // The row is there, and the filter does not find it: the reply is in it, or somebody else made the row in
            // between. The second time it can only be the first.
            for _ in 0..2 {
                let upsert = ledger.update_one(filter.clone(), update.clone()).upsert(true);
                match upsert.await {
                    Err(error) if is_duplicate_key(&error) => {}
                    written => return written.map(drop),
                }
            }
            Ok(())
        });
        written.await
    }

    /// Whether a reply is in a row of its user, of whichever model and kind of figures, of a day about that of the bill.
    pub(super) async fn is_entered(&self, reply: MessageId, bill: &Bill) -> Result<bool, StoreError> {
        let day = day_of(bill.at);
        let (first, last) = (day.plus_millis(-DAY_MILLIS), day.plus_millis(DAY_MILLIS));
        let filter = doc! {
            "user": stored_user_id(&bill.user),
            "day": { "$gte": stored_date(first), "$lte": stored_date(last) },
            RECENT: stored_id(reply.0),
        };
        let found = self.ledger.read(|ledger| async move {
            ledger
                .find_one(filter)
                .projection(doc! { "_id": 1 })
                .hint(Hint::Name(indexes::LEDGER_ROWS.to_owned()))
                .max_time(ANSWER_TIMEOUT)
                .await
        });
        Ok(found.await?.is_some())
    }
}

/// The `_id` of a row, whose fields the row has as well.
pub(super) fn row_id(user: &UserId, day: Timestamp, model: Option<&str>, is_estimated: bool) -> Document {
    doc! {
        "user": stored_user_id(user),
        "day": stored_date(day),
        "model": model,
        "is_estimated": is_estimated,
    }
}

/// A sum and so much more, but never past what an integer holds: the server makes such a sum a double, which is greater.
fn plus(name: &str, more: i64) -> Document {
    let sum = doc! { "$add": [{ "$ifNull": [format!("${name}"), 0_i64] }, more.max(0)] };
    doc! { "$min": [sum, i64::MAX] }
}

fn order(row: &UsageRow) -> (Timestamp, Option<&str>, bool) {
    (row.day, row.model.as_deref(), row.tokens.is_estimated)
}

fn read_row(row: &RawDocument) -> Option<UsageRow> {
    let row = Fields::of(row);
    let sum = |name| row.integer(name).unwrap_or_default();
    Some(UsageRow {
        day: row.date("day")?,
        model: row.text("model").map(str::to_owned),
        reply_count: row.integer("replies")?.unsigned_abs(),
        prompt_tokens: sum("prompt_tokens"),
        tokens: TokenCount {
            tokens: sum("completion_tokens"),
            is_estimated: row.flag("is_estimated")?,
        },
    })
}
