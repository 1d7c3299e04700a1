//! Where one socket's client is: behind which frames it goes on when it comes back. No I/O.

use std::collections::BTreeMap;

use crate::domain::{ChatCursor, MessageId, ReplyCursor};

/// The place of a socket in its chat. The chat's own cursor is not enough: a reply that is told by itself is told from its
/// beginning, and its client has more of it, or less, than the chat has told.
#[derive(Default)]
pub(super) struct Place {
    /// Behind what the chat has told; `None` until it is followed.
    chat: Option<ChatCursor>,
    /// Replies that are told by themselves.
    alone: BTreeMap<MessageId, Alone>,
}

/// How far a reply was told by itself.
enum Alone {
    /// To this place; `None` if nothing of it was told yet.
    To(Option<ReplyCursor>),
    /// To its end, which the chat may not have come to.
    End,
}

impl Place {
    /// The chat has told something.
    pub(super) fn follow(&mut self, chat: ChatCursor) {
        self.alone.retain(|id, told| {
            matches!(told, Alone::To(_)) || chat.replies.iter().any(|(followed, _)| followed == id)
        });
        self.chat = Some(chat);
    }

    /// A reply is to be told by itself.
    pub(super) fn tell_alone(&mut self, id: MessageId) {
        self.alone.insert(id, Alone::To(None));
    }

    /// Whether a reply is told by itself.
    pub(super) fn is_alone(&self, id: MessageId) -> bool {
        matches!(self.alone.get(&id), Some(Alone::To(_)))
    }

    /// A reply that is told by itself was told to a place.
    pub(super) fn told(&mut self, id: MessageId, to: ReplyCursor) {
        if let Some(Alone::To(place)) = self.alone.get_mut(&id) {
            *place = Some(to);
        }
    }

    /// The end of a reply was told.
    pub(super) fn end(&mut self, id: MessageId) {
        if let Some(told) = self.alone.get_mut(&id) {
            *told = Alone::End;
        }
    }

    /// What a client comes back with; `None` while the chat is not followed.
    pub(super) fn cursor(&self) -> Option<String> {
        let chat = self.chat.as_ref()?;
        let alone = self.alone.iter().filter_map(|(id, told)| match told {
            Alone::To(place) => Some((*id, *place)),
            Alone::End => None,
        });
        let followed = chat.replies.iter().filter(|(id, _)| !self.alone.contains_key(id));
        let replies = alone.chain(followed.copied()).take(ChatCursor::REPLIES_MAX);
        let cursor = ChatCursor {
            position: chat.position,
            replies: replies.collect(),
        };
        Some(cursor.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FeedPosition, ObjectId};

    const ONE: MessageId = MessageId(ObjectId::from_bytes([1; 12]));
    const TWO: MessageId = MessageId(ObjectId::from_bytes([2; 12]));

    fn to(offset: u64) -> Option<ReplyCursor> {
        Some(ReplyCursor { offset, checksum: 7 })
    }

    fn chat(sequence: u64, replies: &[(MessageId, Option<ReplyCursor>)]) -> ChatCursor {
        ChatCursor {
            position: FeedPosition { epoch: 1, sequence },
            replies: replies.to_vec(),
        }
    }

    #[test]
    fn a_reply_that_is_told_by_itself_is_gone_on_with_where_that_came_to() {
        let mut place = Place::default();
        place.tell_alone(ONE);
        assert_eq!(place.cursor(), None);
        let cursor = |place: &Place| ChatCursor::decode(&place.cursor().unwrap()).unwrap();
        place.follow(chat(4, &[(ONE, to(67)), (TWO, to(5))]));
        assert_eq!(cursor(&place), chat(4, &[(ONE, None), (TWO, to(5))]));
        place.told(ONE, to(103).unwrap());
        place.follow(chat(5, &[(ONE, to(80)), (TWO, to(9))]));
        assert_eq!(cursor(&place), chat(5, &[(ONE, to(103)), (TWO, to(9))]));
        assert!(place.is_alone(ONE) && !place.is_alone(TWO));
        // The chat has yet to come to its end.
        place.end(ONE);
        place.follow(chat(5, &[(ONE, to(90)), (TWO, to(9))]));
        assert_eq!(cursor(&place), chat(5, &[(TWO, to(9))]));
        place.follow(chat(6, &[(TWO, to(9))]));
        assert!(place.alone.is_empty() && !place.is_alone(ONE));
    }

    #[test]
    fn what_the_chat_does_not_tell_is_in_the_cursor_as_well() {
        let mut place = Place::default();
        place.follow(chat(1, &[]));
        place.tell_alone(TWO);
        place.told(TWO, to(3).unwrap());
        let cursor = ChatCursor::decode(&place.cursor().unwrap()).unwrap();
        assert_eq!(cursor, chat(1, &[(TWO, to(3))]));
    }
}
