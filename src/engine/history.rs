//! What a bot is given to answer: the chat's latest turns within a budget.

use std::collections::HashMap;

use super::{Engine, count_tokens};
use crate::bot::Turn;
use crate::config::FaultScript;
use crate::domain::{
    Author, ChatId, LanguageTag, Message, MessageFilter, MessageId, PageRequest, Position, TimeZone,
    TokenCount,
};
use crate::store::StoreError;

/// The most messages that are looked at for a bot's history.
const HISTORY_MESSAGES_MAX: usize = 100;

/// What a reply is asked for with.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The place in the chat behind the message to answer: what comes later is none of the bot's business.
    pub before: Position,
    /// The language that the sender chose, if any.
    pub language: Option<LanguageTag>,
    /// Where the sender is, if told.
    pub timezone: Option<TimeZone>,
    /// What shall go wrong, for the bot that can be told.
    pub faults: Option<FaultScript>,
}

impl Engine {
    /// The chat's latest turns before a place, oldest first, and what they are estimated to cost.
    pub(super) async fn history(
        &self,
        chat: ChatId,
        before: Position,
    ) -> Result<(Vec<Turn>, TokenCount), StoreError> {
        let request = PageRequest {
            before: Some(before),
            ..PageRequest::last(HISTORY_MESSAGES_MAX)
        };
        let mut pages = self
            .store
            .message_pages(&[chat], &MessageFilter::default(), &request)
            .await?;
        let messages = pages.remove(&chat).map(|page| page.items).unwrap_or_default();
        Ok(within_budget(arrange(messages), self.config.history_tokens_max).await)
    }
}

/// Puts each reply that was made in place of another into that one's place, and leaves out replies that say nothing.
fn arrange(messages: Vec<Message>) -> Vec<Message> {
    let said = messages
        .into_iter()
        .filter(|message| message.author == Author::User || !message.text.is_empty());
    let mut arranged: Vec<Message> = Vec::new();
    let mut places: HashMap<MessageId, usize> = HashMap::new();
    for message in said {
        let regenerates = message.reply.as_ref().and_then(|reply| reply.regenerates);
        let place = regenerates.and_then(|replaced| places.get(&replaced).copied());
        match place.and_then(|place| Some((place, arranged.get_mut(place)?))) {
            Some((place, replaced)) => {
                places.insert(message.id, place);
                *replaced = message;
            }
            None => {
                places.insert(message.id, arranged.len());
                arranged.push(message);
            }
        }
    }
    arranged
}

/// The latest messages that cost at most `tokens_max` together, and always the last one.
async fn within_budget(messages: Vec<Message>, tokens_max: i64) -> (Vec<Turn>, TokenCount) {
    let mut turns = Vec::new();
    let mut total = 0_i64;
    for message in messages.into_iter().rev() {
        let count = match message.token_count {
            Some(count) => count,
            None => count_tokens(&message.text).await,
        };
        let with_it = total.saturating_add(count.tokens.max(0));
        if with_it > tokens_max && !turns.is_empty() {
            break;
        }
        total = with_it;
        turns.push(Turn {
            author: message.author,
            text: message.text,
        });
    }
    turns.reverse();
    let total = TokenCount {
        tokens: total,
        is_estimated: true,
    };
    (turns, total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ObjectId, ReplyState};
    use crate::engine::live::tests::message;

    fn id(n: u8) -> MessageId {
        MessageId(ObjectId::from_bytes([n; 12]))
    }

    fn turn(n: u8, author: Author, text: &str, regenerates: Option<u8>) -> Message {
        let mut message = message(text, ReplyState::Complete);
        message.id = id(n);
        message.author = author;
        message.token_count = Some(TokenCount::reported(10));
        if let Some(reply) = &mut message.reply {
            reply.regenerates = regenerates.map(id);
        }
        message
    }

    fn texts(turns: Vec<Turn>) -> Vec<String> {
        turns.into_iter().map(|turn| turn.text).collect()
    }

    #[tokio::test]
    async fn a_reply_made_again_stands_where_the_first_stood_and_empty_ones_are_left_out() {
        let messages = vec![
            turn(1, Author::User, "one", None),
            turn(2, Author::Bot, "first", None),
            turn(3, Author::User, "two", None),
            turn(4, Author::Bot, "", None),
            turn(5, Author::Bot, "second", Some(2)),
            turn(6, Author::Bot, "third", Some(5)),
            turn(7, Author::Bot, "", Some(6)),
            turn(8, Author::Bot, "of an older one", Some(99)),
            turn(9, Author::User, "three", None),
        ];
        let (turns, _) = within_budget(arrange(messages), 1_000).await;
        assert_eq!(texts(turns), ["one", "third", "two", "of an older one", "three"]);
    }

    #[tokio::test]
    async fn the_budget_takes_the_latest_turns_and_always_the_last() {
        let messages = |n: u8| {
            (0..n)
                .map(|n| turn(n, Author::User, &n.to_string(), None))
                .collect()
        };
        let (turns, total) = within_budget(messages(9), 35).await;
        assert_eq!(
            (texts(turns), total.tokens),
            (vec!["6".into(), "7".into(), "8".into()], 30)
        );
        let (turns, total) = within_budget(messages(9), 1).await;
        assert_eq!((texts(turns), total.tokens), (vec!["8".to_owned()], 10));
        assert_eq!(within_budget(messages(0), 1).await.0, []);
    }
}
