//! The embedded engine: SQLite in a folder, for one process, with nothing to set up.
//!
//! One thread writes, in groups that share an fsync; a few connections read beside it, each from its own snapshot.

mod chats;
mod connection;
mod counts;
#[cfg(test)]
mod damage_tests;
mod deletions;
mod error;
mod exchanges;
mod inspect;
mod keyset;
mod messages;
mod migrate;
#[cfg(test)]
mod plan_tests;
mod readers;
mod replies;
mod revocations;
mod row;
mod search;
mod usage;
mod writer;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use self::error::store_error;
use self::readers::Readers;
use self::writer::Writer;
use super::{Store, StoreError};

/// The file with the data.
const DATA_FILE: &str = "colloquy.db";
/// The file that a process locks while it has the store open.
const LOCK_FILE: &str = "colloquy.lock";

/// How long a caller waits for a read or a write, as with MongoDB: while the disk stands still, calls are answered before
/// their clients give up.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// The store in a folder of its own. Dropping it waits for the writes under way and frees the folder.
pub struct EmbeddedStore {
    writer: Writer,
    readers: Readers,
}

impl EmbeddedStore {
    /// Opens the store in `folder`, which is made if it is missing, and brings its tables up to date.
    ///
    /// Fails if another process has it open, if it was written by a later version of Colloquy, or if the folder
    /// cannot be written.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let folder = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || Self::open_now(&folder)).await;
        opened.map_err(|error| StoreError::Failed(error.into()))?
    }

    fn open_now(folder: &Path) -> Result<Self, StoreError> {
        let lock = lock(folder)?;
        let file = folder.join(DATA_FILE);
        let mut connection = connection::for_writing(&file).map_err(store_error)?;
        migrate::migrate(&mut connection)?;
        let readers = Readers::open(&file).map_err(store_error)?;
        let writer = Writer::start(connection, lock).map_err(|error| StoreError::Failed(error.into()))?;
        Ok(Self { writer, readers })
    }
}

/// Makes the folder and takes it for this process, for as long as the file that is returned stays open. The
/// operating system frees it when the process ends, however it ends.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let describe = |what: &str, path: PathBuf| format!("{what} {}", path.display());
    let refuse =
        |what: String| move |error: std::io::Error| StoreError::Failed(format!("{what}: {error}").into());
    fs::create_dir_all(folder).map_err(refuse(describe("cannot make the folder", folder.to_owned())))?;
    let path = folder.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(refuse(describe("cannot write", path.clone())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Failed(
            describe("another process uses the folder", folder.to_owned()).into(),
        )),
        Err(TryLockError::Error(error)) => Err(refuse(describe("cannot lock", path))(error)),
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.readers
            .read(|connection| connection.query_row("SELECT 1", (), |_| Ok(())))
            .await?;
        // Really written: a disk that is full can be read all the same.
        let write = self.writer.write(|connection| {
            connection
                .prepare_cached("UPDATE pulse SET count = (count + 1) % 1000000")?
                .execute(())
        });
        write.await.map(drop)
    }
}
