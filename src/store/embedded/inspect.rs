//! A look at a folder, which changes nothing in it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::error::store_error;
use super::{DATA_FILE, EmbeddedStore, LOCK_FILE, connection, migrate};
use crate::store::StoreError;
use crate::store::inspection::FolderInspection;

impl EmbeddedStore {
    /// Looks at the store in `folder`, and makes nothing that is missing.
    pub async fn inspect(folder: &Path) -> Result<FolderInspection, StoreError> {
        let folder = folder.to_owned();
        let inspected = tokio::task::spawn_blocking(move || inspect_now(folder)).await;
        inspected.map_err(|error| StoreError::Failed(error.into()))
    }
}

fn inspect_now(folder: PathBuf) -> FolderInspection {
    let file = folder.join(DATA_FILE);
    FolderInspection {
        is_there: folder.exists(),
        is_writable: is_writable(&folder)
            && [DATA_FILE, LOCK_FILE]
                .iter()
                .all(|name| is_free(&folder.join(name))),
        is_in_use: is_in_use(&folder.join(LOCK_FILE)),
        version: version(&file),
        version_known: migrate::VERSION,
        folder,
    }
}

/// Whether this process may write in a folder; if there is none, in the folder that it would be made in.
fn is_writable(folder: &Path) -> bool {
    // The last part of the way that is there; a relative way begins where the process is.
    let nearest = folder.ancestors().find(|ancestor| ancestor.exists());
    let nearest = nearest.unwrap_or_else(|| Path::new("."));
    nearest.is_dir() && access(nearest, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Whether a file is not there, or may be written.
fn is_free(file: &Path) -> bool {
    !file.exists() || access(file, Access::WRITE_OK).is_ok()
}

fn is_in_use(lock: &Path) -> bool {
    let Ok(lock) = File::open(lock) else {
        return false;
    };
    // Held for this moment only, and shared, so that two who look do not see each other.
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The version of a file's tables; `None` if there is no file, or one that no start has filled.
fn version(file: &Path) -> Result<Option<i64>, StoreError> {
    let log = file.with_extension("db-wal");
    let is_written = fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let connection = match (file.exists(), is_written) {
        (false, _) => return Ok(None),
        (true, true) => connection::for_reading(file),
        (true, false) => connection::for_looking(file),
    };
    let version = migrate::version(&connection.map_err(store_error)?)?;
    Ok((version > 0).then_some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_look_sees_a_folder_as_it_is_and_makes_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        // What would have a meaning in an address has none here.
        let folder = scratch.path().join("a/b 100%25?#");
        let looked = inspect_now(folder.clone());
        assert!(!looked.is_there && looked.is_writable && !looked.is_in_use);
        assert!(matches!(looked.version, Ok(None)));
        assert!(files(scratch.path()).is_empty());

        let store = EmbeddedStore::open(&folder).await.unwrap();
        let looked = inspect_now(folder.clone());
        assert!(looked.is_there && looked.is_in_use);
        assert_eq!(looked.version.unwrap(), Some(migrate::VERSION));
        drop(store);

        let before = files(&folder);
        let looked = inspect_now(folder.clone());
        assert!(!looked.is_in_use);
        assert_eq!(looked.version.unwrap(), Some(migrate::VERSION));
        assert_eq!(files(&folder), before);

        fs::write(
            folder.join(DATA_FILE),
            "no database at all, but long enough to be taken for one".repeat(9),
        )
        .unwrap();
        assert!(matches!(
            inspect_now(folder.clone()).version,
            Err(StoreError::Corrupt(_))
        ));
        let within_a_file = inspect_now(folder.join(DATA_FILE).join("data"));
        assert!(!within_a_file.is_writable);
    }
}
