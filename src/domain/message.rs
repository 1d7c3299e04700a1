//! A message: one contribution to a chat.

use std::sync::Arc;

use super::{Author, ChatId, MessageId, Position, Reply, ReplyOutcome, ReplyState, Timestamp, TokenCount};

/// A name that a client gives a message, so that sending it again cannot store it twice: 1 to
/// [`ClientKey::LENGTH_MAX`] characters of `A-Z a-z 0-9 _ . : -`. A UUID is a good one. Unique within its chat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(String);

impl ClientKey {
    /// The most characters of a key.
    pub const LENGTH_MAX: usize = 128;

    /// The key, or `None` if it is empty, too long, or has another character.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }

    /// The key of the one reply to a message that was stored without asking for one: of several servers that are asked to
    /// answer it, one does.
    pub fn of_reply_to(message: MessageId) -> Self {
        Self(format!("reply-to:{message}"))
    }

    /// The key's characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One contribution to a chat, by a user or the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names the message.
    pub id: MessageId,
    /// The chat it belongs to.
    pub chat_id: ChatId,
    /// Who wrote it.
    pub author: Author,
    /// What it says. Of a reply that still grows: what the last checkpoint stored.
    pub text: String,
    /// What sort of content it is: `text` unless a client said otherwise (`type` in the documented storage).
    pub kind: String,
    /// The one reaction to it, usually an emoji.
    pub reaction: Option<String>,
    /// How many tokens it has, where counted.
    pub token_count: Option<TokenCount>,
    /// Whether its text was changed after it was written.
    pub is_edited: bool,
    /// Where a bot's message got what it says, as late documented systems noted it: `document`, `web_search` and such.
    pub citation: Option<String>,
    /// When it was written; with the id as tie-breaker, its place in the chat.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The name its sender gave it.
    pub client_key: Option<ClientKey>,
    /// Of a user's message that asked for a reply: the bot's message, its id minted before the bot was called.
    pub reply_id: Option<MessageId>,
    /// Of a bot's message that Colloquy generated: how it came about.
    pub reply: Option<Reply>,
}

impl Message {
    /// A message with this text, written at `at`, and nothing besides.
    pub fn plain(id: MessageId, chat_id: ChatId, author: Author, text: String, at: Timestamp) -> Self {
        Self {
            id,
            chat_id,
            author,
            text,
            kind: Self::TEXT.to_owned(),
            reaction: None,
            token_count: None,
            is_edited: false,
            citation: None,
            created_at: at,
            updated_at: at,
            client_key: None,
            reply_id: None,
            reply: None,
        }
    }

    /// Ends the reply that this message is. An earlier stop request is kept, and the reply then ends as stopped. Where
    /// the outcome has no text or no usage, the message keeps its text or its tokens. `updated_at` never goes back.
    pub fn end(&mut self, outcome: &ReplyOutcome) {
        if let Some(text) = &outcome.text {
            self.text.clone_from(text);
        }
        let counted = outcome.usage.map(|usage| usage.completion);
        self.token_count = counted.or(self.token_count);
        self.updated_at = self.updated_at.max(outcome.finished_at);
        let Some(reply) = &mut self.reply else {
            return;
        };
        // What was stopped before it failed has not failed.
        (reply.state, reply.error) = match reply.stop {
            Some(_) => (ReplyState::Stopped, None),
            None => (outcome.state.into(), outcome.error.clone()),
        };
        reply.stop = reply.stop.take().or_else(|| outcome.stop.clone());
        reply.usage = outcome.usage;
        reply.started_at = outcome.started_at;
        reply.first_piece_at = outcome.first_piece_at;
        reply.upstream_closed_at = outcome.upstream_closed_at;
        reply.finished_at = Some(outcome.finished_at);
        reply.overhead_us = outcome.overhead_us;
        reply.reasoning.clone_from(&outcome.reasoning);
    }

    /// Whether it is a reply that has not ended.
    pub fn is_under_way(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.state.is_final())
    }

    /// Its place in its chat.
    pub fn position(&self) -> Position {
        Position {
            at: self.created_at,
            id: self.id.0,
        }
    }

    /// The bytes of all its text, what is noted of its reply included.
    pub fn text_bytes(&self) -> usize {
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let reply = self.reply.as_ref().map_or(0, |reply| {
            let error = reply.error.as_ref();
            reply.owner.len()
                + optional(&reply.model)
                + optional(&reply.reasoning)
                + error.map_or(0, |error| error.code.len() + error.message.len())
        });
        let key = self.client_key.as_ref().map_or(0, |key| key.as_str().len());
        self.text.len() + self.kind.len() + optional(&self.reaction) + optional(&self.citation) + key + reply
    }

    /// The type of an ordinary message.
    pub const TEXT: &'static str = "text";
}

/// A message that is no reply under way: what the end of a reply shows. It cannot be made of a reply that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedMessage(Arc<Message>);

impl EndedMessage {
    /// The message, unless it is a reply that has not ended.
    pub fn of(message: Message) -> Option<Self> {
        (!message.is_under_way()).then(|| Self(Arc::new(message)))
    }

    /// The reply as a store would end it, where no store can say it.
    pub fn by_outcome(mut message: Message, outcome: &ReplyOutcome) -> Self {
        message.end(outcome);
        Self(Arc::new(message))
    }

    /// The message itself.
    pub fn message(&self) -> &Arc<Message> {
        &self.0
    }
}

/// What to change of a message; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageChange {
    /// The new text.
    pub text: Option<String>,
    /// The number of tokens of the new text.
    pub token_count: Option<TokenCount>,
    /// The new edited mark.
    pub is_edited: Option<bool>,
    /// The new reaction; `Some(None)` removes it.
    pub reaction: Option<Option<String>>,
}

impl MessageChange {
    /// Whether a message is as it is after this change.
    pub fn is_in(&self, message: &Message) -> bool {
        let reaction = self.reaction.as_ref();
        self.text.as_ref().is_none_or(|text| *text == message.text)
            && reaction.is_none_or(|reaction| *reaction == message.reaction)
    }
}

/// Which messages of a chat to list; `None` lets every message through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MessageFilter {
    /// Only messages of this author.
    pub author: Option<Author>,
    /// Only messages of exactly this type.
    pub kind: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::{EndState, ObjectId, StopRequest, Usage, UserId};
    use super::*;

    #[test]
    fn the_end_of_a_reply_keeps_an_earlier_stop_and_what_its_outcome_does_not_know() {
        let at = Timestamp::from_millis;
        let stop = |millis| StopRequest {
            at: at(millis),
            by: UserId::Int(millis),
        };
        let id = ObjectId::from_bytes([1; 12]);
        let begun = Message {
            token_count: Some(TokenCount::reported(3)),
            reply: Some(Reply::begun("us".to_owned(), at(0))),
            ..Message::plain(MessageId(id), ChatId(id), Author::Bot, "so far".to_owned(), at(9))
        };
        let mut stopped = begun.clone();
        stopped.reply.as_mut().unwrap().stop = Some(stop(1));
        let bare = ReplyOutcome {
            stop: Some(stop(2)),
            ..ReplyOutcome::bare(EndState::Complete, at(5))
        };
        stopped.end(&bare);
        assert_eq!(
            (stopped.text.as_str(), stopped.token_count),
            ("so far", begun.token_count)
        );
        assert_eq!(stopped.updated_at, at(9));
        let reply = stopped.reply.unwrap();
        assert_eq!((reply.state, reply.stop), (ReplyState::Stopped, Some(stop(1))));
        assert_eq!(reply.finished_at, Some(at(5)));

        let mut complete = begun;
        let completion = TokenCount::reported(7);
        complete.end(&ReplyOutcome {
            text: Some("all of it".to_owned()),
            usage: Some(Usage {
                prompt: TokenCount::reported(1),
                completion,
            }),
            ..ReplyOutcome::bare(EndState::Complete, at(10))
        });
        assert_eq!(
            (complete.text.as_str(), complete.token_count),
            ("all of it", Some(completion))
        );
        assert_eq!(complete.updated_at, at(10));
        assert_eq!(complete.reply.unwrap().state, ReplyState::Complete);
    }

    #[test]
    fn a_client_key_is_bounded_and_plain() {
        assert!(ClientKey::parse("8c1e2d1a-1.retry:2_x").is_some());
        assert!(ClientKey::parse(&"k".repeat(ClientKey::LENGTH_MAX)).is_some());
        for bad in ["", "a b", "ключ", "a/b", &"k".repeat(ClientKey::LENGTH_MAX + 1)] {
            assert_eq!(ClientKey::parse(bad), None, "{bad}");
        }
    }
}
