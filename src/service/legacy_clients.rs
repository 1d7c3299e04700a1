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
        Ok(sent(&self.recent(chat, now).await?, text, now).cloned())
    }

    /// A user's message with this text that was posted a moment ago and has no reply yet.
    pub(super) async fn posted_a_moment_ago(
        &self,
        chat: ChatId,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<Message>, Error> {
        Ok(posted(&self.recent(chat, now).await?, text, now).cloned())
    }

    /// The message that takes the place of one that was just posted: that with its text which another call stored with a
    /// reply meanwhile. The posted one is then deleted, unless it is answered itself. Calls that hold the lock of the chat
    /// look before they store; on two servers, or of two callers, both may look before either stores. It costs each call
    /// of a legacy client one more read.
    pub(super) async fn replace_by_sent(&self, posted: &Message) -> Option<Message> {
        let now = self.clock.now();
        let recent = ok_or_log(posted.chat_id, self.recent(posted.chat_id, now).await)?;
        let sent = replacement(&recent, posted, now)?.clone();
        self.delete_duplicate(posted).await;
        Some(sent)
    }

    /// Deletes the message with the text of one that was just sent, if another call posted it meanwhile.
    pub(super) async fn delete_posted(&self, sent: &Message) {
        let posted = self.posted_a_moment_ago(sent.chat_id, &sent.text, self.clock.now());
        if let Some(posted) = ok_or_log(sent.chat_id, posted.await).flatten() {
            self.delete_duplicate(&posted).await;
        }
    }

    async fn delete_duplicate(&self, posted: &Message) {
        match self.delete_within(posted.clone()).await {
            // The other call may have deleted it already.
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => drop(ok_or_log::<()>(posted.chat_id, Err(error))),
        }
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
        let all = MessageFilter::default();
        let mut pages = self.store.message_pages(&[chat], &all, &request).await?;
        Ok(pages.remove(&chat).map(|page| page.items).unwrap_or_default())
    }

    /// Makes a chat that was created as [`ChatStatus::PENDING`] active, with the beginning of a user's first message,
    /// which is stored, as its title: later legacy clients give a new chat no title. A failure is only logged.
    /// `stored_with` is the number of messages that were stored with it, itself included.
    pub(super) async fn name_pending_chat(&self, chat: &Chat, first: &Message, stored_with: u64) {
        if chat.status.0 != ChatStatus::PENDING {
            return;
        }
        if let Err(error) = self.try_to_name(chat.id, &first.text, stored_with).await {
            tracing::warn!(chat.id = %chat.id, error = %causes(&error), "a pending chat could not be named");
        }
    }

    async fn try_to_name(&self, chat: ChatId, text: &str, stored_with: u64) -> Result<(), Error> {
        let counts = self.store.message_counts(&[chat]).await?;
        if counts.get(&chat).is_some_and(|count| *count > stored_with) {
            return Ok(());
        }
        let change = ChatChange {
            title: title_of(text),
            status: Some(ChatStatus::active()),
        };
        if let Some(named) = self.store.update_chat(chat, &change, self.clock.now()).await? {
            self.feed.publish(chat, ChatEvent::chat_updated(&named)).await;
        }
        Ok(())
    }
}

/// What was found; `None` after an error, which is logged: then the text stays stored twice.
fn ok_or_log<T>(chat: ChatId, found: Result<T, Error>) -> Option<T> {
    let log = |error: &Error| {
        tracing::warn!(chat.id = %chat, error = %causes(error), "a duplicate of a legacy client's message could not be removed");
    };
    found.inspect_err(log).ok()
}

/// The last of these messages that a user sent with a reply a moment ago, with this text.
fn sent<'a>(recent: &'a [Message], text: &str, now: Timestamp) -> Option<&'a Message> {
    let is_sent = |message: &&Message| {
        is_of_user(message, text) && message.reply_id.is_some() && came_a_moment_ago(message, now)
    };
    recent.iter().rev().find(is_sent)
}

/// The first of these messages that a user posted a moment ago, with this text, and that has no reply yet. Not one with a
/// client key, which says that it is a message of its own.
fn posted<'a>(recent: &'a [Message], text: &str, now: Timestamp) -> Option<&'a Message> {
    let is_posted = |message: &&Message| {
        is_of_user(message, text)
            && message.reply_id.is_none()
            && message.client_key.is_none()
            && came_a_moment_ago(message, now)
            && !is_answered(message, recent)
    };
    recent.iter().find(is_posted)
}

/// The one of these messages that takes the place of a posted one, unless that is answered itself.
fn replacement<'a>(recent: &'a [Message], posted: &Message, now: Timestamp) -> Option<&'a Message> {
    match is_answered(posted, recent) {
        true => None,
        false => sent(recent, &posted.text, now),
    }
}

/// Whether one of these messages is a reply to it.
fn is_answered(message: &Message, recent: &[Message]) -> bool {
    let mut replies = recent.iter().filter_map(|other| other.reply.as_ref());
    replies.any(|reply| reply.in_reply_to == Some(message.id))
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
#[path = "legacy_clients_tests.rs"]
mod tests;
