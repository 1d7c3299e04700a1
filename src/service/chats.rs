//! Chats: made, listed, changed, deleted.

use std::collections::HashMap;

use super::unconfirmed::Unconfirmed;
use super::{Error, PageArguments, Service, Subject};
use crate::domain::{
    Chat, ChatChange, ChatEvent, ChatFilter, ChatId, ChatStatus, DocumentId, Message, Page, PageRequest,
    UserId, Viewer,
};

/// A chat to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChat {
    /// The owner; the viewer if not given.
    pub user_id: Option<UserId>,
    /// The document it is about.
    pub document_id: Option<DocumentId>,
    /// The title.
    pub title: String,
    /// `active` if not given.
    pub status: Option<ChatStatus>,
}

impl Service {
    /// The chat, if the viewer may see it.
    pub async fn chat(&self, viewer: &Viewer, id: ChatId) -> Result<Chat, Error> {
        self.chats_by_id(viewer, &[id])
            .await?
            .remove(&id)
            .ok_or(Error::NotFound(Subject::Chat))
    }

    /// Those of these chats that the viewer may see: the one permission check of chats and all that is in them.
    pub async fn chats_by_id(&self, viewer: &Viewer, ids: &[ChatId]) -> Result<HashMap<ChatId, Chat>, Error> {
        let chats = self.store.chats(ids).await?;
        let visible = chats.into_iter().filter(|chat| viewer.may_act_for(&chat.user_id));
        Ok(visible.map(|chat| (chat.id, chat)).collect())
    }

    /// The page request for a caller's arguments of a list of chats.
    pub fn chat_page_request(&self, page: &PageArguments) -> Result<PageRequest, Error> {
        page.request(self.limits.chats_page_size, self.limits.page_size_max)
    }

    /// A page of a user's chats, or of the viewer's if no user is given. The most recently active chat comes first.
    pub async fn chat_page(
        &self,
        viewer: &Viewer,
        user: Option<UserId>,
        filter: &ChatFilter,
        request: &PageRequest,
    ) -> Result<Page<Chat>, Error> {
        let user = self.acting_for(viewer, user)?;
        Ok(self.store.chat_page(&user, filter, request).await?)
    }

    /// Makes a chat.
    pub async fn create_chat(&self, viewer: &Viewer, new: NewChat) -> Result<Chat, Error> {
        self.check_title(&new.title)?;
        let status = new.status.unwrap_or_else(ChatStatus::active);
        self.check_label("status", &status.0)?;
        let user_id = self.acting_for(viewer, new.user_id)?;
        let now = self.clock.now();
        let chat = Chat {
            id: ChatId(self.ids.next()),
            user_id,
            document_id: new.document_id,
            title: new.title,
            status,
            created_at: now,
            updated_at: now,
        };
        let service = self.clone();
        self.to_its_end(async move {
            service.store.insert_chat(&chat).await?;
            Ok(chat)
        })
        .await
    }

    /// Changes a chat's title or status.
    pub async fn update_chat(&self, viewer: &Viewer, id: ChatId, change: &ChatChange) -> Result<Chat, Error> {
        if let Some(title) = &change.title {
            self.check_title(title)?;
        }
        if let Some(status) = &change.status {
            self.check_label("status", &status.0)?;
        }
        self.chat(viewer, id).await?;
        let (service, change) = (self.clone(), change.clone());
        self.to_its_end(async move {
            let now = service.clock.now();
            let changed = service.store.update_chat(id, &change, now).await;
            let changed = service.confirmed(changed, Unconfirmed::ChatUpdated(id, change))?;
            let changed = changed.ok_or(Error::NotFound(Subject::Chat))?;
            service.feed.publish(id, ChatEvent::chat_updated(&changed)).await;
            Ok(changed)
        })
        .await
    }

    /// Deletes a chat with its messages, and ends its replies. It is gone when this returns; its messages are removed
    /// from the store soon after.
    pub async fn delete_chat(&self, viewer: &Viewer, id: ChatId) -> Result<(), Error> {
        self.chat(viewer, id).await?;
        let service = self.clone();
        self.to_its_end(async move {
            let active = service.engine.active_replies(id).await?;
            let deleted = service.store.delete_chat(id).await;
            let is_deleted = service.confirmed(deleted, Unconfirmed::ChatDeleted(id))?;
            // Even if another caller deleted it first: that caller may have died before publishing.
            service.feed.publish(id, ChatEvent::ChatDeleted).await;
            service.engine.abandon(&active).await;
            service.engine.abandon_chat(id);
            service.engine.sweep_soon();
            match is_deleted {
                true => Ok(()),
                false => Err(Error::NotFound(Subject::Chat)),
            }
        })
        .await
    }

    /// The last message of each of these chats, which the viewer was shown.
    pub async fn last_messages(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, Error> {
        Ok(self.store.last_messages(chats).await?)
    }

    /// The number of messages of each of these chats, which the viewer was shown.
    pub async fn message_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, u64>, Error> {
        Ok(self.store.message_counts(chats).await?)
    }

    /// The sum of tokens of each of these chats, which the viewer was shown.
    pub async fn token_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, i64>, Error> {
        Ok(self.store.token_counts(chats).await?)
    }

    /// The oldest reply under way in each of these chats, which the viewer was shown.
    pub async fn oldest_active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, Error> {
        let active = self.store.active_replies(chats).await?;
        let oldest = active
            .into_iter()
            .filter_map(|(chat, replies)| Some((chat, replies.into_iter().next()?)));
        Ok(oldest.collect())
    }

    /// The user that a call names, or else the viewer's own; an error if the viewer may not act for them.
    pub(super) fn acting_for(&self, viewer: &Viewer, user: Option<UserId>) -> Result<UserId, Error> {
        let user = user.unwrap_or_else(|| viewer.default_user());
        self.check_user_id(&user)?;
        if viewer.may_act_for(&user) {
            Ok(user)
        } else {
            Err(Error::OtherUser)
        }
    }
}
