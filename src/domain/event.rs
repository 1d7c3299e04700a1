//! What happens in a chat.

use super::{MessageId, Timestamp, UserId};

/// Something that happened in a chat. It names what changed and holds none of it: the store is the truth, and
/// whoever is told reads there what is so by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatEvent {
    /// A message was written, other than a reply.
    MessageAdded(MessageId),
    /// A message's text or reaction was changed.
    MessageUpdated(MessageId),
    /// A message was deleted.
    MessageDeleted(MessageId),
    /// A bot's reply began: its text is followed by itself.
    ReplyStarted(MessageId),
    /// The chat's title or status was changed.
    ChatUpdated,
    /// The chat was deleted, and nothing follows.
    ChatDeleted,
}

/// Whether a user types. No [`ChatEvent`]: it is sent to current subscribers only, and kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing {
    /// Who.
    pub user_id: UserId,
    /// Whether they do.
    pub is_typing: bool,
    /// When to forget it if nothing more is heard: a client may have died.
    pub until: Timestamp,
}

/// A place in the feed of one chat. Positions of one epoch are ordered; of different epochs nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPosition {
    /// Names the run of numbers: it is another after whatever kept the feed has forgotten it.
    pub epoch: u64,
    /// How many events came before, in this epoch.
    pub sequence: u64,
}
