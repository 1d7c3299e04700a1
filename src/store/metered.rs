//! Any store, its operations counted and timed: put on once, where the store is opened, whichever it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Before, Begun, ChatStore, Checkpointed, Claim, Exchange, HistoryBounds, Inserted, MessageStore,
    ReplyStore, RevocationStore, SearchStore, Store, StoreError, UsageStore, Writing, Written,
};
use crate::domain::{
    Bill, Chat, ChatChange, ChatFilter, ChatId, ClientKey, Message, MessageChange, MessageFilter, MessageId,
    Page, PageRequest, Position, ReplyOutcome, Revocation, SearchScope, SearchWords, Slice, StopRequest,
    Timestamp, UsageRow, UserId,
};
use crate::telemetry::store::operation;

/// A store whose operations are seen from outside.
pub struct MeteredStore(Arc<dyn Store>);

impl MeteredStore {
    /// The same store, watched.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

/// What a label calls an error.
fn kind_of(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Corrupt(_) => "corrupt",
        StoreError::Failed(_) => "failed",
    }
}

#[async_trait]
impl ChatStore for MeteredStore {
    async fn insert_chat(&self, chat: &Chat) -> Result<(), StoreError> {
        operation("insert_chat", self.0.insert_chat(chat), kind_of).await
    }

    async fn chats(&self, ids: &[ChatId]) -> Result<Vec<Chat>, StoreError> {
        operation("chats", self.0.chats(ids), kind_of).await
    }

    async fn chat_page(
        &self,
        user: &UserId,
        filter: &ChatFilter,
        request: &PageRequest,
    ) -> Result<Page<Chat>, StoreError> {
        operation("chat_page", self.0.chat_page(user, filter, request), kind_of).await
    }

    async fn chat_slice(&self, user: &UserId, slice: Slice) -> Result<Vec<Chat>, StoreError> {
        operation("chat_slice", self.0.chat_slice(user, slice), kind_of).await
    }

    async fn chat_count(&self, user: &UserId) -> Result<u64, StoreError> {
        operation("chat_count", self.0.chat_count(user), kind_of).await
    }

    async fn update_chat(
        &self,
        id: ChatId,
        change: &ChatChange,
        now: Timestamp,
    ) -> Result<Option<Chat>, StoreError> {
        operation("update_chat", self.0.update_chat(id, change, now), kind_of).await
    }

    async fn delete_chat(&self, id: ChatId) -> Result<bool, StoreError> {
        operation("delete_chat", self.0.delete_chat(id), kind_of).await
    }

    async fn sweep_deleted(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError> {
        operation("sweep_deleted", self.0.sweep_deleted(messages_max), kind_of).await
    }
}

#[async_trait]
impl MessageStore for MeteredStore {
    async fn write_message(&self, writing: &Writing) -> Result<Written, StoreError> {
        operation("write_message", self.0.write_message(writing), kind_of).await
    }

    async fn insert_message(&self, message: &Message) -> Result<Inserted, StoreError> {
        operation("insert_message", self.0.insert_message(message), kind_of).await
    }

    async fn message_of_key(&self, chat: ChatId, key: &ClientKey) -> Result<Option<Message>, StoreError> {
        operation("message_of_key", self.0.message_of_key(chat, key), kind_of).await
    }

    async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        operation("messages", self.0.messages(ids), kind_of).await
    }

    async fn message_pages(
        &self,
        chats: &[ChatId],
        filter: &MessageFilter,
        request: &PageRequest,
    ) -> Result<HashMap<ChatId, Page<Message>>, StoreError> {
        operation(
            "message_pages",
            self.0.message_pages(chats, filter, request),
            kind_of,
        )
        .await
    }

    async fn message_slice(&self, chat: ChatId, slice: Slice) -> Result<Vec<Message>, StoreError> {
        operation("message_slice", self.0.message_slice(chat, slice), kind_of).await
    }

    async fn last_messages(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError> {
        operation("last_messages", self.0.last_messages(chats), kind_of).await
    }

    async fn message_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, u64>, StoreError> {
        operation("message_counts", self.0.message_counts(chats), kind_of).await
    }

    async fn token_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, i64>, StoreError> {
        operation("token_counts", self.0.token_counts(chats), kind_of).await
    }

    async fn update_message(
        &self,
        chat: ChatId,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        let updated = self.0.update_message(chat, id, change, now);
        operation("update_message", updated, kind_of).await
    }

    async fn delete_message(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError> {
        operation("delete_message", self.0.delete_message(chat, id), kind_of).await
    }
}

#[async_trait]
impl ReplyStore for MeteredStore {
    async fn begin_exchange(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        operation("begin_exchange", self.0.begin_exchange(exchange), kind_of).await
    }

    async fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError> {
        let before = self.0.before_reply(chat, id, until, bounds);
        operation("before_reply", before, kind_of).await
    }

    async fn checkpoint(
        &self,
        chat: ChatId,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError> {
        let stored = self.0.checkpoint(chat, id, owner, text, lease);
        operation("checkpoint", stored, kind_of).await
    }

    async fn request_stop(
        &self,
        chat: ChatId,
        id: MessageId,
        stop: &StopRequest,
    ) -> Result<Option<Message>, StoreError> {
        operation("request_stop", self.0.request_stop(chat, id, stop), kind_of).await
    }

    async fn finish_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError> {
        let finished = self.0.finish_reply(chat, id, claim, outcome, bill);
        operation("finish_reply", finished, kind_of).await
    }

    async fn remove_reply(&self, chat: ChatId, id: MessageId, claim: Claim<'_>) -> Result<bool, StoreError> {
        operation("remove_reply", self.0.remove_reply(chat, id, claim), kind_of).await
    }

    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError> {
        operation(
            "claimable_replies",
            self.0.claimable_replies(claim, limit),
            kind_of,
        )
        .await
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Vec<Message>>, StoreError> {
        operation("active_replies", self.0.active_replies(chats), kind_of).await
    }
}

#[async_trait]
impl SearchStore for MeteredStore {
    async fn search_messages(
        &self,
        scope: &SearchScope,
        words: &SearchWords,
        request: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        operation(
            "search_messages",
            self.0.search_messages(scope, words, request),
            kind_of,
        )
        .await
    }
}

#[async_trait]
impl UsageStore for MeteredStore {
    async fn usage(
        &self,
        user: &UserId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRow>, StoreError> {
        operation("usage", self.0.usage(user, from, to), kind_of).await
    }
}

#[async_trait]
impl RevocationStore for MeteredStore {
    async fn revoke(&self, user: &UserId) -> Result<Revocation, StoreError> {
        operation("revoke", self.0.revoke(user), kind_of).await
    }

    async fn revocations(&self, since: Timestamp, limit: usize) -> Result<Vec<Revocation>, StoreError> {
        operation("revocations", self.0.revocations(since, limit), kind_of).await
    }
}

#[async_trait]
impl Store for MeteredStore {
    async fn ping(&self) -> Result<(), StoreError> {
        operation("ping", self.0.ping(), kind_of).await
    }
}
