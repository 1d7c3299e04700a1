//! SQLite's errors as the store's.

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// What an error of SQLite means to whoever uses the store.
pub(super) fn store_error(error: Error) -> StoreError {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, OutOfMemory,
        ReadOnly, SystemIoFailure,
    };
    if is_unreadable(&error) {
        return StoreError::Corrupt(error.into());
    }
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => StoreError::Corrupt(error.into()),
        Some(
            DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure | CannotOpen | OutOfMemory | ReadOnly,
        ) => StoreError::Unavailable(error.into()),
        _ => StoreError::Failed(error.into()),
    }
}

/// What a caller is told who has waited for [`super::ANSWER_WAIT_MAX`].
pub(super) fn late() -> StoreError {
    StoreError::Unavailable("the disk did not answer in time".into())
}

/// Whether an error is about the values of one row, so that others can be read all the same.
pub(super) fn is_unreadable(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::Utf8Error(..)
    )
}
