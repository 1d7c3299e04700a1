//! The events of a reply.

use async_graphql::{ID, SimpleObject, Union};

use super::Message;
use crate::service::ReplyUpdate;

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

/// The whole text so far: it replaces whatever the client had. Comes first where no cursor was given, or one that
/// does not fit.
#[derive(SimpleObject)]
pub struct ReplySnapshot {
    /// The message as it was when the reply began, or as it is stored if it has ended.
    message: Message,
    /// The text so far.
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

/// The end of a reply; the subscription completes after it.
#[derive(SimpleObject)]
pub struct ReplyFinished {
    /// The message as it is stored. Its text is what the client has assembled.
    message: Message,
    /// The place behind its text.
    cursor: String,
}

impl From<ReplyUpdate> for ReplyEvent {
    fn from(update: ReplyUpdate) -> Self {
        match update {
            ReplyUpdate::Snapshot {
                message,
                text,
                cursor,
            } => {
                let message = Message(message.as_ref().clone());
                Self::Snapshot(ReplySnapshot {
                    message,
                    text,
                    cursor: cursor.encode(),
                })
            }
            ReplyUpdate::Partial { id, text, cursor } => Self::Partial(ReplyPartial {
                message_id: ID(id.to_string()),
                text,
                cursor: cursor.encode(),
            }),
            ReplyUpdate::Finished { message, cursor } => {
                let message = Message(message.as_ref().clone());
                Self::Finished(ReplyFinished {
                    message,
                    cursor: cursor.encode(),
                })
            }
        }
    }
}
