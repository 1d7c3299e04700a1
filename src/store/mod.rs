//! What is kept: small traits by noun, and the engines that implement them: two that last, and one
//! in memory, for simulations.
//!
//! Every method is one round trip to the engine unless its comment says otherwise. A write has happened durably when
//! it returns: acknowledged by a majority and journaled on MongoDB, fsynced on the embedded engine. What does not
//! exist is `None` or an absent entry, never an error. No method checks who asks; that is the service's work.
//!
//! To add a method: declare and describe it here, name it in `wrapped`, give it a case in `tests/it/conformance`,
//! implement it in each engine.

mod dates;
pub mod embedded;
pub mod inspection;
pub mod memory;
pub mod metered;
pub mod mongo;
pub mod recount;
mod repeated;
pub(crate) mod wrapped;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{
    Bill, Chat, ChatChange, ChatFilter, ChatId, ClientKey, Message, MessageChange, MessageFilter, MessageId,
    Page, PageRequest, Position, ReplyOutcome, Revocation, SearchScope, SearchWords, Slice, StopRequest,
    Timestamp, UsageRow, UserId,
};

pub use embedded::EmbeddedStore;
pub use memory::MemoryStore;
pub use metered::MeteredStore;
pub use mongo::{MongoStore, ScratchDatabase};
pub(crate) use repeated::is_same_content;

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

/// A message to write in a chat that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// The message. Its moment is the earliest that it may get: the store gives it a later one where the chat's latest
    /// message has that moment or a later one, so that within a chat the order never goes back.
    pub message: Message,
    /// The user whose chat it has to be; `None` for anybody's. Another's chat is [`Written::NoChat`].
    pub chat_of: Option<UserId>,
    /// Whether the chat moves to the top of its owner's list.
    pub moves_chat_up: bool,
}

/// What came of writing a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    New {
        /// The chat as it then is.
        chat: Box<Chat>,
        /// The message as it is stored.
        message: Box<Message>,
    },
    /// An earlier sending with the same client key and content stored it: this message. Nothing was written.
    Existing(Box<Message>),
    /// The chat has a message of that client key with other content. Nothing was written.
    KeyReused,
    /// There is no such chat, or it is another user's. Nothing was written.
    NoChat,
}

/// The message that a reply answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    /// A new message, stored together with its reply. It names the reply in `reply_id`. Its moment is as that of
    /// [`Writing::message`].
    New(Box<Message>),
    /// A message that is stored already, or none: then only the reply is stored.
    Stored,
}

/// A reply to begin, and the prompt that it answers: stored both or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What is answered.
    pub asking: Asking,
    /// The reply, streaming, with its owner. The store gives it a moment: a millisecond after a new prompt's, else as
    /// that of [`Writing::message`]. Its lease is set by the store's clock. With [`Asking::Stored`], the client key of
    /// the exchange is the reply's, else the prompt's.
    pub reply: Message,
    /// The user whose chat it has to be; `None` for anybody's.
    pub chat_of: Option<UserId>,
    /// How long the owner vouches for the reply, from now.
    pub lease: Duration,
    /// The most other replies of the chat that may be under way, at most [`ACTIVE_REPLIES_MAX`] less one. That greatest
    /// number is never exceeded, however many servers ask at once. A smaller one may be where another reply begins at
    /// the same moment; this one then waits for it.
    pub others_max: usize,
}

impl Exchange {
    /// The new prompt, if there is one.
    pub fn prompt(&self) -> Option<&Message> {
        match &self.asking {
            Asking::New(prompt) => Some(prompt),
            Asking::Stored => None,
        }
    }

    /// The message that is stored first, which has the client key: the new prompt, or else the reply.
    pub fn first(&self) -> &Message {
        self.prompt().unwrap_or(&self.reply)
    }
}

/// What came of beginning an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The reply is stored and has not ended, and its owner generates it. This call stored it, or the same call (same
    /// ids and owner) did before.
    Begun {
        /// The chat as it then is.
        chat: Box<Chat>,
        /// The prompt as it is stored. `None` if only a reply was asked for. Also `None` if the same call stored the
        /// reply before, and the prompt was never stored or was deleted since.
        prompt: Option<Box<Message>>,
        /// The reply as it is stored.
        reply: Box<Message>,
    },
    /// Another call with the same client key and content began an exchange before. Or the same call did, and its reply
    /// has ended or was deleted since. Nothing was stored.
    Joined {
        /// The prompt of the earlier call; `None` if only a reply was asked for.
        prompt: Option<Box<Message>>,
        /// The reply of the earlier call, whoever generates it; `None` if it was deleted since.
        reply: Option<Box<Message>>,
    },
    /// The chat has a message of that client key with other content. Nothing was stored.
    KeyReused,
    /// More than `others_max` other replies are under way: the oldest of them. Nothing was stored.
    Full(MessageId),
    /// There is no such chat, or it is another user's. Nothing was stored.
    NoChat,
}

/// The most replies of one chat that run or wait for their turn, on all servers together.
pub const ACTIVE_REPLIES_MAX: usize = 8;

/// What stands before a reply in its chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// The replies under way that it has to wait for: those that were asked for before it, the oldest first; or one
    /// that was asked for after it and stored before it, which runs first. Where there is none, the reply runs: of a
    /// chat's replies one at a time, on all servers together.
    pub earlier: Vec<Message>,
    /// The latest messages up to a place and including it, in the chat's order.
    pub history: Vec<Message>,
}

/// How far back [`ReplyStore::before_reply`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryBounds {
    /// The most messages.
    pub messages_max: usize,
    /// About how many bytes of text, at most; the latest message is read however long it is.
    pub bytes_max: usize,
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

    /// Deletes a chat; whether there was one. It is gone when this returns: nothing lists, finds or writes in it any
    /// more, and its replies under way are gone as well. Takes the same time however long the chat is: its messages are
    /// removed by [`ChatStore::sweep_deleted`], and until then may be found by whoever asks for them without looking
    /// for their chat. Two or three round trips.
    async fn delete_chat(&self, id: ChatId) -> Result<bool, StoreError>;

    /// Removes up to `messages_max` messages of deleted chats, of whichever server deleted them; one of these chats, or
    /// `None` if nothing is left to remove now. Any number of servers may do this at once. A chat is looked at again
    /// for some time after it is empty, in case a write to it was under way. A few round trips, and a rest if the store
    /// needs one: who goes on pauses for as long as this took.
    async fn sweep_deleted(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError>;
}

/// Messages. Within a chat they are ordered from the smallest (`created_at`, id) to the greatest; a
/// [`crate::domain::Position`] of such a list holds `created_at`.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Writes a message in a chat that exists, at a moment later than all its others. Of any number of concurrent
    /// writes with one client key, exactly one is [`Written::New`]. Two round trips.
    async fn write_message(&self, writing: &Writing) -> Result<Written, StoreError>;

    /// Stores a message as it is, at the moment and in the chat that it names, unless it carries a client key that its
    /// chat already has: for what was written elsewhere. Whether there is such a chat is not asked. Two round trips.
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

    /// How many messages each chat has; an empty chat may be absent. Takes the same time however long the chats are.
    /// Two round trips.
    async fn message_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, u64>, StoreError>;

    /// The sum of `token_count` over each chat's messages; a chat without any may be absent. As
    /// [`MessageStore::message_counts`].
    async fn token_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, i64>, StoreError>;

    /// Changes a message, sets its `updated_at` to `now` (never backwards), and returns it as it then is. Up to three
    /// round trips where its tokens change.
    async fn update_message(
        &self,
        chat: ChatId,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError>;

    /// Deletes a message of a chat; whether there was one. Up to three round trips.
    async fn delete_message(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError>;
}

/// Replies: the fields of a bot's message that change while it is generated. Each write is one compare-and-set on
/// the reply's state, so that a reply that has ended never changes.
///
/// Leases are measured by the clock of the store alone, so servers whose clocks differ agree on who is dead.
#[async_trait]
pub trait ReplyStore: Send + Sync {
    /// Stores the prompt and its reply, both or neither.
    ///
    /// Repeating the same call (same ids and owner) finds what it stored. While the reply has not ended, this renews
    /// the lease and returns [`Begun::Begun`]; afterwards it returns [`Begun::Joined`]. If one of the two messages was
    /// deleted since, it stays deleted.
    ///
    /// Another call whose client key the chat already has returns [`Begun::Joined`] if the content is the same, else
    /// [`Begun::KeyReused`]. Without such a key, an id that another message has is an error.
    ///
    /// After an error, or if the process dies meanwhile, a reply without its prompt may remain. Once its lease has
    /// ended, [`ReplyStore::claimable_replies`] returns it. Two round trips where nothing is in the way.
    async fn begin_exchange(&self, exchange: &Exchange) -> Result<Begun, StoreError>;

    /// The replies that the reply `id` of this chat waits for, and the latest messages up to `until`, inclusive. `None`
    /// if the chat or the reply is gone, or the reply has ended. Only the owner of the reply may call this. It calls
    /// again when one of the replies that it waits for has ended. One round trip for a reply that need not wait, two
    /// once it has waited.
    async fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError>;

    /// Writes the text so far, and renews the lease until `lease` from now, also if it has ended;
    /// only while the reply is streaming and `owner` owns it. A text that is not longer than what is stored renews the
    /// lease alone, and a lease never becomes shorter: a write that comes late undoes nothing.
    async fn checkpoint(
        &self,
        chat: ChatId,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError>;

    /// Notes that the reply shall stop, unless it has ended or that was noted before; the message as it then is.
    async fn request_stop(
        &self,
        chat: ChatId,
        id: MessageId,
        stop: &StopRequest,
    ) -> Result<Option<Message>, StoreError>;

    /// Ends a streaming reply in one atomic write, and returns the message. `None` if the reply has ended before, is
    /// gone, or the claim does not hold. [`Message::end`] says what the end changes.
    ///
    /// A reply has one bill, however often this is called and by whom: the first that is entered. With the owner's claim
    /// a bill is entered whatever became of the reply: what was used was used. With another claim it is entered if the
    /// claim holds of the streaming reply, or if the message is gone.
    ///
    /// After an error, call this again: the bill, the end, both or neither may be stored. Where they are two writes, a
    /// bill that is refused for good, rather than for a time, does not keep the reply from ending. With a bill, two
    /// round trips for the owner and three for others.
    async fn finish_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError>;

    /// Up to `limit` streaming replies of which the claim holds, those first whose lease ends first.
    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError>;

    /// Removes a streaming reply of which the claim holds: half of an exchange whose prompt was never stored, or that
    /// was left over in a chat that is gone. Whether it did.
    async fn remove_reply(&self, chat: ChatId, id: MessageId, claim: Claim<'_>) -> Result<bool, StoreError>;

    /// The streaming replies of each chat that has any, in the order in which they were asked for.
    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Vec<Message>>, StoreError>;
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
    /// What the replies in a user's chats used on the UTC days of [`from`, `to`), by day, model and kind of figure, in
    /// ascending order of these: no model before any, reported before estimated. Read from the ledger, so deleting or
    /// editing changes nothing in it. A figure past what an integer holds is the greatest integer.
    async fn usage(&self, user: &UserId, from: Timestamp, to: Timestamp)
    -> Result<Vec<UsageRow>, StoreError>;
}

/// Users whose earlier tokens are worth nothing.
#[async_trait]
pub trait RevocationStore: Send + Sync {
    /// Notes that tokens of `user` that were issued before now are worth nothing: the moment, by the clock of the
    /// store, never earlier than one that was noted before. Kept for [`REVOCATIONS_KEPT_FOR`].
    async fn revoke(&self, user: &UserId) -> Result<Revocation, StoreError>;

    /// Up to `limit` of the latest revocation of each user, by moment and then user: those after `after`, which need not
    /// be stored any more; without it, from the first. One that was begun earlier may be stored later, and is then
    /// among those before.
    async fn revocations(
        &self,
        after: Option<&Revocation>,
        limit: usize,
    ) -> Result<Vec<Revocation>, StoreError>;
}

/// How long revocations are kept: longer than any token is believed.
pub const REVOCATIONS_KEPT_FOR: Duration = Duration::from_secs(401 * 86_400);

/// Everything that is kept.
#[async_trait]
pub trait Store: ChatStore + MessageStore + ReplyStore + SearchStore + UsageStore + RevocationStore {
    /// Answers when the engine can be read and written.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Closes connections, before the process ends. Nothing is asked of the store afterwards.
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
