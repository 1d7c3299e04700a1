//! The connections that read.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Result as SqlResult};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::connection;
use super::error::store_error;
use crate::store::StoreError;

/// How many reads run at once; further ones wait.
const CONNECTIONS: usize = 4;

/// A fixed number of connections, lent to one read at a time.
pub(super) struct Readers {
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn open(file: &Path) -> SqlResult<Self> {
        let connections = (0..CONNECTIONS)
            .map(|_| connection::for_reading(file))
            .collect::<SqlResult<_>>()?;
        Ok(Self {
            turns: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Arc::new(Mutex::new(connections)),
        })
    }

    /// What `work` reads, all of it from the same moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Unavailable("the readers have stopped".into());
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| gone())?;
        let idle = self.idle.clone();
        let read = spawn_blocking(move || {
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let result = in_snapshot(&connection, work);
            idle.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            drop(turn);
            Some(result)
        });
        let read = read.await.map_err(|error| StoreError::Failed(error.into()))?;
        read.ok_or_else(gone)?.map_err(store_error)
    }
}

fn in_snapshot<T>(connection: &Connection, work: impl FnOnce(&Connection) -> SqlResult<T>) -> SqlResult<T> {
    let snapshot = connection.unchecked_transaction()?;
    let result = work(&snapshot);
    snapshot.finish()?;
    result
}
