//! Bills: what each reply used. They are recorded one by one, and then entered into the rows of the ledger in batches.
//!
//! `usage_bills` has a document for each reply, by its id. So a reply has one bill, whoever ends it and however often they
//! try: the first bill counts. It is due until it is noted that its row has it.
//!
//! Without transactions, a row and its bills cannot be written at once. So each batch that a row takes goes in by
//! compare-and-set on the row's version, and the row lists the bills of that batch. Before the next batch, whoever enters
//! it marks the listed bills as entered, in case the one before did not get so far. Then it reads the bills that are still
//! due: none of these is in the row, as long as the version is what it was. So any number of servers can do this at once,
//! and each may die at any point.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::Hint;

use super::bulk::update_each;
use super::fields::{Fields, stored_id, stored_user_id, stored_value};
use super::lists::batch_size;
use super::operation::{ANSWER_TIMEOUT, is_duplicate_key};
use super::usage::row_id;
use super::{MongoStore, indexes};
use crate::domain::{Bill, MessageId, Timestamp, TokenCount, UsageRow, UserId};
use crate::store::StoreError;
use crate::store::dates::day_of;
use crate::telemetry::causes::causes;

/// About how long a bill stays due. Many that are entered at once cost next to nothing each.
const ENTERED_AFTER: Duration = Duration::from_secs(60);

/// How long a bill is kept once it is entered. A machine may be suspended over a weekend, and then store the end of a
/// reply that others have ended and billed since.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);

/// The most bills that are entered at once.
pub(super) const BATCH_MAX: usize = 200;

/// How often a batch is tried while others enter theirs into the same rows. They do so about once a minute.
const TRIES_MAX: usize = 20;

/// Set until it is noted that the row has the bill. A due bill may be in the row already: then the row names it in its
/// last batch.
pub(super) const DUE: &str = "due";
/// When a bill was entered. The index on it removes old bills.
pub(super) const ENTERED_AT: &str = "entered_at";

/// How many batches a row has taken.
pub(super) const VERSION: &str = "version";
/// The bills of the last batch.
pub(super) const LAST_BATCH: &str = "last_batch";

/// What some bills of one row come to.
pub(super) struct Batch {
    /// The id of the row.
    pub(super) row: Document,
    bills: Vec<Bson>,
    prompt_tokens: i64,
    completion_tokens: i64,
}

/// What came of entering a batch into some rows.
#[derive(Default)]
struct Entered {
    /// How many bills it is noted of.
    bills: u64,
    /// Whether each row took its batch: none was changed by another server in between, or refused it.
    is_all: bool,
    /// Rows that refuse what they were given, by their ids.
    refused: Vec<Bson>,
}

impl MongoStore {
    /// Records the bill of a reply, unless it has one.
    pub(super) async fn record(&self, reply: MessageId, bill: &Bill) -> Result<(), StoreError> {
        let (prompt, completion) = (bill.usage.prompt, bill.usage.completion);
        let is_estimated = prompt.is_estimated || completion.is_estimated;
        let bill = doc! {
            "_id": stored_id(reply.0),
            "user": stored_user_id(&bill.user),
            "row": row_id(&bill.user, day_of(bill.at), bill.model.as_deref(), is_estimated),
            "prompt_tokens": prompt.tokens.max(0),
            "completion_tokens": completion.tokens.max(0),
            DUE: true,
        };
        let recorded = self.bills.write(|bills| async move {
            match bills.insert_one(RawDocumentBuf::try_from(&bill)?).await {
                Err(error) if is_duplicate_key(&error) => Ok(()),
                inserted => inserted.map(drop),
            }
        });
        recorded.await
    }

    /// Enters what is due about once a minute, whichever server recorded it.
    pub(super) async fn keep_entering(self) {
        loop {
            tokio::time::sleep(ENTERED_AFTER).await;
            if let Err(error) = self.enter_bills().await {
                tracing::warn!(
                    error = %causes(&error),
                    "what replies used could not be entered into the ledger yet"
                );
            }
        }
    }

    /// Enters every bill that is due, which happens by itself within about a minute.
    pub async fn enter_bills(&self) -> Result<(), StoreError> {
        self.enter_due(None).await
    }

    /// Enters every bill that is due by now: of a user, or of all. Bills of rows that refuse them stay due.
    pub(super) async fn enter_due(&self, user: Option<&UserId>) -> Result<(), StoreError> {
        let (mut refused, mut tries) = (Vec::new(), 0);
        while tries < TRIES_MAX {
            let due = self.due_bills(user, &refused).await?;
            let rows: Vec<_> = batches(&due).into_iter().map(|batch| batch.row).collect();
            if rows.is_empty() {
                return Ok(());
            }
            let entered = self.enter_into(rows).await?;
            if entered.is_all && due.len() < BATCH_MAX {
                return Ok(());
            }
            tries = match entered.bills > 0 || !entered.refused.is_empty() {
                true => 0,
                false => tries + 1,
            };
            refused.extend(entered.refused);
        }
        Err(changing())
    }

    /// Enters a batch of what is due into each of these rows.
    async fn enter_into(&self, rows: Vec<Document>) -> Result<Entered, StoreError> {
        let ids: Vec<_> = rows.iter().cloned().map(Bson::Document).collect();
        let (mut versions, mut last) = (Vec::new(), Vec::new());
        for row in self.rows_by_id(ids.clone()).await? {
            versions.push((stored_value(&row, "_id"), stored_value(&row, VERSION)));
            last.extend(last_batch(&row));
        }
        let mut entered = Entered {
            bills: self.mark_entered(last).await?,
            ..Entered::default()
        };
        let users: Vec<_> = rows.iter().filter_map(|row| row.get("user").cloned()).collect();
        let due = doc! { DUE: true, "user": { "$in": users }, "row": { "$in": ids } };
        let batches = batches(&self.find_bills(due).await?);
        entered.is_all = true;
        if batches.is_empty() {
            return Ok(entered);
        }
        let statements = batches.iter().map(|batch| {
            let id = Some(Bson::Document(batch.row.clone()));
            let version = versions.iter().find(|(row, _)| *row == id);
            batch.statement(version.and_then(|(_, version)| version.clone()))
        });
        let updated = update_each(&self.ledger, statements.collect()).await?;
        let mut bills = Vec::new();
        for (place, batch) in batches.into_iter().enumerate() {
            match updated.of(place) {
                Ok(()) => bills.extend(batch.bills),
                // It would make the row, which is there, but not in the version that was read.
                Err(_) if updated.is_duplicate(place) => entered.is_all = false,
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                Err(error) => {
                    tracing::error!(error = %causes(&error), row = %batch.row, "a row of the ledger refuses what replies used");
                    entered.is_all = false;
                    entered.refused.push(batch.row.into());
                }
            }
        }
        entered.bills += self.mark_entered(bills).await?;
        Ok(entered)
    }

    /// Up to [`BATCH_MAX`] bills that are due, of a user or of all, but for those of some rows.
    pub(super) async fn due_bills(
        &self,
        user: Option<&UserId>,
        but_of: &[Bson],
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let mut due = doc! { DUE: true };
        if let Some(user) = user {
            due.insert("user", stored_user_id(user));
        }
        if !but_of.is_empty() {
            due.insert("row", doc! { "$nin": but_of });
        }
        self.find_bills(due).await
    }

    async fn find_bills(&self, which: Document) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let limit = i64::try_from(BATCH_MAX).unwrap_or(i64::MAX);
        let found = self.bills.read(|bills| async move {
            let find = bills
                .find(which)
                .limit(limit)
                .hint(Hint::Name(indexes::BILLS_DUE.to_owned()))
                .batch_size(batch_size(BATCH_MAX));
            find.max_time(ANSWER_TIMEOUT).await?.try_collect().await
        });
        found.await
    }

    async fn rows_by_id(&self, ids: Vec<Bson>) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let all = batch_size(ids.len());
        let found = self.ledger.read(|ledger| async move {
            let find = ledger
                .find(doc! { "_id": { "$in": ids } })
                .projection(doc! { VERSION: 1, LAST_BATCH: 1 })
                .batch_size(all);
            find.max_time(ANSWER_TIMEOUT).await?.try_collect().await
        });
        found.await
    }

    /// Notes of bills that their rows have them; of how many that was not noted.
    async fn mark_entered(&self, bills: Vec<Bson>) -> Result<u64, StoreError> {
        if bills.is_empty() {
            return Ok(0);
        }
        let those = doc! { "_id": { "$in": bills }, DUE: true };
        let entered = vec![doc! { "$set": { ENTERED_AT: "$$NOW" } }, doc! { "$unset": DUE }];
        let marked = self
            .bills
            .write(|bills| async move { bills.update_many(those, entered).await });
        Ok(marked.await?.modified_count)
    }
}

impl Batch {
    /// As a row of its own.
    pub(super) fn read(&self) -> Option<UsageRow> {
        let model = self.row.get("model").and_then(Bson::as_str);
        let day = self.row.get_datetime("day").ok()?;
        Some(UsageRow {
            day: Timestamp::from_millis(day.timestamp_millis()),
            model: model.map(str::to_owned),
            reply_count: self.bills.len() as u64,
            prompt_tokens: self.prompt_tokens,
            tokens: TokenCount {
                tokens: self.completion_tokens,
                is_estimated: self.row.get_bool("is_estimated").ok()?,
            },
        })
    }

    /// The update of its row, which takes it while it has this version.
    fn statement(&self, version: Option<Bson>) -> Document {
        let sums = [
            ("replies", i64::try_from(self.bills.len()).unwrap_or(i64::MAX)),
            ("prompt_tokens", self.prompt_tokens),
            ("completion_tokens", self.completion_tokens),
        ];
        let sums = sums.map(|(name, more)| (name.to_owned(), plus(name, more).into()));
        // A user's or a model's name may look like an expression.
        let names = self
            .row
            .iter()
            .map(|(name, value)| (name.clone(), doc! { "$literal": value }.into()));
        let mut set = names.chain(sums).collect::<Document>();
        set.insert(VERSION, plus(VERSION, 1));
        set.insert(LAST_BATCH, &self.bills);
        let filter = doc! { "_id": &self.row, VERSION: version };
        doc! { "q": filter, "u": vec![doc! { "$set": set }], "upsert": true }
    }
}

/// The bills that a row took last, by the ids of their replies.
pub(super) fn last_batch(row: &RawDocument) -> Vec<Bson> {
    match stored_value(row, LAST_BATCH) {
        Some(Bson::Array(bills)) => bills,
        _ => Vec::new(),
    }
}

/// Why rows cannot be read or written now.
pub(super) fn changing() -> StoreError {
    StoreError::Unavailable("others change the same rows of the ledger at once".into())
}

/// These bills by their rows.
pub(super) fn batches(bills: &[RawDocumentBuf]) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for bill in bills {
        let (Some(Bson::Document(row)), Some(id)) = (stored_value(bill, "row"), stored_value(bill, "_id"))
        else {
            continue;
        };
        let place = batches.iter().position(|batch| batch.row == row);
        let place = place.unwrap_or_else(|| {
            batches.push(Batch {
                row,
                bills: Vec::new(),
                prompt_tokens: 0,
                completion_tokens: 0,
            });
            batches.len() - 1
        });
        let Some(batch) = batches.get_mut(place) else {
            continue;
        };
        let fields = Fields::of(bill);
        let add = |sum: i64, name| sum.saturating_add(fields.integer(name).unwrap_or_default());
        batch.prompt_tokens = add(batch.prompt_tokens, "prompt_tokens");
        batch.completion_tokens = add(batch.completion_tokens, "completion_tokens");
        batch.bills.push(id);
    }
    batches
}

/// A sum and so much more, but never past what an integer holds: the server makes such a sum a double, which is greater.
fn plus(name: &str, more: i64) -> Document {
    let sum = doc! { "$add": [{ "$ifNull": [format!("${name}"), 0_i64] }, more] };
    doc! { "$min": [sum, i64::MAX] }
}
