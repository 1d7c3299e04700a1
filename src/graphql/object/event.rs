//! The events of a reply and of a chat.

use async_graphql::{Context, ID, SimpleObject, Union, Value};

use super::at_hand::{AtHand, plain};
use super::{Chat, Message};
use crate::domain::{ChatCursor, Typing};
use crate::graphql::scalar::{DateTime, UserId};
use crate::service::{ChatUpdate, ReplyUpdate};

/// What happens to a reply. A client's whole rule: a snapshot replaces its text, a partial appends to it, the end
/// ends it; and it keeps the latest cursor, to subscribe again after.
#[derive(Union)]
pub enum ReplyEvent {
    /// Replaces.
    Snapshot(ReplySnapshot),
    /// Appends.
    Partial(ReplyPartial),
    /// Ends.
    Finished(ReplyFinished),
}

/// The text so far, or the first 16 KiB of it, whose rest follows as partials: it replaces whatever the client had.
/// Comes first where no cursor was given, or one that does not fit.
#[derive(SimpleObject)]
pub struct ReplySnapshot {
    /// The message as it was when the reply began, or as it is stored if it has ended.
    message: Message,
    /// The text, at most 16 KiB of UTF-8.
    text: String,
    /// The place behind it.
    cursor: String,
}

/// A piece of text: it is appended to what the client has.
#[derive(SimpleObject)]
pub struct ReplyPartial {
    /// The reply's message.
    message_id: ID,
    /// The piece; never empty, at most 16 KiB.
    text: String,
    /// The place behind it.
    cursor: String,
}

/// The end of a reply; the subscription `reply` completes after it.
#[derive(SimpleObject)]
pub struct ReplyFinished {
    /// The message as it is stored. Its text is what the client has assembled. Of a message that was deleted meanwhile:
    /// as one that was stopped there.
    message: Message,
    /// The place behind its text.
    cursor: String,
}

/// The fields of a piece.
const PARTIAL: [&str; 3] = ["messageId", "text", "cursor"];

/// Pieces are what there are thousands of.
impl AtHand for ReplyEvent {
    fn at_hand(&self, field: &Context<'_>) -> Option<Value> {
        match self {
            Self::Partial(partial) => plain(partial, field, &PARTIAL),
            Self::Snapshot(_) | Self::Finished(_) => None,
        }
    }
}

impl From<ReplyUpdate> for ReplyEvent {
    fn from(update: ReplyUpdate) -> Self {
        let cursor = match &update {
            ReplyUpdate::Snapshot { cursor, .. }
            | ReplyUpdate::Partial { cursor, .. }
            | ReplyUpdate::Finished { cursor, .. }
            | ReplyUpdate::Deleted { cursor, .. } => cursor.encode(),
        };
        match Part::new(update, cursor) {
            Part::Snapshot(snapshot) => Self::Snapshot(snapshot),
            Part::Partial(partial) => Self::Partial(partial),
            Part::Finished(finished) => Self::Finished(finished),
        }
    }
}

/// What both subscriptions tell of a reply. GraphQL has no union within a union.
enum Part {
    Snapshot(ReplySnapshot),
    Partial(ReplyPartial),
    Finished(ReplyFinished),
}

impl Part {
    fn new(update: ReplyUpdate, cursor: String) -> Self {
        match update {
            ReplyUpdate::Snapshot { message, text, .. } => Self::Snapshot(ReplySnapshot {
                message: message.into(),
                text,
                cursor,
            }),
            ReplyUpdate::Partial { id, text, .. } => Self::Partial(ReplyPartial {
                message_id: ID(id.to_string()),
                text,
                cursor,
            }),
            ReplyUpdate::Finished { message, .. } | ReplyUpdate::Deleted { message, .. } => {
                Self::Finished(ReplyFinished {
                    message: message.message().clone().into(),
                    cursor,
                })
            }
        }
    }
}

/// What happens in a chat. Its replies are told as in `ReplyEvent`; everything else names what changed, as it is when
/// it is told, so that hearing of it twice changes nothing.
#[derive(Union)]
pub enum ChatEvent {
    /// Read the chat.
    Resync(ChatResync),
    /// A message came.
    MessageAdded(MessageAdded),
    /// A message changed.
    MessageUpdated(MessageUpdated),
    /// A message went.
    MessageDeleted(MessageDeleted),
    /// The chat changed.
    ChatUpdated(ChatUpdated),
    /// The chat went.
    ChatDeleted(ChatDeleted),
    /// Somebody types.
    TypingChanged(TypingChanged),
    /// A reply's text replaces.
    Snapshot(ReplySnapshot),
    /// A reply's text grows.
    Partial(ReplyPartial),
    /// A reply ends.
    Finished(ReplyFinished),
}

/// What happened before is not told: read the chat, and then apply what follows. Comes first where no cursor was
/// given, or one whose place is forgotten; and whenever you lag too far behind.
#[derive(SimpleObject)]
pub struct ChatResync {
    /// The place behind it: subscribe to `chat` after it.
    cursor: String,
}

/// A message was written, other than a reply: those begin with a `ReplySnapshot`.
#[derive(SimpleObject)]
pub struct MessageAdded {
    /// The message.
    message: Message,
    /// The place behind it.
    cursor: String,
}

/// A message's text or reaction was changed.
#[derive(SimpleObject)]
pub struct MessageUpdated {
    /// The message as it now is.
    message: Message,
    /// The place behind it.
    cursor: String,
}

/// A message was deleted. If it was a reply that grew, nothing more of it follows.
#[derive(SimpleObject)]
pub struct MessageDeleted {
    /// The id of the message that is gone.
    message_id: ID,
    /// The place behind it.
    cursor: String,
}

/// The chat's title or status was changed.
#[derive(SimpleObject)]
pub struct ChatUpdated {
    /// The chat as it now is.
    chat: Chat,
    /// The place behind it.
    cursor: String,
}

/// The chat was deleted; the subscription completes after it.
#[derive(SimpleObject)]
pub struct ChatDeleted {
    /// The id of the chat that is gone.
    chat_id: ID,
    /// The place behind it.
    cursor: String,
}

/// Somebody began to type or ceased.
#[derive(SimpleObject)]
pub struct TypingChanged {
    /// Who, and whether.
    typing: TypingState,
    /// The place behind it.
    cursor: String,
}

/// Whether a user types.
#[derive(SimpleObject)]
pub struct TypingState {
    /// Who.
    user_id: UserId,
    /// Whether they do.
    is_typing: bool,
    /// When to forget it if nothing more is heard.
    until: DateTime,
}

impl From<Typing> for TypingState {
    fn from(typing: Typing) -> Self {
        Self {
            user_id: UserId(typing.user_id),
            is_typing: typing.is_typing,
            until: DateTime(typing.until),
        }
    }
}

impl AtHand for ChatEvent {
    fn at_hand(&self, field: &Context<'_>) -> Option<Value> {
        match self {
            Self::Partial(partial) => plain(partial, field, &PARTIAL),
            _ => None,
        }
    }
}

impl ChatEvent {
    /// The event of an update, with the cursor behind it.
    pub fn new(update: ChatUpdate, cursor: &ChatCursor) -> Self {
        let cursor = cursor.encode();
        match update {
            ChatUpdate::Resync => Self::Resync(ChatResync { cursor }),
            ChatUpdate::MessageAdded(message) => Self::MessageAdded(MessageAdded {
                message: message.into(),
                cursor,
            }),
            ChatUpdate::MessageUpdated(message) => Self::MessageUpdated(MessageUpdated {
                message: message.into(),
                cursor,
            }),
            ChatUpdate::MessageDeleted(id) => Self::MessageDeleted(MessageDeleted {
                message_id: ID(id.to_string()),
                cursor,
            }),
            ChatUpdate::ChatUpdated(chat) => Self::ChatUpdated(ChatUpdated {
                chat: Chat(chat),
                cursor,
            }),
            ChatUpdate::ChatDeleted(id) => Self::ChatDeleted(ChatDeleted {
                chat_id: ID(id.to_string()),
                cursor,
            }),
            ChatUpdate::TypingChanged(typing) => Self::TypingChanged(TypingChanged {
                typing: typing.into(),
                cursor,
            }),
            ChatUpdate::Reply(update) => match Part::new(update, cursor) {
                Part::Snapshot(snapshot) => Self::Snapshot(snapshot),
                Part::Partial(partial) => Self::Partial(partial),
                Part::Finished(finished) => Self::Finished(finished),
            },
        }
    }
}
