//! Messages.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{MemoryStore, State, page};
use crate::domain::{
    ChatId, ClientKey, Message, MessageChange, MessageFilter, MessageId, Page, PageRequest, Slice, Timestamp,
};
use crate::store::repeated::inserted_before;
use crate::store::{Inserted, MessageStore, StoreError, Writing, Written};

impl State {
    /// The messages of a chat, in its order.
    pub(super) fn messages_of(&self, chat: ChatId) -> Vec<Message> {
        let messages = self.messages.values().filter(|message| message.chat_id == chat);
        let mut messages: Vec<_> = messages.cloned().collect();
        messages.sort_by_key(Message::position);
        messages
    }

    pub(super) fn insert_message(&mut self, message: &Message) -> Result<Inserted, StoreError> {
        let key = message.client_key.as_ref();
        let of_key = key.and_then(|key| self.message_of_key(message.chat_id, key));
        if let Some(rival) = of_key.or_else(|| self.messages.get(&message.id).cloned()) {
            return inserted_before(rival, message);
        }
        self.messages.insert(message.id, message.clone());
        Ok(Inserted::New)
    }

    pub(super) fn message_of_key(&self, chat: ChatId, key: &ClientKey) -> Option<Message> {
        let mut messages = self.messages.values();
        let found =
            messages.find(|message| message.chat_id == chat && message.client_key.as_ref() == Some(key));
        found.cloned()
    }

    /// A message of a chat.
    pub(super) fn message_of(&mut self, chat: ChatId, id: MessageId) -> Option<&mut Message> {
        self.messages
            .get_mut(&id)
            .filter(|message| message.chat_id == chat)
    }

    fn update_message(
        &mut self,
        chat: ChatId,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Option<Message> {
        let message = self.message_of(chat, id)?;
        if let Some(text) = &change.text {
            message.text.clone_from(text);
        }
        if let Some(reaction) = &change.reaction {
            message.reaction.clone_from(reaction);
        }
        message.token_count = change.token_count.or(message.token_count);
        message.is_edited = change.is_edited.unwrap_or(message.is_edited);
        message.updated_at = message.updated_at.max(now);
        Some(message.clone())
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn write_message(&self, writing: &Writing) -> Result<Written, StoreError> {
        self.state().write_message(writing)
    }

    async fn insert_message(&self, message: &Message) -> Result<Inserted, StoreError> {
        self.state().insert_message(message)
    }

    async fn message_of_key(&self, chat: ChatId, key: &ClientKey) -> Result<Option<Message>, StoreError> {
        Ok(self.state().message_of_key(chat, key))
    }

    async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        let state = self.state();
        Ok(ids
            .iter()
            .filter_map(|id| state.messages.get(id).cloned())
            .collect())
    }

    async fn message_pages(
        &self,
        chats: &[ChatId],
        filter: &MessageFilter,
        request: &PageRequest,
    ) -> Result<HashMap<ChatId, Page<Message>>, StoreError> {
        let state = self.state();
        let fits = |message: &Message| {
            filter.author.is_none_or(|author| message.author == author)
                && filter.kind.as_ref().is_none_or(|kind| message.kind == *kind)
        };
        let pages = chats.iter().map(|chat| {
            let mut messages = state.messages_of(*chat);
            messages.retain(fits);
            (*chat, page(messages, request, false, Message::position))
        });
        Ok(pages.collect())
    }

    async fn message_slice(&self, chat: ChatId, slice: Slice) -> Result<Vec<Message>, StoreError> {
        let skip = usize::try_from(slice.skip).unwrap_or(usize::MAX);
        let messages = self.state().messages_of(chat).into_iter();
        Ok(messages.skip(skip).take(slice.limit).collect())
    }

    async fn last_messages(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError> {
        let state = self.state();
        let last = |chat: &ChatId| Some((*chat, state.messages_of(*chat).pop()?));
        Ok(chats.iter().filter_map(last).collect())
    }

    async fn message_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, u64>, StoreError> {
        let state = self.state();
        let count = |chat: &ChatId| (*chat, state.messages_of(*chat).len() as u64);
        Ok(chats.iter().map(count).collect())
    }

    async fn token_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, i64>, StoreError> {
        let state = self.state();
        let sum = |chat: &ChatId| {
            let messages = state.messages_of(*chat);
            let counts = messages.iter().filter_map(|message| message.token_count);
            (
                *chat,
                counts.fold(0_i64, |sum, count| sum.saturating_add(count.tokens)),
            )
        };
        Ok(chats.iter().map(sum).collect())
    }

    async fn update_message(
        &self,
        chat: ChatId,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        Ok(self.state().update_message(chat, id, change, now))
    }

    async fn delete_message(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_there = state.message_of(chat, id).is_some();
        Ok(is_there && state.messages.remove(&id).is_some())
    }
}
