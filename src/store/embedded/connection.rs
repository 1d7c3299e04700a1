//! Connections to the database file.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Result};

/// How long a connection waits for another's lock. Within one process locks are held for a commit at most.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that a connection keeps compiled: more than the store has, with every filter and bound.
const STATEMENTS_CACHED: usize = 128;

/// How much of the file is read through memory maps, in bytes.
const MMAP_BYTES: i64 = 256 << 20;

/// A connection that writes, and makes the file if it is missing. A commit is on the disk when it returns.
pub(super) fn for_writing(file: &Path) -> Result<Connection> {
    let connection = open(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    )?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn for_reading(file: &Path) -> Result<Connection> {
    open(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// A connection that only reads, and does not make the files either that go with reading beside a writer; for a file
/// that nobody writes.
pub(super) fn for_looking(file: &Path) -> Result<Connection> {
    // Of a path only these have a meaning of their own in an address.
    let path = file.to_string_lossy();
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let address = format!("file:{path}?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(address, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn open(file: &Path, flags: OpenFlags) -> Result<Connection> {
    // Each connection is used by one thread at a time, so SQLite's own mutexes would only cost.
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "mmap_size", MMAP_BYTES)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(connection)
}
