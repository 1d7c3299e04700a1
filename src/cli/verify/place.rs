//! Where the trial's servers keep their data: a database or a folder that nobody else has.

use std::path::{Path, PathBuf};

use super::error::VerifyError;
use crate::app;
use crate::config::StoreConfig;
use crate::domain::{ChatId, MessageId};
use crate::store::ScratchDatabase;

/// How many ids are looked up at once.
const IDS_MAX: usize = 100;

/// What should be gone.
#[derive(Clone, Debug, Default)]
pub struct Gone {
    /// Chats that were deleted.
    pub chats: Vec<ChatId>,
    /// What was in them, and messages that were deleted alone.
    pub messages: Vec<MessageId>,
}

/// A place for one trial.
pub enum Place {
    /// A folder of the embedded store.
    Folder(PathBuf),
    /// A database of MongoDB.
    Database(ScratchDatabase),
}

impl Place {
    /// One beside the store that is to be tried, told apart by `id`; in the folder `workshop` if none is.
    pub async fn choose(store: Option<&StoreConfig>, workshop: &Path, id: &str) -> Result<Self, VerifyError> {
        Ok(match store {
            None => Self::Folder(workshop.join("data")),
            Some(StoreConfig::Embedded(folder)) => {
                let mut beside = folder.components().as_path().as_os_str().to_owned();
                beside.push(format!("_verify_{id}"));
                Self::Folder(beside.into())
            }
            Some(StoreConfig::Mongo(uri)) => Self::Database(app::scratch_database(uri, id).await?),
        })
    }

    /// What `--store` is told; may hold a password.
    pub fn address(&self) -> String {
        match self {
            Self::Folder(folder) => folder.to_string_lossy().into_owned(),
            Self::Database(database) => database.address().to_owned(),
        }
    }

    /// Whether several servers can share it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Database(_))
    }

    /// What to call it.
    pub fn name(&self) -> String {
        match self {
            Self::Folder(folder) => format!("folder {}", folder.display()),
            Self::Database(database) => format!("database {}", database.name()),
        }
    }

    /// What is left in it of chats that were deleted, and of their messages. No server may use it meanwhile.
    pub async fn left(&self, gone: &Gone) -> Result<Vec<String>, VerifyError> {
        let config = match self {
            Self::Folder(folder) => StoreConfig::Embedded(folder.clone()),
            Self::Database(database) => StoreConfig::Mongo(database.address().to_owned()),
        };
        let store = app::open_store(&config).await?;
        let mut left = Vec::new();
        for ids in gone.messages.chunks(IDS_MAX) {
            let messages = store.messages(ids).await?;
            left.extend(messages.into_iter().map(|message| message.id.to_string()));
        }
        for ids in gone.chats.chunks(IDS_MAX) {
            let chats = store.chats(ids).await?;
            left.extend(chats.into_iter().map(|chat| chat.id.to_string()));
        }
        // The embedded store shows nothing of a deleted chat, and says whether something is left of any.
        if !self.is_shared() && store.sweep_deleted(1).await?.is_some() {
            left.push("messages of deleted chats".to_owned());
        }
        Ok(left)
    }

    /// Deletes it.
    pub async fn remove(&self) -> Result<(), VerifyError> {
        match self {
            Self::Folder(folder) => match tokio::fs::remove_dir_all(folder).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            },
            Self::Database(database) => Ok(database.remove().await?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_never_the_one_that_was_named() {
        for named in ["./data", "data/", "/srv/colloquy"] {
            let store = StoreConfig::Embedded(named.into());
            let place = Place::choose(Some(&store), Path::new("/tmp/w"), "0123456789ab").await;
            let address = place.unwrap().address();
            let named = named.trim_end_matches('/');
            assert_eq!(address, format!("{named}_verify_0123456789ab"));
        }
        let place = Place::choose(None, Path::new("/tmp/w"), "0123456789ab").await;
        assert_eq!(place.unwrap().address(), "/tmp/w/data");
    }
}
