//! How a driver call is made that nobody is served by, and what any call's failure means.

use std::error::Error as StdError;
use std::time::Duration;

use mongodb::error::{
    Error, ErrorKind, InsertManyError, RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR, Result, WriteFailure,
};
use tokio::task::JoinError;
use tokio::time::error::Elapsed;

use crate::store::StoreError;

/// How long a caller waits for an operation. Two one after the other, as when moments are taken from a chat and an
/// exchange is inserted, are still answered within the time that clients and proxies wait.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the setup may take: an index over an old collection is built within it.
pub(super) const SETUP_TIMEOUT: Duration = Duration::from_secs(1800);

/// How long the removal of a whole database may take.
pub(super) const REMOVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// The server's codes for a state that passes: unreachable members, elections, shutdowns, deadlines, a majority that
/// cannot be reached, locks, writes that are refused for now (8000 and 16500 are what hosted ones say to too much at
/// once, 14031 is a full disk), keys that members do not have yet, somebody who ended the operation, a plan or chunk
/// that was dropped.
const PASSING_CODES: [i32; 35] = [
    6, 7, 24, 46, 50, 63, 64, 89, 91, 100, 112, 133, 134, 150, 175, 189, 202, 211, 234, 246, 262, 365, 371,
    462, 8000, 9001, 10058, 10107, 11600, 11601, 11602, 13435, 13436, 14031, 16500,
];

/// The server's code for a key that an index has already.
pub(super) const DUPLICATE_KEY: i32 = 11000;

/// The server's code for a text that is no UTF-8, in a document that an index of words is made of.
const NO_UTF8: i32 = 28755;

/// Runs a driver operation to its end, in a task of its own: the driver's futures must never be dropped half way,
/// and a caller's may be at any time. The caller waits [`ANSWER_TIMEOUT`]; the operation goes on after that.
pub(super) async fn run<T: Send + 'static>(
    operation: impl Future<Output = Result<T>> + Send + 'static,
) -> std::result::Result<T, StoreError> {
    run_for(ANSWER_TIMEOUT, operation).await
}

/// Like [`run`], but the caller waits for `timeout`.
pub(super) async fn run_for<T: Send + 'static>(
    timeout: Duration,
    operation: impl Future<Output = Result<T>> + Send + 'static,
) -> std::result::Result<T, StoreError> {
    answered(tokio::time::timeout(timeout, tokio::spawn(operation)).await)
}

/// What the caller of an operation is told that was waited for.
pub(super) fn answered<T>(
    answer: std::result::Result<std::result::Result<Result<T>, JoinError>, Elapsed>,
) -> std::result::Result<T, StoreError> {
    match answer {
        Ok(Ok(answer)) => answer.map_err(store_error),
        Ok(Err(stopped)) => Err(StoreError::Failed(stopped.into())),
        Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
    }
}

/// Whether a write failed because a unique index has its key already.
pub(super) fn is_duplicate_key(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        // Of an update that also returns the document.
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// Which of several documents that are inserted in their order was not, because a unique index has its key already.
pub(super) fn duplicate_at(error: &Error) -> Option<usize> {
    let ErrorKind::InsertMany(error) = &*error.kind else {
        return None;
    };
    let mut errors = error.write_errors.iter().flatten();
    errors
        .find(|error| error.code == DUPLICATE_KEY)
        .map(|error| error.index)
}

/// Why documents of several were not inserted.
fn codes(error: &InsertManyError) -> impl Iterator<Item = i32> {
    error.write_errors.iter().flatten().map(|error| error.code)
}

/// Whether an index of words could not be made because a text is no UTF-8.
pub(super) fn is_no_utf8(error: &Error) -> bool {
    matches!(*error.kind, ErrorKind::Command(ref error) if error.code == NO_UTF8)
}

/// What a driver's error means to the caller.
pub(super) fn store_error(error: Error) -> StoreError {
    let source: Box<dyn StdError + Send + Sync> = describe(&error).into();
    match *error.kind {
        ErrorKind::Io(_)
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => StoreError::Unavailable(source),
        ErrorKind::Command(ref error) if PASSING_CODES.contains(&error.code) => {
            StoreError::Unavailable(source)
        }
        ErrorKind::Write(WriteFailure::WriteError(ref error)) if PASSING_CODES.contains(&error.code) => {
            StoreError::Unavailable(source)
        }
        ErrorKind::InsertMany(ref error)
            if error.write_concern_error.is_some()
                || codes(error).any(|code| PASSING_CODES.contains(&code)) =>
        {
            StoreError::Unavailable(source)
        }
        _ if [RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR]
            .iter()
            .any(|label| error.contains_label(label)) =>
        {
            StoreError::Unavailable(source)
        }
        ErrorKind::BsonDeserialization(_) | ErrorKind::Bson(_) | ErrorKind::InvalidResponse { .. } => {
            StoreError::Corrupt(source)
        }
        _ => StoreError::Failed(source),
    }
}

/// An error for the log. The server's own sentences can quote documents and the driver's can quote what it was
/// given, so of those only codes are told.
fn describe(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::ServerSelection { message, .. }
        | ErrorKind::ConnectionPoolCleared { message, .. }
        | ErrorKind::DnsResolve { message, .. }
        | ErrorKind::Authentication { message, .. }
        | ErrorKind::IncompatibleServer { message, .. } => message.clone(),
        ErrorKind::Command(error) => format!("the server answered {} ({})", error.code_name, error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => {
            format!("the server refused the write ({})", error.code)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
            format!(
                "the write is not acknowledged: {} ({})",
                error.code_name, error.code
            )
        }
        ErrorKind::InsertMany(error) => {
            let codes: Vec<_> = codes(error).map(|code| code.to_string()).collect();
            format!("the server refused the writes ({})", codes.join(", "))
        }
        ErrorKind::BsonDeserialization(_) | ErrorKind::Bson(_) | ErrorKind::InvalidResponse { .. } => {
            "the server's answer cannot be read".to_owned()
        }
        _ => "the driver refused the call".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_unavailable_and_a_bad_argument_is_a_failure_that_quotes_nothing() {
        let lost = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(store_error(lost), StoreError::Unavailable(_)));
        let custom = Error::custom("mongodb://user:secret@host".to_owned());
        assert_eq!(
            format!("{:?}", store_error(custom)),
            r#"Failed("the driver refused the call")"#
        );
    }
}
