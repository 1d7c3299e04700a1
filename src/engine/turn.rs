//! When a reply has its turn: the replies of a chat run one after the other, in the order in which they were requested,
//! on any servers. The store alone knows which are active.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Ask, Engine, LEASE, LiveReply, Waits, count_tokens};
use crate::bot::Turn;
use crate::domain::{Author, Message, MessageId, TokenCount};
use crate::store::{Checkpointed, HistoryBounds, StoreError};

/// The most messages that are read for a bot's history.
const HISTORY_MESSAGES_MAX: usize = 100;
/// Far more bytes per token than any text has.
const BYTES_PER_TOKEN_MAX: usize = 16;
/// No store takes longer to answer.
const ANSWER_IS_OLD_AFTER: Duration = Duration::from_secs(5);
/// How long the store is asked again, after an error, which replies are before this one.
const ASKED_FOR: Duration = Duration::from_secs(20);
/// The first and the longest wait between two of these questions, before jitter.
const ASKED_AFTER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// How long to wait for one earlier reply before the store is asked again which ones there are.
const LOOKED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How waiting for the turn ended.
pub(super) enum Awaited {
    /// It is the reply's turn.
    Turn {
        /// The history for the bot. The last message is the one to answer.
        turns: Vec<Turn>,
        /// The estimated cost of the history.
        tokens: TokenCount,
        /// When the history was requested.
        since: Instant,
    },
    /// The message to answer is gone.
    NoPrompt,
    /// The reply was ended or deleted meanwhile, alone or with its chat.
    Gone,
    /// It was stopped before its turn came.
    Stopped,
    /// The store did not answer.
    Unknown(StoreError),
}

impl Engine {
    /// Waits for the end of every earlier reply of the chat, and reads the history.
    pub(super) async fn turn(self: &Arc<Self>, reply: &Message, live: &LiveReply, ask: &Ask) -> Awaited {
        let tokens_max = self.config.history_tokens_max;
        let bytes_max = usize::try_from(tokens_max).unwrap_or(usize::MAX);
        let bounds = HistoryBounds {
            messages_max: HISTORY_MESSAGES_MAX,
            bytes_max: bytes_max.saturating_mul(BYTES_PER_TOKEN_MAX),
        };
        let (wait_min, wait_max) = ASKED_AFTER;
        let mut waits = Waits::between(wait_min, wait_max);
        let (mut deadline, mut has_waited) = (Instant::now() + ASKED_FOR, false);
        loop {
            let since = Instant::now();
            let asked = self
                .store
                .before_reply(reply.chat_id, reply.id, ask.until.position, bounds);
            let mut before = match asked.await {
                Ok(Some(before)) => before,
                Ok(None) => return Awaited::Gone,
                Err(error) if Instant::now() >= deadline => return Awaited::Unknown(error),
                Err(_) => {
                    waits.wait().await;
                    continue;
                }
            };
            // Only a server that was frozen gets an answer so late, and what it read may be deleted since.
            if since.elapsed() > ANSWER_IS_OLD_AFTER {
                continue;
            }
            // The reply just before this one ends last, unless it is stopped while it is queued: so ask again after it.
            if let Some(earlier) = before.earlier.pop() {
                has_waited = true;
                let earlier = self.live(earlier.id).unwrap_or_else(|| self.mirror(earlier));
                if earlier.has_ended() {
                    // It ended after the store was asked, or its deletion is not stored yet.
                    waits.wait().await;
                } else {
                    // Not for ever: another reply may have been allowed to go first meanwhile.
                    let _ = tokio::time::timeout(LOOKED_AGAIN_AFTER, earlier.ended()).await;
                    waits.reset();
                }
                deadline = Instant::now() + ASKED_FOR;
                continue;
            }
            if has_waited && self.is_to_stop(reply, live).await {
                return Awaited::Stopped;
            }
            let last = before.history.last().map(|message| message.id);
            if ask.until.prompt.is_some() && last != ask.until.prompt {
                return Awaited::NoPrompt;
            }
            let (turns, tokens) = within_budget(up_to_a_question(before.history), tokens_max).await;
            if turns.is_empty() {
                return Awaited::NoPrompt;
            }
            return Awaited::Turn { turns, tokens, since };
        }
    }

    /// Whether any server stored a stop request of a reply that waited for its turn. If the store does not answer, the
    /// next checkpoint finds the request.
    async fn is_to_stop(&self, reply: &Message, live: &LiveReply) -> bool {
        let (chat, id) = (reply.chat_id, reply.id);
        let text = live.text();
        let renewed = self.store.checkpoint(chat, id, &self.owner, &text, LEASE);
        let is_to_stop = match renewed.await {
            Ok(Checkpointed::Held { is_stop_requested }) => is_stop_requested,
            Ok(Checkpointed::Lost) => true,
            Err(_) => false,
        };
        if is_to_stop {
            live.stop(None);
        }
        is_to_stop
    }
}

/// The history up to the last message of a user: a bot is never asked to answer its own message.
fn up_to_a_question(messages: Vec<Message>) -> Vec<Message> {
    let mut arranged = arrange(messages);
    while arranged
        .last()
        .is_some_and(|message| message.author == Author::Bot)
    {
        arranged.pop();
    }
    arranged
}

/// Puts each regenerated reply where the reply that it replaces was, and leaves out empty replies.
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

/// The latest messages that together cost at most `tokens_max`; always the last one, whatever it costs.
async fn within_budget(messages: Vec<Message>, tokens_max: i64) -> (Vec<Turn>, TokenCount) {
    let mut turns = Vec::new();
    let mut total = 0_i64;
    for message in messages.into_iter().rev() {
        let with_it = total.saturating_add(tokens_of(&message).await);
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

/// The tokens of a message. A client may have reported any count for its own messages, so only a count of this server
/// or of the upstream is used, and never more than one token per byte.
async fn tokens_of(message: &Message) -> i64 {
    let is_known = |count: &TokenCount| count.is_estimated || message.reply.is_some();
    let count = match message.token_count.filter(is_known) {
        Some(count) => count,
        None => count_tokens(&message.text).await,
    };
    let bytes = i64::try_from(message.text.len()).unwrap_or(i64::MAX);
    count.tokens.clamp(0, bytes)
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
        // No token has less than a byte, and each of these has ten tokens.
        let text = |n: u8| format!("message {n:02}");
        let messages = |n: u8| (0..n).map(|n| turn(n, Author::User, &text(n), None)).collect();
        let (turns, total) = within_budget(messages(9), 35).await;
        assert_eq!(
            (texts(turns), total.tokens),
            (vec![text(6), text(7), text(8)], 30)
        );
        let (turns, total) = within_budget(messages(9), 1).await;
        assert_eq!((texts(turns), total.tokens), (vec![text(8)], 10));
        assert_eq!(within_budget(messages(0), 1).await.0, []);
    }
}
