//! What is kept: small traits by noun, and the engines that implement them: two that last, and one
//! in memory, for simulations.
//!
//! Every method is one round trip to the engine unless its comment says otherwise. A write has happened durably when
//! it returns: acknowledged by a majority and journaled on MongoDB, fsynced on the embedded engine. What does not
//! exist is `None` or an absent entry, never an error. No method checks who asks; that is the service's work.
//!
//! To add a method: declare and describe it here, give it a case in `tests/it/conformance`, implement it in
//! each engine.

pub mod embedded;
pub mod inspection;
pub mod memory;
pub mod metered;
pub mod mongo;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{
    Chat, ChatChange, ChatFilter, ChatId, ClientKey, Message, MessageChange, MessageFilter, MessageId, Page,
    PageRequest, ReplyOutcome, Revocation, SearchScope, SearchWords, Slice, StopRequest, Timestamp, UsageRow,
    UserId,
};

pub use embedded::EmbeddedStore;
pub use memory::MemoryStore;
pub use metered::MeteredStore;
pub use mongo::{MongoStore, ScratchDatabase};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or did not answer in time. The same call may succeed later; whether this one took
    /// effect is not known.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document, row or answer is not of a shape that can be read.
    #[error("the store holds something unreadable")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine refused a call that should have been right.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What came of an insert that carries a client key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The message is stored.
    New,
    /// The chat already has a message of that key: this one. Nothing was stored.
    Existing(Box<Message>),
}

/// What the owner of a reply learns when it writes a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpointed {
    /// The checkpoint is stored and the lease renewed.
    Held {
        /// Whether somebody asked for the reply to stop.
        is_stop_requested: bool,
    },
    /// The reply has ended, or is no longer this owner's, or is gone. Nothing was stored.
    Lost,
}

/// By what right a reply is ended. It is looked at by the write that ends the reply, not before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// It is the owner of this name, whether or not its lease still runs.
    Owner(&'a str),
    /// Its lease has ended, by the clock of the store: its owner is taken for dead.
    Lapsed,
    /// No other process uses the store.
    Alone,
}

/// Chats.
#[async_trait]
pub trait ChatStore: Send + Sync {
    /// Stores a new chat.
    async fn insert_chat(&self, chat: &Chat) -> Result<(), StoreError>;

    /// The chats of these ids that exist, in no order.
    async fn chats(&self, ids: &[ChatId]) -> Result<Vec<Chat>, StoreError>;

    /// A page of a user's chats, ordered from the greatest (`updated_at`, id) to the smallest. A
    /// [`crate::domain::Position`] of this list holds `updated_at`.
    async fn chat_page(
        &self,
        user: &UserId,
        filter: &ChatFilter,
        request: &PageRequest,
    ) -> Result<Page<Chat>, StoreError>;

    /// A part of a user's chats by number, ordered from the greatest `created_at` to the smallest, ties from the
    /// smallest id to the greatest, which is the order of insertion. Reads the keys of the chats passed over.
    async fn chat_slice(&self, user: &UserId, slice: Slice) -> Result<Vec<Chat>, StoreError>;

    /// How many chats a user has. Reads index keys only.
    async fn chat_count(&self, user: &UserId) -> Result<u64, StoreError>;

    /// Changes a chat, sets its `updated_at` to `now` (never backwards), and returns it as it then is.
    async fn update_chat(
        &self,
        id: ChatId,
        change: &ChatChange,
        now: Timestamp,
    ) -> Result<Option<Chat>, StoreError>;

    /// Deletes a chat with all its messages; whether there was one. A reader sees the chat whole or not at all, and
    /// a deletion that a crash interrupts is finished when the store is next opened. Several round trips.
    async fn delete_chat(&self, id: ChatId) -> Result<bool, StoreError>;
}

/// Messages. Within a chat they are ordered from the smallest (`created_at`, id) to the greatest; a
/// [`crate::domain::Position`] of such a list holds `created_at`.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Stores a new message, unless it carries a client key that its chat already has. Of any number of concurrent
    /// inserts with one key, exactly one is [`Inserted::New`].
    async fn insert_message(&self, message: &Message) -> Result<Inserted, StoreError>;

    /// The message of that client key in that chat.
    async fn message_of_key(&self, chat: ChatId, key: &ClientKey) -> Result<Option<Message>, StoreError>;

    /// The messages of these ids that exist, in no order.
    async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError>;

    /// One page of each chat, all of the same request. A chat without such messages may be absent.
    async fn message_pages(
        &self,
        chats: &[ChatId],
        filter: &MessageFilter,
        request: &PageRequest,
    ) -> Result<HashMap<ChatId, Page<Message>>, StoreError>;

    /// A part of a chat's messages by number. Reads the keys of the messages passed over.
    async fn message_slice(&self, chat: ChatId, slice: Slice) -> Result<Vec<Message>, StoreError>;

    /// The last message of each chat that has one.
    async fn last_messages(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError>;

    /// How many messages each chat has; an empty chat may be absent. Reads index keys only.
    async fn message_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, u64>, StoreError>;

    /// The sum of `token_count` over each chat's messages; a chat without any may be absent.
    async fn token_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, i64>, StoreError>;

    /// Changes a message, sets its `updated_at` to `now` (never backwards), and returns it as it then is.
    async fn update_message(
        &self,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError>;

    /// Deletes a message; whether there was one.
    async fn delete_message(&self, id: MessageId) -> Result<bool, StoreError>;
}

/// Replies: the fields of a bot's message that change while it is generated. Each write is one compare-and-set on
/// the reply's state, so that a reply that has ended never changes.
///
/// Leases are measured by the clock of the store alone, so servers whose clocks differ agree on who is dead.
#[async_trait]
pub trait ReplyStore: Send + Sync {
    /// Stores a new message with a reply that streams, as [`MessageStore::insert_message`] does, and with a lease that
    /// ends `lease` from now, whatever the message says. A reply that has this id already, as whoever sends a prompt
    /// again finds it, is [`Inserted::Existing`].
    async fn begin_reply(&self, message: &Message, lease: Duration) -> Result<Inserted, StoreError>;

    /// Writes the text so far, and renews the lease until `lease` from now, also if it has ended;
    /// only while the reply is streaming and `owner` owns it. A text that is not longer than what is stored renews the
    /// lease alone, and a lease never becomes shorter: a write that comes late undoes nothing.
    async fn checkpoint(
        &self,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError>;

    /// Notes that the reply shall stop, unless it has ended or that was noted before; the message as it then is.
    async fn request_stop(&self, id: MessageId, stop: &StopRequest) -> Result<Option<Message>, StoreError>;

    /// Ends a streaming reply in one atomic write, sets `updated_at` and `token_count` (the completion's tokens),
    /// and returns the message. `None` if the reply has ended before, is gone, or the claim does not hold.
    async fn finish_reply(
        &self,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
    ) -> Result<Option<Message>, StoreError>;

    /// Up to `limit` streaming replies of which the claim holds, those first whose lease ends first.
    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError>;

    /// The oldest streaming reply of each chat that has one.
    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError>;
}

/// Searches. Everywhere, a word is a run of letters, digits, marks and `_`, so that a word never matches within a
/// longer one, and its case and the accents of Latin letters do not matter. Words behind a character NUL may be missed.
#[async_trait]
pub trait SearchStore: Send + Sync {
    /// A page of the messages that hold every word, the newest first: from the greatest (`created_at`, id) to the
    /// smallest. A [`crate::domain::Position`] of this list holds `created_at`. Streaming replies may be absent
    /// until they have ended. Two round trips if the scope is a user.
    async fn search_messages(
        &self,
        scope: &SearchScope,
        words: &SearchWords,
        request: &PageRequest,
    ) -> Result<Page<Message>, StoreError>;
}

/// Figures.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// What the messages of a user's chats that were written in [`from`, `to`) used, by UTC day, author, model and
    /// kind of figure, in ascending order of these: users before bots, no model before any, reported before estimated.
    /// Only messages whose tokens were counted, unless they are replies that stream, and replies that have ended,
    /// however they did. A figure past what an integer holds is the greatest integer. Two round trips.
    async fn usage(&self, user: &UserId, from: Timestamp, to: Timestamp)
    -> Result<Vec<UsageRow>, StoreError>;
}

/// Users whose earlier tokens are worth nothing.
#[async_trait]
pub trait RevocationStore: Send + Sync {
    /// Notes that tokens of `user` that were issued before now are worth nothing: the moment, by the clock of the store,
    /// never earlier than one that was noted before. Kept for [`REVOCATIONS_KEPT_FOR`].
    async fn revoke(&self, user: &UserId) -> Result<Revocation, StoreError>;

    /// Up to `limit` of the latest revocation of each user, those of `since` and later, the earliest first.
    async fn revocations(&self, since: Timestamp, limit: usize) -> Result<Vec<Revocation>, StoreError>;
}

/// How long revocations are kept: longer than any token is believed.
pub const REVOCATIONS_KEPT_FOR: Duration = Duration::from_secs(401 * 86_400);

/// Everything that is kept.
#[async_trait]
pub trait Store: ChatStore + MessageStore + ReplyStore + SearchStore + UsageStore + RevocationStore {
    /// Answers when the engine can be read and written.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Whether two messages of one id are one sending: what the server changes later is not compared.
fn is_same_sending(stored: &Message, message: &Message) -> bool {
    let sending = |message: &Message| {
        (
            message.chat_id,
            message.author,
            message.created_at,
            message.client_key.clone(),
        )
    };
    sending(stored) == sending(message)
}

/// What an insert comes to where `rival` has the id or the client key of `message`.
fn judge(rival: Message, message: &Message) -> Result<Inserted, StoreError> {
    if rival.id != message.id {
        return Ok(Inserted::Existing(Box::new(rival)));
    }
    if is_same_sending(&rival, message) {
        // Our own attempt, whose outcome the caller was not told.
        return Ok(Inserted::New);
    }
    // The id of a reply is minted with its prompt: a prompt that is sent again begins the reply under the same id.
    let is_same_reply = rival.reply.is_some() && message.reply.is_some() && rival.chat_id == message.chat_id;
    match is_same_reply {
        true => Ok(Inserted::Existing(Box::new(rival))),
        false => Err(StoreError::Failed("the message's id is taken".into())),
    }
}
