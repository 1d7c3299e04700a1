//! The ledger of what was used: a document for each user, day, model and kind of figures, which only ever grows. What it
//! takes is in `bills.rs`.

use std::ops::Range;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::Hint;

use super::bills::{BATCH_MAX, Batch, LAST_BATCH, VERSION, batches, changing, last_batch};
use super::fields::{Fields, stored_date, stored_user_id, stored_value};
use super::lists::batch_size;
use super::operation::ANSWER_TIMEOUT;
use super::{MongoStore, indexes};
use crate::domain::{Timestamp, TokenCount, UsageRow, UserId};
use crate::store::dates::day_of;
use crate::store::{StoreError, UsageStore};

/// Rows that one batch of the answer holds: years of days and a few models. More take another batch.
const ROWS_EXPECTED: usize = 10_000;

/// How often it is tried to read rows that nobody changes meanwhile. Servers change them about once a minute.
const LOOKS_MAX: usize = 10;

/// What is read of a row.
const SHOWN: [&str; 7] = [
    "day",
    "model",
    "is_estimated",
    "replies",
    "prompt_tokens",
    "completion_tokens",
    VERSION,
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
        let days = day_of(from)..to;
        let mut before = None;
        for _ in 0..LOOKS_MAX {
            let due = self.due_bills(Some(user), &[]).await?;
            if due.len() >= BATCH_MAX {
                self.enter_due(Some(user)).await?;
                continue;
            }
            let rows = self.rows(user, &days, &due).await?;
            let versions = versions(&rows);
            // What was not due is in the rows. Of what was due, rows in the version from before it was read either have
            // a bill and name it in their last batch, or do not have it.
            if due.is_empty() || before.as_ref() == Some(&versions) {
                return Ok(with_due(&rows, due, &days));
            }
            before = Some(versions);
        }
        Err(changing())
    }
}

impl MongoStore {
    /// The rows of a user on these days; of those that bills are due of, with their last batch.
    async fn rows(
        &self,
        user: &UserId,
        days: &Range<Timestamp>,
        due: &[RawDocumentBuf],
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let days = doc! { "$gte": stored_date(days.start), "$lt": stored_date(days.end) };
        let filter = doc! { "user": stored_user_id(user), "day": days };
        let with_batch: Vec<_> = batches(due).into_iter().map(|batch| batch.row).collect();
        let is_with_batch = doc! { "$in": ["$_id", { "$literal": with_batch }] };
        let last_batch = doc! { "$cond": [is_with_batch, format!("${LAST_BATCH}"), Vec::<Bson>::new()] };
        let shown = SHOWN.map(|name| (name.to_owned(), 1.into()));
        let mut shown = shown.into_iter().collect::<Document>();
        shown.insert(LAST_BATCH, last_batch);
        let read = self.ledger.read(|ledger| async move {
            let find = ledger
                .find(filter)
                .projection(shown)
                .hint(Hint::Name(indexes::LEDGER_ROWS.to_owned()))
                .batch_size(batch_size(ROWS_EXPECTED));
            find.max_time(ANSWER_TIMEOUT).await?.try_collect().await
        });
        read.await
    }
}

/// Which rows there are, and how many batches each has taken.
fn versions(rows: &[RawDocumentBuf]) -> Vec<(Option<Bson>, Option<Bson>)> {
    let versions = rows.iter();
    versions
        .map(|row| (stored_value(row, "_id"), stored_value(row, VERSION)))
        .collect()
}

/// What these rows say, together with those of the bills that they do not have yet.
fn with_due(rows: &[RawDocumentBuf], mut due: Vec<RawDocumentBuf>, days: &Range<Timestamp>) -> Vec<UsageRow> {
    let entered: Vec<_> = rows.iter().flat_map(|row| last_batch(row)).collect();
    due.retain(|bill| stored_value(bill, "_id").is_some_and(|id| !entered.contains(&id)));
    let mut used: Vec<_> = rows.iter().filter_map(|row| read_row(row)).collect();
    for more in batches(&due).iter().filter_map(Batch::read) {
        if !days.contains(&more.day) {
            continue;
        }
        match used.iter_mut().find(|row| order(row) == order(&more)) {
            Some(row) => {
                row.reply_count = row.reply_count.saturating_add(more.reply_count);
                row.prompt_tokens = row.prompt_tokens.saturating_add(more.prompt_tokens);
                row.tokens.tokens = row.tokens.tokens.saturating_add(more.tokens.tokens);
            }
            None => used.push(more),
        }
    }
    // Here rather than there: they are few, and the server's order of texts is not ours to know.
    used.sort_by(|one, other| order(one).cmp(&order(other)));
    used
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
