//! Events as they stand in a stream: JSON, so that an operator can read them.

use serde::{Deserialize, Serialize};

use crate::domain::{ChatEvent, FeedPosition, MessageId, Timestamp, Typing, UserId};

/// A [`ChatEvent`]. What a later version adds is not understood by this one, which then says that something is missing.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Event {
    MessageAdded(String),
    MessageUpdated(String),
    MessageDeleted(String),
    ReplyStarted(String),
    ChatUpdated,
    ChatDeleted,
}

/// A [`Typing`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypingState {
    user: User,
    is_typing: bool,
    until: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum User {
    Int(i64),
    Text(String),
}

/// Writes an event.
pub(super) fn encode(event: &ChatEvent) -> String {
    let event = match event {
        ChatEvent::MessageAdded(id) => Event::MessageAdded(id.to_string()),
        ChatEvent::MessageUpdated(id) => Event::MessageUpdated(id.to_string()),
        ChatEvent::MessageDeleted(id) => Event::MessageDeleted(id.to_string()),
        ChatEvent::ReplyStarted(id) => Event::ReplyStarted(id.to_string()),
        ChatEvent::ChatUpdated => Event::ChatUpdated,
        ChatEvent::ChatDeleted => Event::ChatDeleted,
    };
    // Strings and numbers always are JSON.
    serde_json::to_string(&event).unwrap_or_default()
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(super) fn decode(event: &str) -> Option<ChatEvent> {
    let message = |id: String| MessageId::parse(&id).ok();
    Some(match serde_json::from_str(event).ok()? {
        Event::MessageAdded(id) => ChatEvent::MessageAdded(message(id)?),
        Event::MessageUpdated(id) => ChatEvent::MessageUpdated(message(id)?),
        Event::MessageDeleted(id) => ChatEvent::MessageDeleted(message(id)?),
        Event::ReplyStarted(id) => ChatEvent::ReplyStarted(message(id)?),
        Event::ChatUpdated => ChatEvent::ChatUpdated,
        Event::ChatDeleted => ChatEvent::ChatDeleted,
    })
}

/// What comes before a typing state in a chat's channel, where an event has its id.
pub(super) const TYPING: &str = "typing";

/// Writes a typing state as a chat's channel carries it.
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

impl From<&UserId> for User {
    fn from(id: &UserId) -> Self {
        match id {
            UserId::Int(id) => Self::Int(*id),
            UserId::Text(id) => Self::Text(id.clone()),
        }
    }
}

impl From<User> for UserId {
    fn from(id: User) -> Self {
        match id {
            User::Int(id) => Self::Int(id),
            User::Text(id) => Self::Text(id),
        }
    }
}

/// Reads the id of an entry.
pub(super) fn position(id: &str) -> Option<FeedPosition> {
    let (epoch, sequence) = id.split_once('-')?;
    Some(FeedPosition {
        epoch: epoch.parse().ok()?,
        sequence: sequence.parse().ok()?,
    })
}

/// Reads what a channel tells: a number or an id, and what follows the first blank.
pub(super) fn split(told: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(told).ok()?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ObjectId;
    use proptest::prelude::*;

    #[test]
    fn every_event_is_read_as_it_was_written() {
        let id = MessageId(ObjectId::from_bytes([9; 12]));
        for event in [
            ChatEvent::MessageAdded(id),
            ChatEvent::MessageUpdated(id),
            ChatEvent::MessageDeleted(id),
            ChatEvent::ReplyStarted(id),
            ChatEvent::ChatUpdated,
            ChatEvent::ChatDeleted,
        ] {
            assert_eq!(decode(&encode(&event)), Some(event));
        }
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
        fn reading_anything_is_harmless(text in ".{0,60}") {
            let _ = (decode(&text), decode_typing(&text), position(&text), split(text.as_bytes()));
        }
    }
}
