//! Brings the tables of a file up to the version that this program reads.

use rusqlite::{Connection, TransactionBehavior};

use super::error::store_error;
use crate::store::StoreError;

/// The step to each version from the one before; `PRAGMA user_version` counts the steps a file has taken. A step
/// that was released never changes.
const STEPS: [&str; 3] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
];

/// The version that [`migrate`] brings a file up to.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// The version of a file's tables.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    let read = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    read.map_err(store_error)
}

/// Takes the steps that are missing, all or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store_error)?;
    let version = version(&transaction)?;
    let taken = usize::try_from(version).ok();
    let missing = taken.and_then(|taken| STEPS.get(taken..)).ok_or_else(|| {
        StoreError::Failed(
            format!(
                "the data is of version {version}, which this program does not know: it knows those up to {}",
                STEPS.len()
            )
            .into(),
        )
    })?;
    for step in missing {
        transaction.execute_batch(step).map_err(store_error)?;
    }
    transaction
        .pragma_update(None, "user_version", VERSION)
        .map_err(store_error)?;
    transaction.commit().map_err(store_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replies_used_before_there_was_a_ledger_is_in_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        STEPS[..2]
            .iter()
            .for_each(|step| connection.execute_batch(step).unwrap());
        connection.pragma_update(None, "user_version", 2).unwrap();
        let reply = "INSERT INTO messages (id, chat_id, is_bot, kind, is_edited, created_at, updated_at, reply_state,
                finished_at, model, prompt_tokens, prompt_is_estimated, completion_tokens, completion_is_estimated, text)
            VALUES (?, x'01', 1, 'text', 0, 5, 5, ?, ?, 'm', 10, 0, 7, ?, '')";
        connection
            .execute(
                "INSERT INTO chats VALUES (x'01', 'u', NULL, '', 'active', 0, 0)",
                (),
            )
            .unwrap();
        for (id, state, finished, is_estimated) in [
            (1, "COMPLETE", 9, 0),
            (2, "STOPPED", 8, 0),
            (3, "FAILED", -9, 1),
            (4, "STREAMING", 9, 0),
        ] {
            connection
                .execute(
                    reply,
                    rusqlite::params![[id as u8; 12], state, finished, is_estimated],
                )
                .unwrap();
        }
        migrate(&mut connection).unwrap();
        let mut ledger = connection
            .prepare("SELECT * FROM usage_ledger ORDER BY day")
            .unwrap();
        let rows = ledger.query_map((), |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
            ))
        });
        let rows: Vec<(String, i64, String, bool, i64, i64, i64)> =
            rows.unwrap().collect::<Result<_, _>>().unwrap();
        let row = |day, is_estimated, replies| {
            (
                "u".to_owned(),
                day,
                "m".to_owned(),
                is_estimated,
                replies,
                10 * replies,
                7 * replies,
            )
        };
        assert_eq!(rows, [row(-86_400_000, true, 1), row(0, false, 2)]);
    }

    #[test]
    fn a_file_is_brought_up_to_date_once_and_a_later_one_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::Failed(_))));
    }
}
