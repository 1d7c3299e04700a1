//! What happens in a chat.

use std::sync::Arc;

use super::{Chat, ChatId, Message, MessageId, Timestamp, UserId};

/// The most bytes of text in the content of an event. A larger message or chat is named by its id alone, so that the
/// log of a chat stays small.
pub const CONTENT_BYTES_MAX: usize = 4 * 1024;

/// Something that happened in a chat. It carries what was written where that is small, so that subscribers need not
/// read the store; the store stays the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatEvent {
    /// A message was written, other than a reply.
    MessageAdded(EventMessage),
    /// A message's text or reaction was changed.
    MessageUpdated(EventMessage),
    /// A message was deleted.
    MessageDeleted(MessageId),
    /// A bot's reply began: its text has a subscription of its own.
    ReplyStarted(EventMessage),
    /// The chat's title or status was changed; the chat, unless it has to be read in the store.
    ChatUpdated(Option<Arc<Chat>>),
    /// The chat was deleted, and nothing follows.
    ChatDeleted,
}

/// The message that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventMessage {
    /// Its id: it has to be read in the store.
    Id(MessageId),
    /// The message as it was stored by this event.
    Content(Arc<Message>),
}

impl ChatEvent {
    /// The event of a message that was written.
    pub fn message_added(message: &Message) -> Self {
        Self::MessageAdded(EventMessage::of(message))
    }

    /// The event of a message that was changed.
    pub fn message_updated(message: &Message) -> Self {
        Self::MessageUpdated(EventMessage::changed(message))
    }

    /// The event of a reply that began.
    pub fn reply_started(message: &Message) -> Self {
        Self::ReplyStarted(EventMessage::of(message))
    }

    /// The event of a chat that was changed.
    pub fn chat_updated(chat: &Chat) -> Self {
        let is_small = chat.text_bytes() <= CONTENT_BYTES_MAX;
        Self::ChatUpdated(is_small.then(|| Arc::new(chat.clone())))
    }

    /// The message that the event is about; `None` if it is about the chat.
    pub fn message_id(&self) -> Option<MessageId> {
        match self {
            Self::MessageAdded(message) | Self::MessageUpdated(message) | Self::ReplyStarted(message) => {
                Some(message.id())
            }
            Self::MessageDeleted(id) => Some(*id),
            Self::ChatUpdated(_) | Self::ChatDeleted => None,
        }
    }

    /// When the content was last changed; `None` if the event has none.
    pub fn content_changed_at(&self) -> Option<Timestamp> {
        match self {
            Self::MessageAdded(message) | Self::MessageUpdated(message) | Self::ReplyStarted(message) => {
                message.content().map(|message| message.updated_at)
            }
            Self::ChatUpdated(chat) => chat.as_ref().map(|chat| chat.updated_at),
            Self::MessageDeleted(_) | Self::ChatDeleted => None,
        }
    }

    /// About how many bytes of memory the content takes; 0 if the event has none.
    pub fn content_bytes(&self) -> usize {
        match self {
            Self::MessageAdded(message) | Self::MessageUpdated(message) | Self::ReplyStarted(message) => {
                message
                    .content()
                    .map_or(0, |message| size_of::<Message>() + message.text_bytes())
            }
            Self::ChatUpdated(chat) => chat
                .as_ref()
                .map_or(0, |chat| size_of::<Chat>() + chat.text_bytes()),
            Self::MessageDeleted(_) | Self::ChatDeleted => 0,
        }
    }

    /// The event with ids only.
    pub fn without_content(&self) -> Self {
        match self {
            Self::MessageAdded(message) => Self::MessageAdded(EventMessage::Id(message.id())),
            Self::MessageUpdated(message) => Self::MessageUpdated(EventMessage::Id(message.id())),
            Self::ReplyStarted(message) => Self::ReplyStarted(EventMessage::Id(message.id())),
            Self::ChatUpdated(_) => Self::ChatUpdated(None),
            Self::MessageDeleted(_) | Self::ChatDeleted => self.clone(),
        }
    }
}

impl EventMessage {
    /// A message, with its content if that is small. Not that of a changed reply under way: the reply may end before the
    /// event arrives, and whoever reads it then finds the end.
    fn changed(message: &Message) -> Self {
        match message.is_under_way() {
            true => Self::Id(message.id),
            false => Self::of(message),
        }
    }

    /// A message, with its content if that is small.
    pub fn of(message: &Message) -> Self {
        if message.text_bytes() <= CONTENT_BYTES_MAX {
            Self::Content(Arc::new(message.clone()))
        } else {
            Self::Id(message.id)
        }
    }

    /// The message's id.
    pub fn id(&self) -> MessageId {
        match self {
            Self::Id(id) => *id,
            Self::Content(message) => message.id,
        }
    }

    /// The message, if the event carries it.
    pub fn content(&self) -> Option<&Arc<Message>> {
        match self {
            Self::Id(_) => None,
            Self::Content(message) => Some(message),
        }
    }

    /// The message if the event carries it and it is in this chat, or else its id: no other chat's message may be shown
    /// to the chat's subscribers.
    pub fn content_in(self, chat: ChatId) -> Result<Message, MessageId> {
        match self {
            Self::Content(message) if message.chat_id == chat => Ok(Arc::unwrap_or_clone(message)),
            other => Err(other.id()),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::super::{Author, ObjectId, Reply};
    use super::*;

    #[test]
    fn an_event_carries_at_most_so_many_bytes_of_text_wherever_they_are() {
        let (id, at) = (ObjectId::from_bytes([1; 12]), Timestamp::from_millis(0));
        let message = |text: usize, reasoning: usize| Message {
            kind: String::new(),
            reply: Some(Reply {
                reasoning: Some("x".repeat(reasoning)),
                ..Reply::begun(String::new(), at)
            }),
            ..Message::plain(MessageId(id), ChatId(id), Author::Bot, "x".repeat(text), at)
        };
        let is_carried = |text, reasoning| EventMessage::of(&message(text, reasoning)).content().is_some();
        assert!(is_carried(CONTENT_BYTES_MAX, 0) && is_carried(1, CONTENT_BYTES_MAX - 1));
        assert!(!is_carried(CONTENT_BYTES_MAX + 1, 0) && !is_carried(1, CONTENT_BYTES_MAX));
        // A change of a reply under way, whose end may be known before the event arrives.
        let changed = ChatEvent::message_updated(&message(1, 0));
        assert_eq!(
            changed,
            ChatEvent::MessageUpdated(EventMessage::Id(MessageId(id)))
        );
    }
}
