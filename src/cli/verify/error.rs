//! Why there is no verdict.

use crate::cli::client::{ClientError, ServerError};
use crate::config::ConfigError;
use crate::store::StoreError;

/// Why a trial could not be held.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store cannot be one.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The embedded store is one process's.
    #[error("the embedded store is for one server; try several with --store mongodb://HOST/DATABASE")]
    SeveralOnFolder,
    /// There is no scratch database, or it could not be removed.
    #[error("the scratch database")]
    Store(#[from] StoreError),
    /// Servers would go on without the feed, and the trial would say nothing of it.
    #[error("the feed cannot be used: {0}")]
    Feed(String),
    /// A file, a process or a port could not be had.
    #[error("a file, a process or a port is not to be had")]
    Io(#[from] std::io::Error),
    /// The machine has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// Connections cannot be set up.
    #[error(transparent)]
    Client(#[from] ServerError),
    /// A server did not start.
    #[error("a server did not start ({reason}); the last words of its log:\n{last_words}")]
    Start {
        /// What was seen of it.
        reason: String,
        /// What it said.
        last_words: String,
    },
    /// What is stored could not be read.
    #[error("what is stored could not be read")]
    Reading(#[source] ClientError),
    /// Ctrl-C, twice.
    #[error("given up")]
    GivenUp,
}
