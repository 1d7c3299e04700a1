//! The one thread that writes. What has queued while it was at the disk it commits together: an fsync is paid once
//! per group, not once per write.

use std::fs::File;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Result as SqlResult};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::ANSWER_WAIT_MAX;
use super::error::{late, store_error};
use crate::store::StoreError;

/// Writes that may wait; past this, callers wait to be let in.
const QUEUE_LENGTH: usize = 256;

/// Writes that one commit holds at most.
const GROUP_SIZE_MAX: usize = 64;

/// Hands writes to the thread.
pub(super) struct Writer {
    /// `None` only while the writer is dropped.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which keeps `lock` open until it has closed the connection.
    pub(super) fn start(connection: Connection, lock: File) -> std::io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel(QUEUE_LENGTH);
        let thread = thread::Builder::new()
            .name("colloquy-writer".to_owned())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    commit_group(&connection, job, &mut queue);
                }
                drop(connection);
                drop(lock);
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Does `work` all or not at all, and answers once it is on the disk. The caller waits for [`ANSWER_WAIT_MAX`]; work
    /// that is in the queue by then is done after that.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let written = timeout(ANSWER_WAIT_MAX, self.write_patiently(work)).await;
        written.unwrap_or_else(|_| Err(late()))
    }

    /// [`Writer::write`], whose caller waits however long it takes.
    pub(super) async fn write_patiently<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Unavailable("the writer has stopped".into());
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Work {
            work: Some(work),
            result: None,
            caller,
        });
        self.jobs
            .as_ref()
            .ok_or_else(stopped)?
            .send(job)
            .await
            .map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has printed why.
            let _ = thread.join();
        }
    }
}

/// Commits one job with those that wait behind it, and then tells their callers.
fn commit_group(connection: &Connection, first: Box<dyn Job>, queue: &mut mpsc::Receiver<Box<dyn Job>>) {
    let mut group = vec![first];
    while group.len() < GROUP_SIZE_MAX
        && let Ok(job) = queue.try_recv()
    {
        group.push(job);
    }
    let committed = commit(connection, &mut group);
    if committed.is_err() && !connection.is_autocommit() {
        // If ROLLBACK fails too, the next BEGIN fails, and its callers get that error.
        let _ = connection.execute_batch("ROLLBACK");
    }
    let outcome = committed.map_err(Arc::new);
    for job in group {
        job.settle(outcome.clone());
    }
}

fn commit(connection: &Connection, group: &mut [Box<dyn Job>]) -> SqlResult<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
    for job in group {
        job.run(connection);
        // An error such as that of a full disk rolls everything back at once, and what came next would not be part of a
        // transaction. COMMIT then fails, and says so to the whole group.
        if connection.is_autocommit() {
            break;
        }
    }
    connection.prepare_cached("COMMIT")?.execute(())?;
    Ok(())
}

/// One write in a group.
trait Job: Send {
    /// Does the work, within the group's transaction.
    fn run(&mut self, connection: &Connection);

    /// Tells the caller, once it is known whether the group was committed.
    fn settle(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>);
}

struct Work<T, W> {
    work: Option<W>,
    result: Option<SqlResult<T>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W: FnOnce(&Connection) -> SqlResult<T> + Send> Job for Work<T, W> {
    fn run(&mut self, connection: &Connection) {
        self.result = self.work.take().map(|work| in_savepoint(connection, work));
    }

    fn settle(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) => result.map_err(store_error),
            (Err(_), Some(Err(error))) => Err(store_error(error)),
            (Err(error), _) => Err(StoreError::Unavailable(Box::new(error))),
            (Ok(()), None) => Err(StoreError::Failed("the write was not tried".into())),
        };
        // A caller that has gone does not need the answer.
        let _ = self.caller.send(result);
    }
}

/// Does `work` so that, if it fails, the rest of the group does not see what it did.
fn in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> SqlResult<T>) -> SqlResult<T> {
    connection.prepare_cached("SAVEPOINT job")?.execute(())?;
    let result = work(connection);
    if connection.is_autocommit() {
        // The whole transaction was rolled back, and the savepoint with it.
        return result;
    }
    if result.is_err() {
        connection.prepare_cached("ROLLBACK TO job")?.execute(())?;
    }
    connection.prepare_cached("RELEASE job")?.execute(())?;
    result
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;

    fn writer(folder: &std::path::Path) -> Writer {
        let connection = Connection::open(folder.join("db")).unwrap();
        connection
            .execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER NOT NULL UNIQUE) STRICT")
            .unwrap();
        Writer::start(connection, File::create(folder.join("lock")).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_write_that_fails_takes_nothing_of_its_group_along() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let writes = (0..200).map(|n| {
            writer.write(move |connection| {
                connection.execute("INSERT INTO t VALUES (?1)", [n])?;
                // Every third write fails after it has changed something.
                connection.execute(
                    "INSERT INTO t VALUES (?1)",
                    [if n % 3 == 0 { n } else { n + 1000 }],
                )
            })
        });
        for (n, result) in join_all(writes).await.into_iter().enumerate() {
            assert_eq!(result.is_err(), n % 3 == 0, "{n}: {result:?}");
        }
        let count = writer.write(|connection| {
            connection.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, i64>(0))
        });
        assert_eq!(count.await.unwrap(), 2 * 133);
    }

    #[tokio::test]
    async fn when_the_group_cannot_be_committed_every_caller_is_told_and_the_next_group_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let insert =
            |n: i64| writer.write(move |connection| connection.execute("INSERT INTO t VALUES (?1)", [n]));
        // Ends the group's transaction behind its back, so that its commit has nothing to commit.
        let spoil = writer.write(|connection| connection.execute_batch("ROLLBACK"));
        assert!(matches!(spoil.await, Err(StoreError::Unavailable(_))));
        assert_eq!(insert(1).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_disk_that_is_full_is_said_to_be_unavailable_and_written_again_once_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let pages = async |limit: i64| {
            let set = writer.write(move |connection| {
                connection.query_row(&format!("PRAGMA max_page_count = {limit}"), (), |row| {
                    row.get::<_, i64>(0)
                })
            });
            set.await.unwrap();
        };
        let fill = || {
            writer.write(|connection| {
                connection.execute_batch(
                    "CREATE TABLE IF NOT EXISTS big (b BLOB); INSERT INTO big VALUES (zeroblob(99999))",
                )
            })
        };
        let insert =
            |n: i64| writer.write(move |connection| connection.execute("INSERT INTO t VALUES (?1)", [n]));
        pages(1).await;
        let (before, full, after) = tokio::join!(insert(1), fill(), insert(2));
        assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
        // Whether these were in the same group is up to the threads. None of them may be told what is not so.
        let told: i64 = [before.is_ok(), after.is_ok()].into_iter().map(i64::from).sum();
        let count = writer.write(|connection| {
            connection.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, i64>(0))
        });
        assert_eq!(count.await.unwrap(), told);
        pages(1_000).await;
        fill().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_stands_still_is_said_to_be_unavailable_and_what_waited_for_it_is_written_all_the_same()
     {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let (go_on, until_told) = std::sync::mpsc::channel::<()>();
        let held = writer.write(move |connection| {
            let _ = until_told.recv();
            connection.execute("INSERT INTO t VALUES (0)", ())
        });
        let insert =
            |n: i64| writer.write(move |connection| connection.execute("INSERT INTO t VALUES (?1)", [n]));
        // Nothing else is left to wait for, so the clock runs to the deadlines at once.
        let writes = async { tokio::join!(held, insert(1), insert(2)) };
        let (held, first, second) = tokio::time::timeout(Duration::from_secs(60), writes)
            .await
            .unwrap();
        for write in [held, first, second] {
            assert!(matches!(write, Err(StoreError::Unavailable(_))), "{write:?}");
        }
        tokio::time::resume();
        go_on.send(()).unwrap();
        let count = writer.write(|connection| {
            connection.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, i64>(0))
        });
        assert_eq!(count.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn dropping_waits_for_what_was_queued() {
        let folder = tempfile::tempdir().unwrap();
        let first = writer(folder.path());
        let write = first.write(|connection| connection.execute("INSERT INTO t VALUES (1)", ()));
        // Queued, and its caller gone.
        assert!(futures_util::poll!(Box::pin(write)).is_pending());
        drop(first);
        let second = writer(folder.path());
        let count = second.write(|connection| {
            connection.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, i64>(0))
        });
        assert_eq!(count.await.unwrap(), 1);
    }
}
