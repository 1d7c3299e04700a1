//! What can go wrong in a conversation.

use std::io;

use crate::cli::client::ClientError;

/// Why something did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The server refused, or is not there.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Ctrl-C, before there was an answer.
    #[error("given up; what the server had heard of it by then stays so")]
    GivenUp,
    /// What was typed makes no sense as it stands.
    #[error("{0}")]
    Misuse(String),
    /// This end of it broke: nobody reads what is printed, or what is piped in is no text.
    #[error("{0}")]
    Local(#[from] io::Error),
}

impl ChatError {
    /// Whether the same may succeed a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_passing())
    }

    /// Whether the server does not let the caller in.
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_unauthenticated())
    }
}
