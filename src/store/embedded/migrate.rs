//! Brings the tables of a file up to the version that this program reads.

use rusqlite::{Connection, TransactionBehavior};

use super::error::store_error;
use crate::store::StoreError;

/// The step to each version from the one before; `PRAGMA user_version` counts the steps a file has taken. A step
/// that was released never changes.
const STEPS: [&str; 2] = [include_str!("migrations/1.sql"), include_str!("migrations/2.sql")];

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
