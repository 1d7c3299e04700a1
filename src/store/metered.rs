//! Any store, its operations counted and timed: put on once, where the store is opened, whichever it is.

use std::sync::Arc;

use super::wrapped::{Access, wrap_store};
use super::{Store, StoreError};
use crate::telemetry::store::operation;

/// A store whose operations are seen from outside.
pub struct MeteredStore(Arc<dyn Store>);

wrap_store!(MeteredStore);

impl MeteredStore {
    /// The same store, watched.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    fn inner(&self) -> &dyn Store {
        &*self.0
    }

    async fn around<T>(
        &self,
        name: &'static str,
        _: Access,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        operation(name, call, kind_of).await
    }
}

/// What a label calls an error.
fn kind_of(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Corrupt(_) => "corrupt",
        StoreError::Failed(_) => "failed",
    }
}
