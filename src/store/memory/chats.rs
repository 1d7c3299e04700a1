//! Chats.

use std::cmp::Reverse;

use async_trait::async_trait;

use super::{MemoryStore, State, page};
use crate::domain::{
    Chat, ChatChange, ChatFilter, ChatId, Page, PageRequest, Position, Slice, Timestamp, UserId,
};
use crate::store::{ChatStore, StoreError};

impl State {
    fn chats_of(&self, user: &UserId) -> Vec<Chat> {
        let chats = self.chats.values().filter(|chat| chat.user_id == *user);
        chats.cloned().collect()
    }

    fn insert_chat(&mut self, chat: &Chat) -> Result<(), StoreError> {
        match self.chats.get(&chat.id) {
            None => drop(self.chats.insert(chat.id, chat.clone())),
            // Our own attempt, whose outcome the caller was not told.
            Some(rival) if rival.user_id == chat.user_id && rival.created_at == chat.created_at => {}
            Some(_) => return Err(StoreError::Failed("the chat's id is taken".into())),
        }
        Ok(())
    }

    fn update_chat(&mut self, id: ChatId, change: &ChatChange, now: Timestamp) -> Option<Chat> {
        let chat = self.chats.get_mut(&id)?;
        if let Some(title) = &change.title {
            chat.title.clone_from(title);
        }
        if let Some(status) = &change.status {
            chat.status.clone_from(status);
        }
        chat.updated_at = chat.updated_at.max(now);
        Some(chat.clone())
    }

    fn delete_chat(&mut self, id: ChatId) -> bool {
        let is_deleted = self.chats.remove(&id).is_some();
        if is_deleted {
            self.deleted.insert(id);
            self.messages
                .retain(|_, message| message.chat_id != id || !message.is_under_way());
        }
        is_deleted
    }

    fn sweep_deleted(&mut self, messages_max: usize) -> Option<ChatId> {
        let chat = self.deleted.first().copied()?;
        let messages = self.messages.values().filter(|message| message.chat_id == chat);
        let piece: Vec<_> = messages.map(|message| message.id).take(messages_max).collect();
        for id in &piece {
            self.messages.remove(id);
        }
        if piece.len() < messages_max {
            self.deleted.remove(&chat);
        }
        Some(chat)
    }
}

#[async_trait]
impl ChatStore for MemoryStore {
    async fn insert_chat(&self, chat: &Chat) -> Result<(), StoreError> {
        self.state().insert_chat(chat)
    }

    async fn chats(&self, ids: &[ChatId]) -> Result<Vec<Chat>, StoreError> {
        let state = self.state();
        Ok(ids.iter().filter_map(|id| state.chats.get(id).cloned()).collect())
    }

    async fn chat_page(
        &self,
        user: &UserId,
        filter: &ChatFilter,
        request: &PageRequest,
    ) -> Result<Page<Chat>, StoreError> {
        let mut chats = self.state().chats_of(user);
        chats.retain(|chat| {
            filter.status.as_ref().is_none_or(|status| chat.status == *status)
                && filter
                    .document_id
                    .is_none_or(|document| chat.document_id == Some(document))
        });
        let place = |chat: &Chat| Position {
            at: chat.updated_at,
            id: chat.id.0,
        };
        chats.sort_by_key(|chat| Reverse(place(chat)));
        Ok(page(chats, request, true, place))
    }

    async fn chat_slice(&self, user: &UserId, slice: Slice) -> Result<Vec<Chat>, StoreError> {
        let mut chats = self.state().chats_of(user);
        chats.sort_by_key(|chat| (Reverse(chat.created_at), chat.id));
        let skip = usize::try_from(slice.skip).unwrap_or(usize::MAX);
        Ok(chats.into_iter().skip(skip).take(slice.limit).collect())
    }

    async fn chat_count(&self, user: &UserId) -> Result<u64, StoreError> {
        Ok(self.state().chats_of(user).len() as u64)
    }

    async fn update_chat(
        &self,
        id: ChatId,
        change: &ChatChange,
        now: Timestamp,
    ) -> Result<Option<Chat>, StoreError> {
        Ok(self.state().update_chat(id, change, now))
    }

    async fn delete_chat(&self, id: ChatId) -> Result<bool, StoreError> {
        Ok(self.state().delete_chat(id))
    }

    async fn sweep_deleted(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError> {
        Ok(self.state().sweep_deleted(messages_max))
    }
}
