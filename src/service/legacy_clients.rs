//! Workarounds for legacy clients: some send each text over the socket and over REST at once, and some rely on a chat's
//! being named after its first message.

use super::{Error, Service};
use crate::domain::{
    Author, Chat, ChatChange, ChatEvent, ChatId, ChatStatus, Message, MessageFilter, ObjectId, PageRequest,
    Position, Timestamp,
};
use crate::telemetry::causes::causes;

/// For how long the same text in the same chat that arrives over the other API counts as a duplicate, in milliseconds:
/// an early browser client sends each text over the socket and posts it as well.
const SAME_SENDING_MS: i64 = 2_000;
/// How much later than the second of its id a message is dated at most, in milliseconds, if nothing in its chat is
/// dated in the future: the rest of that second, and the later date that the store may give it.
const DATED_LATER_MS_MAX: i64 = 2_000;
/// How many of the latest messages are searched for such a duplicate.
const SAME_SENDING_MESSAGES_MAX: usize = 50;
/// Among how many of the first messages of a chat the one is that names it: several servers may store one at once.
const FIRST_MESSAGES: usize = 8;
/// How many characters of a message become the title of a chat.
const TITLE_CHARS: usize = 50;

impl Service {
    /// A user's message with this text that was sent with a reply a moment ago. Posted messages have no reply and do
    /// not count: a client that posts a text twice on purpose has two messages.
    pub(super) async fn sent_a_moment_ago(
        &self,
        chat: ChatId,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<Message>, Error> {
        let mut recent = self.recent(chat, now).await?.into_iter().rev();
        Ok(recent.find(|message| {
            is_of_user(message, text) && message.reply_id.is_some() && came_a_moment_ago(message, now)
        }))
    }

    /// A user's message with this text that was posted a moment ago and has no reply yet.
    pub(super) async fn posted_a_moment_ago(
        &self,
        chat: ChatId,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<Message>, Error> {
        let recent = self.recent(chat, now).await?;
        let is_answered = |message: &Message| {
            recent.iter().any(|other| {
                other
                    .reply
                    .as_ref()
                    .is_some_and(|reply| reply.in_reply_to == Some(message.id))
            })
        };
        let posted = |message: &&Message| {
            is_of_user(message, text)
                && message.reply_id.is_none()
                && came_a_moment_ago(message, now)
                && !is_answered(message)
        };
        Ok(recent.iter().find(posted).cloned())
    }

    /// The latest messages of a chat that may have arrived a moment ago: no message is dated before its arrival.
    async fn recent(&self, chat: ChatId, now: Timestamp) -> Result<Vec<Message>, Error> {
        let request = PageRequest {
            after: Some(Position {
                at: now.plus_millis(-SAME_SENDING_MS),
                id: ObjectId::from_bytes([u8::MAX; 12]),
            }),
            ..PageRequest::last(SAME_SENDING_MESSAGES_MAX)
        };
        self.messages_of(chat, &request).await
    }

    async fn messages_of(&self, chat: ChatId, request: &PageRequest) -> Result<Vec<Message>, Error> {
        let all = MessageFilter::default();
        let mut pages = self.store.message_pages(&[chat], &all, request).await?;
        Ok(pages.remove(&chat).map(|page| page.items).unwrap_or_default())
    }

    /// Makes a chat that was created as [`ChatStatus::PENDING`] active, with the beginning of the first message of its user
    /// as its title: later legacy clients give a new chat no title. To be called when a message is stored. A failure is
    /// only logged.
    pub(super) async fn name_pending_chat(&self, chat: &Chat) {
        if chat.status.0 != ChatStatus::PENDING {
            return;
        }
        if let Err(error) = self.try_to_name(chat.id).await {
            tracing::warn!(chat.id = %chat.id, error = %causes(&error), "a pending chat could not be named");
        }
    }

    async fn try_to_name(&self, chat: ChatId) -> Result<(), Error> {
        // The message that was just stored need not be the first: another server may store one in the same moment.
        let first = self
            .messages_of(chat, &PageRequest::first(FIRST_MESSAGES))
            .await?;
        let now = self.clock.now();
        if !first.first().is_some_and(|first| came_a_moment_ago(first, now)) {
            return Ok(());
        }
        let Some(named_after) = first.iter().find(|message| message.author == Author::User) else {
            return Ok(());
        };
        let change = ChatChange {
            title: title_of(&named_after.text),
            status: Some(ChatStatus::active()),
        };
        if let Some(named) = self.store.update_chat(chat, &change, self.clock.now()).await? {
            self.feed.publish(chat, ChatEvent::chat_updated(&named)).await;
        }
        Ok(())
    }
}

fn is_of_user(message: &Message, text: &str) -> bool {
    message.author == Author::User && message.text == text
}

/// Whether a message arrived a moment ago, or a moment from now by the clock of another server.
fn came_a_moment_ago(message: &Message, now: Timestamp) -> bool {
    let age = now.millis().saturating_sub(came_at(message).millis());
    age.saturating_abs() <= SAME_SENDING_MS
}

/// When a message arrived. In a chat whose latest message has a date in the future, later messages are dated right
/// after it, possibly hours ahead; then their ids tell when they arrived. An id has the second only, and its beginning
/// is used: storing a text twice is better than losing one.
fn came_at(message: &Message) -> Timestamp {
    let minted_at = message.id.0.minted_at();
    let dated_later = message.created_at.millis().saturating_sub(minted_at.millis());
    match (0..DATED_LATER_MS_MAX).contains(&dated_later) {
        true => message.created_at,
        false => minted_at,
    }
}

/// The title made from a text; `None` if the text is blank.
fn title_of(text: &str) -> Option<String> {
    let mut title: String = text.chars().take(TITLE_CHARS).collect();
    if title.len() < text.len() {
        title.push_str("...");
    }
    (!title.trim().is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MessageId;

    #[test]
    fn a_message_came_when_its_id_was_minted_where_its_date_is_of_another_time() {
        let seconds = 1_700_000_000_u32;
        let at = |millis: i64| Timestamp::from_millis(i64::from(seconds) * 1_000 + millis);
        let dated = |created_at| {
            let mut id = [7; 12];
            id[..4].copy_from_slice(&seconds.to_be_bytes());
            let (id, chat) = (ObjectId::from_bytes(id), ObjectId::from_bytes([1; 12]));
            let text = "yes".to_owned();
            Message::plain(MessageId(id), ChatId(chat), Author::User, text, created_at)
        };
        for (created_at, came_at) in [
            (at(0), at(0)),
            (at(999), at(999)),
            (at(1_200), at(1_200)),
            (at(5 * 3_600_000), at(0)),
            (at(-3_600_000), at(0)),
        ] {
            let message = dated(created_at);
            assert_eq!(super::came_at(&message), came_at);
            for (later, is_near) in [(-2_001, false), (-2_000, true), (2_000, true), (2_001, false)] {
                let now = came_at.plus_millis(later);
                assert_eq!(
                    came_a_moment_ago(&message, now),
                    is_near,
                    "{created_at:?} {later}"
                );
            }
        }
    }

    #[test]
    fn a_title_is_the_beginning_of_a_text_in_whole_characters() {
        let devanagari = "क".repeat(51);
        let cut = format!("{}...", "क".repeat(50));
        assert_eq!(title_of(&devanagari), Some(cut));
        assert_eq!(title_of("Hello"), Some("Hello".to_owned()));
        assert_eq!(title_of(" \n "), None);
    }
}
