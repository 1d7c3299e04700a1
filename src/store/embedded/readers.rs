//! The connections that read.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Result as SqlResult};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::error::{late, store_error};
use super::{ANSWER_WAIT_MAX, connection};
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

    /// What `work` reads, all of it from the same moment. The caller waits for [`ANSWER_WAIT_MAX`]; what was begun by then
    /// goes on, and keeps its connection.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        timeout(ANSWER_WAIT_MAX, self.read_patiently(work))
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn read_patiently<T: Send + 'static>(
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Barrier;
    use std::task::Poll;
    use std::time::Duration;

    use futures_util::future::join_all;
    use futures_util::poll;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn reads_that_do_not_end_are_unavailable_to_their_callers_and_so_are_those_that_wait_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db");
        drop(connection::for_writing(&file).unwrap());
        let readers = Readers::open(&file).unwrap();
        let barrier = Arc::new(Barrier::new(CONNECTIONS + 1));
        let reads = (0..=CONNECTIONS).map(|_| {
            let barrier = barrier.clone();
            readers.read(move |_| {
                barrier.wait();
                Ok(())
            })
        });
        let mut reads = pin!(join_all(reads));
        assert!(poll!(&mut reads).is_pending());
        tokio::time::advance(Duration::from_secs(6)).await;
        let Poll::Ready(read) = poll!(&mut reads) else {
            panic!("the callers still wait")
        };
        for read in read {
            assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
        }
        barrier.wait();
        tokio::time::resume();
        let read =
            readers.read(|connection| connection.query_row("SELECT 7", (), |row| row.get::<_, i64>(0)));
        assert_eq!(read.await.unwrap(), 7);
    }
}
