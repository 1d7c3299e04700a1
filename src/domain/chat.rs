//! A chat: a titled conversation that belongs to one user.

use super::{ChatId, DocumentId, Timestamp, UserId};

/// What a chat is for its owner: `active` and `inactive` are documented, and any other text that a client of the
/// documented system stored is kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChatStatus(pub String);

impl ChatStatus {
    /// The status of a new chat.
    pub const ACTIVE: &'static str = "active";
    /// The status with which some documented clients make a chat that shall be named after its first message.
    pub const PENDING: &'static str = "pending";

    /// The status of a new chat.
    pub fn active() -> Self {
        Self(Self::ACTIVE.to_owned())
    }
}

/// A conversation between one user and a bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// Names the chat.
    pub id: ChatId,
    /// Whose chat it is; nobody else sees it.
    pub user_id: UserId,
    /// The document it is about, if any.
    pub document_id: Option<DocumentId>,
    /// What lists show.
    pub title: String,
    /// What it is for its owner.
    pub status: ChatStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed or written in; lists begin with the greatest.
    pub updated_at: Timestamp,
}

impl Chat {
    /// The bytes of all its text.
    pub fn text_bytes(&self) -> usize {
        self.title.len() + self.status.0.len()
    }
}

/// What to change of a chat; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatChange {
    /// The new title.
    pub title: Option<String>,
    /// The new status.
    pub status: Option<ChatStatus>,
}

impl ChatChange {
    /// Whether a chat is as it is after this change.
    pub fn is_in(&self, chat: &Chat) -> bool {
        let status = self.status.as_ref();
        self.title.as_ref().is_none_or(|title| *title == chat.title)
            && status.is_none_or(|status| *status == chat.status)
    }
}

/// Which chats of a user to list; `None` lets every chat through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChatFilter {
    /// Only chats of exactly this status.
    pub status: Option<ChatStatus>,
    /// Only chats about this document.
    pub document_id: Option<DocumentId>,
}
