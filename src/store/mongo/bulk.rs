//! Several updates in one command.

use mongodb::bson::{Bson, Document, deserialize_from_document, doc};
use mongodb::error::{ErrorKind, WriteConcernError, WriteError, WriteFailure};
use serde::Deserialize;

use super::SERVER_TIMEOUT;
use super::calls::Documents;
use super::operation::store_error;
use crate::domain::whole_millis;
use crate::store::StoreError;

/// What came of some updates.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Updated {
    /// How many found their document, or made it.
    #[serde(default, rename = "n")]
    pub(super) found: usize,
    #[serde(default, rename = "nModified")]
    modified: u64,
    #[serde(default)]
    upserted: Vec<Bson>,
    #[serde(default)]
    write_errors: Vec<WriteError>,
    write_concern_error: Option<WriteConcernError>,
}

impl Updated {
    /// How many documents are other than before.
    pub(super) fn changed(&self) -> u64 {
        self.modified + self.upserted.len() as u64
    }
}

/// Executes all these statements of an `update` command; one that fails holds up no other, and fails this.
pub(super) async fn update_all(
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
        let updated: Updated = deserialize_from_document(database.run_command(command).await?)?;
        Ok(updated)
    });
    let mut updated = updated.await?;
    let refused = updated.write_errors.pop().map(WriteFailure::WriteError);
    let unacknowledged = || {
        Some(WriteFailure::WriteConcernError(
            updated.write_concern_error.take()?,
        ))
    };
    match refused.or_else(unacknowledged) {
        Some(failure) => Err(store_error(ErrorKind::Write(failure).into())),
        None => Ok(updated),
    }
}
