//! SQLite's errors as the store's.

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// What an error of SQLite means to whoever uses the store.
pub(super) fn store_error(error: Error) -> StoreError {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, OutOfMemory,
        SystemIoFailure,
    };
    match &error {
        Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::Utf8Error(..) => {
            StoreError::Corrupt(error.into())
        }
        _ => match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Corrupt(error.into()),
            Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure | CannotOpen | OutOfMemory) => {
                StoreError::Unavailable(error.into())
            }
            _ => StoreError::Failed(error.into()),
        },
    }
}
