//! The ledger of what was used: a document for each user, day, model and kind of figures, which only ever grows.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::Hint;

use super::fields::{Fields, stored_date, stored_user_id};
use super::lists::batch_size;
use super::operation::{ANSWER_TIMEOUT, is_duplicate_key};
use super::{MongoStore, indexes};
use crate::domain::{Bill, Timestamp, TokenCount, UsageRow, UserId};
use crate::store::{StoreError, UsageStore};

/// Rows that one batch of the answer holds: years of days and a few models. More take another batch.
const ROWS_EXPECTED: usize = 10_000;

const DAY_MILLIS: i64 = 86_400_000;

/// How often a row is written if somebody else makes it each time.
const ATTEMPTS_MAX: usize = 3;

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
    /// Writes a bill into the ledger.
    pub(super) async fn enter(&self, bill: &Bill) -> Result<(), StoreError> {
        let (prompt, completion) = (bill.usage.prompt, bill.usage.completion);
        let is_estimated = prompt.is_estimated || completion.is_estimated;
        let row = row_id(&bill.user, day_of(bill.at), bill.model.as_deref(), is_estimated);
        let sums = [
            ("replies", 1),
            ("prompt_tokens", prompt.tokens),
            ("completion_tokens", completion.tokens),
        ];
        let sums = sums.map(|(name, more)| (name.to_owned(), plus(name, more).into()));
        // A user's or a model's name may look like an expression.
        let names = row
            .iter()
            .map(|(name, value)| (name.clone(), doc! { "$literal": value }.into()));
        let update = vec![doc! { "$set": names.chain(sums).collect::<Document>() }];
        let filter = doc! { "_id": row };
        let written = self.ledger.write(|ledger| async move {
            let mut attempts = 1;
            loop {
                let upsert = ledger.update_one(filter.clone(), update.clone()).upsert(true);
                match upsert.await {
                    // Somebody else made the row in between.
                    Err(error) if is_duplicate_key(&error) && attempts < ATTEMPTS_MAX => attempts += 1,
                    written => return written.map(drop),
                }
            }
        });
        written.await
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

/// The first moment of a UTC day.
fn day_of(time: Timestamp) -> Timestamp {
    time.plus_millis(-time.millis().rem_euclid(DAY_MILLIS))
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
