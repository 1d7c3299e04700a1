//! Events as streams hold them: JSON, so that an operator can read them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::content::{ChatContent, MessageContent, User};
use crate::domain::{ChatEvent, EventMessage, FeedPosition, MessageId, Timestamp, Typing};

/// A [`ChatEvent`]. An event that a later version adds cannot be read by this one, whose subscribers then receive a
/// gap.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Event {
    MessageAdded(About),
    MessageUpdated(About),
    MessageDeleted(String),
    ReplyStarted(About),
    /// By its name alone, as earlier versions wrote it.
    ChatUpdated,
    ChatChanged(ChatContent),
    ChatDeleted,
}

/// An [`EventMessage`].
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum About {
    /// As earlier versions wrote it.
    Id(String),
    Content(Box<MessageContent>),
    /// Content of a later version that cannot be read, except for its id.
    Unknown {
        id: String,
    },
}

/// A [`Typing`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypingState {
    user: User,
    is_typing: bool,
    until: i64,
}

/// Writes an event.
pub(super) fn encode(event: &ChatEvent) -> String {
    let event = match event {
        ChatEvent::MessageAdded(message) => Event::MessageAdded(message.into()),
        ChatEvent::MessageUpdated(message) => Event::MessageUpdated(message.into()),
        ChatEvent::MessageDeleted(id) => Event::MessageDeleted(id.to_string()),
        ChatEvent::ReplyStarted(message) => Event::ReplyStarted(message.into()),
        ChatEvent::ChatUpdated(None) => Event::ChatUpdated,
        ChatEvent::ChatUpdated(Some(chat)) => Event::ChatChanged((&**chat).into()),
        ChatEvent::ChatDeleted => Event::ChatDeleted,
    };
    // Cannot fail: it has only strings and numbers.
    serde_json::to_string(&event).unwrap_or_default()
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(super) fn decode(event: &str) -> Option<ChatEvent> {
    Some(match serde_json::from_str(event).ok()? {
        Event::MessageAdded(message) => ChatEvent::MessageAdded(message.read()?),
        Event::MessageUpdated(message) => ChatEvent::MessageUpdated(message.read()?),
        Event::MessageDeleted(id) => ChatEvent::MessageDeleted(MessageId::parse(&id).ok()?),
        Event::ReplyStarted(message) => ChatEvent::ReplyStarted(message.read()?),
        Event::ChatUpdated => ChatEvent::ChatUpdated(None),
        Event::ChatChanged(chat) => ChatEvent::ChatUpdated(chat.read().map(Arc::new)),
        Event::ChatDeleted => ChatEvent::ChatDeleted,
    })
}

impl From<&EventMessage> for About {
    fn from(message: &EventMessage) -> Self {
        match message {
            EventMessage::Id(id) => Self::Id(id.to_string()),
            EventMessage::Content(message) => Self::Content(Box::new((&**message).into())),
        }
    }
}

impl About {
    fn read(self) -> Option<EventMessage> {
        let id = match self {
            Self::Id(id) | Self::Unknown { id } => id,
            Self::Content(content) => match content.read() {
                Ok(message) => return Some(EventMessage::Content(Arc::new(message))),
                Err(id) => id,
            },
        };
        MessageId::parse(&id).ok().map(EventMessage::Id)
    }
}

/// The prefix of a typing state in a chat's channel, where an event has its id.
pub(super) const TYPING: &str = "typing";

/// Writes a typing state for a chat's channel.
pub(super) fn encode_typing(typing: &Typing) -> String {
    let state = TypingState {
        user: (&typing.user_id).into(),
        is_typing: typing.is_typing,
        until: typing.until.millis(),
    };
    let state = serde_json::to_string(&state).unwrap_or_default();
    format!("{TYPING} {state}")
}

/// Reads a typing state; `None` for anything else.
pub(super) fn decode_typing(state: &str) -> Option<Typing> {
    let state: TypingState = serde_json::from_str(state).ok()?;
    Some(Typing {
        user_id: state.user.into(),
        is_typing: state.is_typing,
        until: Timestamp::from_millis(state.until),
    })
}

/// Reads the id of an entry.
pub(super) fn position(id: &str) -> Option<FeedPosition> {
    let (epoch, sequence) = id.split_once('-')?;
    Some(FeedPosition {
        epoch: epoch.parse().ok()?,
        sequence: sequence.parse().ok()?,
    })
}

/// Splits a channel's message at the first blank: a number or an id, and the rest.
pub(super) fn split(message: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(message).ok()?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::super::content::tests::{chats, messages};
    use super::*;
    use crate::domain::{ObjectId, UserId};
    use proptest::prelude::*;

    #[test]
    fn every_event_is_read_as_it_was_written() {
        let id = MessageId(ObjectId::from_bytes([9; 12]));
        for event in [
            ChatEvent::MessageAdded(EventMessage::Id(id)),
            ChatEvent::MessageUpdated(EventMessage::Id(id)),
            ChatEvent::MessageDeleted(id),
            ChatEvent::ReplyStarted(EventMessage::Id(id)),
            ChatEvent::ChatUpdated(None),
            ChatEvent::ChatDeleted,
        ] {
            assert_eq!(decode(&encode(&event)), Some(event));
        }
    }

    #[test]
    fn an_event_of_another_version_is_read_as_far_as_it_is_understood() {
        let id = "5f7c8ec7c33c6c004bbafe82";
        let added = ChatEvent::MessageAdded(EventMessage::Id(MessageId::parse(id).unwrap()));
        for told in [
            format!(r#"{{"messageAdded":"{id}"}}"#),
            format!(r#"{{"messageAdded":{{"id":"{id}","text":{{"parts":[]}}}}}}"#),
        ] {
            assert_eq!(decode(&told), Some(added.clone()), "{told}");
        }
        assert_eq!(decode(r#""chatUpdated""#), Some(ChatEvent::ChatUpdated(None)));
        assert_eq!(decode(r#"{"messageAdded":"x"}"#), None);
        assert_eq!(decode(r#"{"chatArchived":true}"#), None);
    }

    #[test]
    fn a_typing_state_is_read_as_it_was_written() {
        for user_id in [UserId::Int(7), UserId::Text("7".to_owned())] {
            let typing = Typing {
                user_id,
                is_typing: true,
                until: Timestamp::from_millis(-5),
            };
            let told = encode_typing(&typing);
            let (kind, state) = split(told.as_bytes()).unwrap();
            assert_eq!((kind, decode_typing(state)), (TYPING, Some(typing)));
        }
    }

    proptest! {
        #[test]
        fn content_is_read_exactly_as_it_was_written(message in messages(), chat in chats()) {
            let message = EventMessage::Content(Arc::new(message));
            for event in [
                ChatEvent::MessageAdded(message.clone()),
                ChatEvent::MessageUpdated(message.clone()),
                ChatEvent::ReplyStarted(message),
                ChatEvent::ChatUpdated(Some(Arc::new(chat))),
            ] {
                prop_assert_eq!(decode(&encode(&event)), Some(event));
            }
        }

        #[test]
        fn reading_anything_is_harmless(text in ".{0,60}") {
            let _ = (decode(&text), decode_typing(&text), position(&text), split(text.as_bytes()));
        }
    }
}
