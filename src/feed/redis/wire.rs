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
    #[serde(rename_all = "camelCase")]
    TypingChanged {
        user: User,
        is_typing: bool,
        until: i64,
    },
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
        ChatEvent::TypingChanged(typing) => Event::TypingChanged {
            user: match &typing.user_id {
                UserId::Int(id) => User::Int(*id),
                UserId::Text(id) => User::Text(id.clone()),
            },
            is_typing: typing.is_typing,
            until: typing.until.millis(),
        },
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
        Event::TypingChanged {
            user,
            is_typing,
            until,
        } => ChatEvent::TypingChanged(Typing {
            user_id: match user {
                User::Int(id) => UserId::Int(id),
                User::Text(id) => UserId::Text(id),
            },
            is_typing,
            until: Timestamp::from_millis(until),
        }),
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
        let typing = |user_id| {
            ChatEvent::TypingChanged(Typing {
                user_id,
                is_typing: true,
                until: Timestamp::from_millis(-5),
            })
        };
        for event in [
            ChatEvent::MessageAdded(id),
            ChatEvent::MessageUpdated(id),
            ChatEvent::MessageDeleted(id),
            ChatEvent::ReplyStarted(id),
            ChatEvent::ChatUpdated,
            ChatEvent::ChatDeleted,
            typing(UserId::Int(7)),
            typing(UserId::Text("7".to_owned())),
        ] {
            assert_eq!(decode(&encode(&event)), Some(event));
        }
    }

    proptest! {
        #[test]
        fn reading_anything_is_harmless(text in ".{0,60}") {
            let _ = (decode(&text), position(&text), split(text.as_bytes()));
        }
    }
}
