//! The use cases as the legacy REST API has them: numbered pages, messages addressed through their chat, and several
//! fields in one change.

use super::messages::Draft;
use super::{Error, NewMessage, Service, Subject};
use crate::domain::{
    Author, Chat, ChatChange, ChatId, Message, MessageChange, MessageId, Slice, UserId, Viewer,
};
use crate::engine::count_tokens;
use crate::store::Writing;

/// A page of a list by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedPage {
    /// The number of the page, from 1; 0 counts as 1.
    pub number: u64,
    /// How many items a page has.
    pub size: usize,
}

/// More rows than any list has, and small enough that adding a page does not overflow in a store.
const ROWS_MAX: u64 = i64::MAX as u64 / 2;

impl NumberedPage {
    /// The rows of the page, whatever the length of the list.
    fn rows(self) -> Slice {
        let size = u64::try_from(self.size).unwrap_or(u64::MAX);
        let skip = self.number.saturating_sub(1).saturating_mul(size);
        Slice {
            skip: skip.min(ROWS_MAX),
            limit: self.size,
        }
    }

    /// The rows of the page, or `None` if a list of `total` rows ends before it.
    fn slice(self, total: u64) -> Option<Slice> {
        let rows = self.rows();
        (rows.skip < total).then_some(rows)
    }
}

/// A page of a list, and the length of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// The number of items on all pages.
    pub total: u64,
}

/// What to change of a message; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageEdit {
    /// The new text, which marks the message as edited unless `is_edited` says otherwise.
    pub text: Option<String>,
    /// The new reaction.
    pub reaction: Option<String>,
    /// The new edited mark.
    pub is_edited: Option<bool>,
}

impl Service {
    /// A page of a user's chats, the newest first.
    pub async fn chats_by_number(
        &self,
        viewer: &Viewer,
        user: UserId,
        page: NumberedPage,
    ) -> Result<Numbered<Chat>, Error> {
        self.check_page(page)?;
        let user = self.acting_for(viewer, Some(user))?;
        let total = self.store.chat_count(&user).await?;
        let items = match page.slice(total) {
            Some(slice) => self.store.chat_slice(&user, slice).await?,
            None => Vec::new(),
        };
        Ok(Numbered { items, total })
    }

    /// A page of a chat's messages, the oldest first. The messages are not counted, because that can cost more the
    /// longer the chat is.
    pub async fn messages_by_number(
        &self,
        viewer: &Viewer,
        id: ChatId,
        page: NumberedPage,
    ) -> Result<Vec<Message>, Error> {
        self.check_page(page)?;
        self.chat(viewer, id).await?;
        Ok(self.store.message_slice(id, page.rows()).await?)
    }

    /// A chat with a page of its messages, the oldest first.
    pub async fn chat_with_messages(
        &self,
        viewer: &Viewer,
        id: ChatId,
        page: NumberedPage,
    ) -> Result<(Chat, Numbered<Message>), Error> {
        self.check_page(page)?;
        let chat = self.chat(viewer, id).await?;
        let counts = self.store.message_counts(&[id]).await?;
        let total = counts.get(&id).copied().unwrap_or_default();
        let items = match page.slice(total) {
            Some(slice) => self.store.message_slice(id, slice).await?,
            None => Vec::new(),
        };
        Ok((chat, Numbered { items, total }))
    }

    /// Changes a chat's title or status; returns false if the change was empty.
    pub async fn edit_chat(&self, viewer: &Viewer, id: ChatId, change: &ChatChange) -> Result<bool, Error> {
        if *change == ChatChange::default() {
            self.chat(viewer, id).await?;
            return Ok(false);
        }
        self.update_chat(viewer, id, change).await?;
        Ok(true)
    }

    /// The message with this id, if it is in this chat.
    pub async fn message_of_chat(
        &self,
        viewer: &Viewer,
        chat: ChatId,
        id: MessageId,
    ) -> Result<Message, Error> {
        self.chat(viewer, chat).await?;
        let message = self.store.messages(&[id]).await?.pop();
        message
            .filter(|message| message.chat_id == chat)
            .ok_or(Error::NotFound(Subject::Message))
    }

    /// Stores a message without asking for a reply; the chat keeps its rank in its owner's list. If a legacy client
    /// sent the same text over its socket a moment ago, returns that message instead.
    pub async fn post_message(&self, viewer: &Viewer, new: NewMessage) -> Result<Message, Error> {
        let chat_id = new.chat_id;
        let draft = self.draft(new).await?;
        let chat = self.chat(viewer, chat_id).await?;
        let (service, viewer) = (self.clone(), viewer.clone());
        self.to_its_end(async move { service.post(&viewer, &chat, draft).await })
            .await
    }

    async fn post(&self, viewer: &Viewer, chat: &Chat, draft: Draft) -> Result<Message, Error> {
        // Under the lock, the same text sent over the socket by the same caller to this server is either stored or not
        // yet begun.
        let _lock = self.lock(viewer, chat.id).await?;
        let message = self.new_message(draft, None);
        if message.author == Author::User {
            let sent = self.sent_a_moment_ago(chat.id, &message.text, message.created_at);
            if let Some(sent) = sent.await? {
                return Ok(sent);
            }
        }
        let writing = Writing {
            message,
            chat_of: viewer.user().cloned(),
            moves_chat_up: false,
        };
        let message = self.write(&writing).await?;
        if message.author == Author::User {
            self.name_pending_chat(chat).await;
        }
        Ok(message)
    }

    /// Changes a message's text, reaction and edited mark at once; `None` if the edit was empty.
    pub async fn edit_message(
        &self,
        viewer: &Viewer,
        chat: ChatId,
        id: MessageId,
        edit: MessageEdit,
    ) -> Result<Option<Message>, Error> {
        if let Some(text) = &edit.text {
            self.check_text(text)?;
        }
        if let Some(reaction) = &edit.reaction {
            self.check_label("reaction", reaction)?;
        }
        let message = self.message_of_chat(viewer, chat, id).await?;
        if edit == MessageEdit::default() {
            return Ok(None);
        }
        // A reply's text belongs to its generation until it has ended.
        if edit.text.is_some() && message.is_under_way() {
            return Err(Error::ReplyGrows);
        }
        // A reported count stays, as it always did in this API; an estimate follows the text.
        let is_counted_anew =
            message.author == Author::User && message.token_count.is_none_or(|count| count.is_estimated);
        let token_count = match edit.text.as_deref().filter(|_| is_counted_anew) {
            Some(text) => Some(count_tokens(text).await),
            None => None,
        };
        let change = MessageChange {
            token_count,
            is_edited: edit.is_edited.or(edit.text.is_some().then_some(true)),
            text: edit.text,
            reaction: edit.reaction.map(Some),
        };
        self.change_message(message, change).await.map(Some)
    }

    /// Sets or removes the reaction of a message of a chat.
    pub async fn react(
        &self,
        viewer: &Viewer,
        chat: ChatId,
        id: MessageId,
        reaction: Option<String>,
    ) -> Result<Message, Error> {
        if let Some(reaction) = &reaction {
            self.check_label("reaction", reaction)?;
        }
        let message = self.message_of_chat(viewer, chat, id).await?;
        let change = MessageChange {
            reaction: Some(reaction),
            ..MessageChange::default()
        };
        self.change_message(message, change).await
    }

    /// Deletes a message of a chat.
    pub async fn delete_message_of_chat(
        &self,
        viewer: &Viewer,
        chat: ChatId,
        id: MessageId,
    ) -> Result<(), Error> {
        let message = self.message_of_chat(viewer, chat, id).await?;
        self.delete(message).await.map(drop)
    }

    fn check_page(&self, page: NumberedPage) -> Result<(), Error> {
        let max = self.limits.page_size_max;
        if (1..=max).contains(&page.size) {
            Ok(())
        } else {
            Err(Error::InvalidPageSize { max })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_behind_the_end_has_no_rows_however_far_behind() {
        let slice = |number, total| NumberedPage { number, size: 20 }.slice(total);
        assert_eq!(slice(1, 0), None);
        assert_eq!(slice(1, 1), Some(Slice { skip: 0, limit: 20 }));
        assert_eq!(slice(2, 20), None);
        assert_eq!(slice(2, 21), Some(Slice { skip: 20, limit: 20 }));
        assert_eq!(slice(u64::MAX, i64::MAX as u64 / 2), None);
    }
}
