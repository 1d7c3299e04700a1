//! Several updates in one command.

use mongodb::bson::{Bson, Document, deserialize_from_document, doc};
use mongodb::error::{ErrorKind, WriteConcernError, WriteError, WriteFailure};
use serde::Deserialize;

use super::SERVER_TIMEOUT;
use super::calls::Documents;
use super::operation::{DUPLICATE_KEY, store_error};
use crate::domain::whole_millis;
use crate::store::StoreError;

/// The server's answer to an `update` command with several statements.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Updated {
    /// How many statements found their document, whether or not they changed it, or made one.
    #[serde(default, rename = "n")]
    pub(super) found: usize,
    #[serde(default, rename = "nModified")]
    modified: u64,
    #[serde(default)]
    upserted: Vec<Bson>,
    #[serde(default)]
    write_errors: Vec<Refused>,
    write_concern_error: Option<WriteConcernError>,
}

/// A statement that was not executed.
#[derive(Deserialize)]
struct Refused {
    index: usize,
    #[serde(flatten)]
    error: WriteError,
}

impl Updated {
    /// How many documents are other than before.
    pub(super) fn changed(&self) -> u64 {
        self.modified + self.upserted.len() as u64
    }

    /// How many statements found their document or failed. The others found none.
    pub(super) fn accounted_for(&self) -> usize {
        self.found.saturating_add(self.write_errors.len())
    }

    fn refused(&self, place: usize) -> Option<&WriteError> {
        let refused = self.write_errors.iter().find(|refused| refused.index == place);
        refused.map(|refused| &refused.error)
    }

    /// Whether the statement in this place would have made a document whose key is there already.
    pub(super) fn is_duplicate(&self, place: usize) -> bool {
        self.refused(place)
            .is_some_and(|error| error.code == DUPLICATE_KEY)
    }

    /// Whether the statement in this place was executed, and as durably as it was to be.
    pub(super) fn of(&self, place: usize) -> Result<(), StoreError> {
        let refused = self
            .refused(place)
            .map(|error| WriteFailure::WriteError(error.clone()));
        let unacknowledged = || Some(WriteFailure::WriteConcernError(self.write_concern_error.clone()?));
        match refused.or_else(unacknowledged) {
            Some(failure) => Err(store_error(ErrorKind::Write(failure).into())),
            None => Ok(()),
        }
    }
}

/// Executes these statements of an `update` command. One that fails holds up no other; [`Updated::of`] says which did.
pub(super) async fn update_each(
    documents: &Documents,
    statements: Vec<Document>,
) -> Result<Updated, StoreError> {
    let updated = documents.write(|collection| async move {
        let command = doc! {
            "update": collection.name(),
            "updates": statements,
            "ordered": false,
            // A command that is made by hand does not take it from the client.
            "writeConcern": { "w": "majority", "j": true, "wtimeout": whole_millis(SERVER_TIMEOUT) },
        };
        let database = collection.client().database(&collection.namespace().db);
        Ok(deserialize_from_document(database.run_command(command).await?)?)
    });
    updated.await
}

/// Executes all these statements of an `update` command; one that fails holds up no other, and fails this.
pub(super) async fn update_all(
    documents: &Documents,
    statements: Vec<Document>,
) -> Result<Updated, StoreError> {
    let updated = update_each(documents, statements).await?;
    let refused = updated.write_errors.last();
    updated.of(refused.map_or(0, |refused| refused.index))?;
    Ok(updated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_each_statement_is_told_to_its_owner() {
        let updated = |document| deserialize_from_document::<Updated>(document).unwrap();
        let unacknowledged = updated(doc! { "ok": 1, "n": 1, "writeConcernError": { "code": 64 } });
        let updated = updated(doc! { "ok": 1, "n": 1, "writeErrors": [
            { "index": 1, "code": 91, "errmsg": "quoted" }, { "index": 2, "code": 17_419, "errmsg": "quoted" },
        ] });
        assert!(updated.of(0).is_ok());
        assert!(matches!(updated.of(1), Err(StoreError::Unavailable(_))));
        assert!(matches!(updated.of(2), Err(StoreError::Failed(_))));
        assert_eq!(updated.accounted_for(), 3);
        assert!(matches!(unacknowledged.of(0), Err(StoreError::Unavailable(_))));
    }
}
