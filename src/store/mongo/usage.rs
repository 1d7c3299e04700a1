//! The ledger of what was used: a document for each user, day, model and kind of figures, which only ever grows. What it
//! takes is in `bills.rs`.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::Hint;

use super::fields::{Fields, stored_date, stored_user_id};
use super::lists::batch_size;
use super::operation::ANSWER_TIMEOUT;
use super::{MongoStore, indexes};
use crate::domain::{Timestamp, TokenCount, UsageRow, UserId};
use crate::store::dates::day_of;
use crate::store::{StoreError, UsageStore};

/// Rows that one batch of the answer holds: years of days and a few models. More take another batch.
const ROWS_EXPECTED: usize = 10_000;

/// What is read of a row.
const SHOWN: [&str; 6] = [
    "day",
    "model",
    "is_estimated",
    "replies",
    "prompt_tokens",
    "completion_tokens",
];

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
        self.enter_due(Some(user)).await?;
        let days = doc! { "$gte": stored_date(day_of(from)), "$lt": stored_date(to) };
        let filter = doc! { "user": stored_user_id(user), "day": days };
        let shown = SHOWN.map(|name| (name.to_owned(), 1.into()));
        let shown = shown.into_iter().collect::<Document>();
        let read = self.ledger.read(|ledger| async move {
            let find = ledger
                .find(filter)
                .projection(shown)
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

/// The `_id` of a row, whose fields the row has as well.
pub(super) fn row_id(user: &UserId, day: Timestamp, model: Option<&str>, is_estimated: bool) -> Document {
    doc! {
        "user": stored_user_id(user),
        "day": stored_date(day),
        "model": model,
        "is_estimated": is_estimated,
    }
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
