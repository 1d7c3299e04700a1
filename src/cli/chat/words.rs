//! How a reply ended, in words.

use super::operations::{follow_reply, open_chat};
use crate::cli::client::ReplyState;

/// Why a reply failed.
pub struct Failure {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// The end of a reply.
pub struct Ending {
    /// How it ended.
    pub state: ReplyState,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What the bot is paid for, where somebody stopped it.
    pub tokens: Option<i64>,
}

impl Ending {
    /// Whether what was said is what was to be said: in full, as long as allowed, or as long as somebody wanted it.
    pub fn is_success(&self) -> bool {
        matches!(
            self.state,
            ReplyState::Complete | ReplyState::Length | ReplyState::Stopped
        )
    }

    /// What there is to say about it; of one that is complete, nothing.
    pub fn words(&self) -> Option<String> {
        Some(match self.state {
            ReplyState::Complete => return None,
            ReplyState::Length => "LENGTH: cut at the longest reply allowed".to_owned(),
            ReplyState::Stopped => match self.tokens {
                Some(tokens) => format!("STOPPED: that is all; it cost {tokens} tokens"),
                None => "STOPPED: that is all".to_owned(),
            },
            ReplyState::Truncated => "TRUNCATED: the bot's stream broke off".to_owned(),
            ReplyState::Interrupted => "INTERRUPTED: the server died or was shut down".to_owned(),
            ReplyState::Failed => match &self.failure {
                Some(failure) => format!("FAILED: {}: {}", failure.code, failure.message),
                None => "FAILED".to_owned(),
            },
            ReplyState::Streaming => "STREAMING: it is still being written".to_owned(),
            ReplyState::Unknown => "it ended in a way that this program does not know".to_owned(),
        })
    }
}

impl From<follow_reply::FollowReplyReplyOnReplyFinishedMessageReply> for Ending {
    fn from(reply: follow_reply::FollowReplyReplyOnReplyFinishedMessageReply) -> Self {
        Self {
            state: reply.state,
            failure: reply.error.map(|error| Failure {
                code: error.code,
                message: error.message,
            }),
            tokens: reply
                .receipt
                .and_then(|receipt| receipt.tokens)
                .map(|tokens| tokens.tokens),
        }
    }
}

impl From<open_chat::OpenChatChatMessagesNodesReply> for Ending {
    fn from(reply: open_chat::OpenChatChatMessagesNodesReply) -> Self {
        Self {
            state: reply.state,
            failure: reply.error.map(|error| Failure {
                code: error.code,
                message: error.message,
            }),
            tokens: None,
        }
    }
}
