//! Messages: written, listed, changed, reacted to, deleted.

use std::collections::HashMap;

use super::unconfirmed::Unconfirmed;
use super::{Error, PageArguments, Service, Subject};
use crate::domain::{
    Author, ChatEvent, ChatId, ClientKey, Message, MessageChange, MessageFilter, MessageId, Page,
    PageRequest, TokenCount, Viewer,
};
use crate::engine::count_tokens;
use crate::store::{Writing, Written};

/// A message to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The chat to write in.
    pub chat_id: ChatId,
    /// Who writes.
    pub author: Author,
    /// What it says.
    pub text: String,
    /// What sort of content it is; `text` if not given.
    pub kind: Option<String>,
    /// How many tokens it has, where known.
    pub token_count: Option<i64>,
    /// The reaction to it.
    pub reaction: Option<String>,
    /// Whether it was edited before.
    pub is_edited: bool,
    /// The sender's idempotency key: sending the message again does not store it twice.
    pub client_key: Option<String>,
}

/// A [`NewMessage`] whose fields are checked and whose tokens are counted.
pub(super) struct Draft {
    chat_id: ChatId,
    author: Author,
    text: String,
    kind: String,
    token_count: TokenCount,
    reaction: Option<String>,
    is_edited: bool,
    client_key: Option<ClientKey>,
}

impl Draft {
    /// What it says.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether its sender gave it a key.
    pub(super) fn has_client_key(&self) -> bool {
        self.client_key.is_some()
    }
}

impl Service {
    /// The message, if the viewer may see it.
    pub async fn message(&self, viewer: &Viewer, id: MessageId) -> Result<Message, Error> {
        self.messages_by_id(viewer, &[id])
            .await?
            .remove(&id)
            .ok_or(Error::NotFound(Subject::Message))
    }

    /// Those of these messages that the viewer may see.
    pub async fn messages_by_id(
        &self,
        viewer: &Viewer,
        ids: &[MessageId],
    ) -> Result<HashMap<MessageId, Message>, Error> {
        let messages = self.store.messages(ids).await?;
        let mut chats: Vec<_> = messages.iter().map(|message| message.chat_id).collect();
        if chats.is_empty() {
            // A missing message costs the same reads as another user's, so that the two cannot be told apart.
            chats.push(ChatId(self.ids.next()));
        }
        let visible = self.chats_by_id(viewer, &chats).await?;
        let messages = messages
            .into_iter()
            .filter(|message| visible.contains_key(&message.chat_id));
        Ok(messages.map(|message| (message.id, message)).collect())
    }

    /// The page request for a caller's arguments of a list of messages.
    pub fn message_page_request(&self, page: &PageArguments) -> Result<PageRequest, Error> {
        page.request(self.limits.messages_page_size, self.limits.page_size_max)
    }

    /// A page of each of these chats, which the viewer was shown.
    pub async fn message_pages(
        &self,
        chats: &[ChatId],
        filter: &MessageFilter,
        request: &PageRequest,
    ) -> Result<HashMap<ChatId, Page<Message>>, Error> {
        Ok(self.store.message_pages(chats, filter, request).await?)
    }

    /// Writes a message and asks for no reply. A second call with the same client key and content returns the
    /// first one's message.
    pub async fn create_message(&self, viewer: &Viewer, new: NewMessage) -> Result<Message, Error> {
        let draft = self.draft(new).await?;
        let (service, viewer) = (self.clone(), viewer.clone());
        self.to_its_end(async move {
            let _lock = service.lock(&viewer, draft.chat_id).await?;
            let writing = Writing {
                message: service.new_message(draft, None),
                chat_of: viewer.user().cloned(),
                moves_chat_up: true,
            };
            service.write(&writing).await
        })
        .await
    }

    /// Changes a message's text, which marks it as edited.
    pub async fn update_message(
        &self,
        viewer: &Viewer,
        id: MessageId,
        text: String,
    ) -> Result<Message, Error> {
        self.check_text(&text)?;
        let message = self.message(viewer, id).await?;
        // A reply's text belongs to its generation until it has ended.
        if message.is_under_way() {
            return Err(Error::ReplyGrows);
        }
        // A bot's message keeps the count that was billed.
        let token_count = match message.author {
            Author::User => Some(count_tokens(&text).await),
            Author::Bot => None,
        };
        let change = MessageChange {
            text: Some(text),
            token_count,
            is_edited: Some(true),
            reaction: None,
        };
        self.change_message(message, change).await
    }

    /// Sets a message's reaction, replacing an earlier one.
    pub async fn add_reaction(
        &self,
        viewer: &Viewer,
        id: MessageId,
        reaction: String,
    ) -> Result<Message, Error> {
        self.check_label("reaction", &reaction)?;
        let change = MessageChange {
            reaction: Some(Some(reaction)),
            ..MessageChange::default()
        };
        let message = self.message(viewer, id).await?;
        self.change_message(message, change).await
    }

    /// Removes a message's reaction, if it has one.
    pub async fn remove_reaction(&self, viewer: &Viewer, id: MessageId) -> Result<Message, Error> {
        let change = MessageChange {
            reaction: Some(None),
            ..MessageChange::default()
        };
        let message = self.message(viewer, id).await?;
        self.change_message(message, change).await
    }

    /// Deletes a message and returns the chat that it was in.
    pub async fn delete_message(&self, viewer: &Viewer, id: MessageId) -> Result<ChatId, Error> {
        let message = self.message(viewer, id).await?;
        self.delete(message).await
    }

    pub(super) async fn delete(&self, message: Message) -> Result<ChatId, Error> {
        let service = self.clone();
        self.to_its_end(async move {
            let (chat, id) = (message.chat_id, message.id);
            let deleted = service.store.delete_message(chat, id).await;
            if !service.confirmed(deleted, Unconfirmed::Deleted(chat, id))? {
                return Err(Error::NotFound(Subject::Message));
            }
            service.engine.publish(chat, ChatEvent::MessageDeleted(id)).await;
            if message.is_under_way() {
                service.engine.abandon(&[message]).await;
            }
            Ok(chat)
        })
        .await
    }

    /// Checks a message and counts its tokens: before the chat is locked, because counting can take a while.
    pub(super) async fn draft(&self, new: NewMessage) -> Result<Draft, Error> {
        self.check_text(&new.text)?;
        let kind = new.kind.unwrap_or_else(|| Message::TEXT.to_owned());
        self.check_label("type", &kind)?;
        if let Some(reaction) = &new.reaction {
            self.check_label("reaction", reaction)?;
        }
        let client_key = self.client_key(new.client_key.as_deref())?;
        let token_count = match new.token_count {
            Some(tokens) => TokenCount::reported(tokens),
            None => count_tokens(&new.text).await,
        };
        Ok(Draft {
            chat_id: new.chat_id,
            author: new.author,
            text: new.text,
            kind,
            token_count,
            reaction: new.reaction,
            is_edited: new.is_edited,
            client_key,
        })
    }

    /// Gives a message its id and its date. Called while the chat is locked, so that ids and dates follow the order in
    /// which messages are stored.
    pub(super) fn new_message(&self, draft: Draft, reply_id: Option<MessageId>) -> Message {
        let id = MessageId(self.ids.next());
        Message {
            kind: draft.kind,
            token_count: Some(draft.token_count),
            reaction: draft.reaction,
            is_edited: draft.is_edited,
            client_key: draft.client_key,
            reply_id,
            ..Message::plain(id, draft.chat_id, draft.author, draft.text, self.clock.now())
        }
    }

    /// Writes a message, or finds the one that its client key names.
    pub(super) async fn write(&self, writing: &Writing) -> Result<Message, Error> {
        let written = self.store.write_message(writing).await;
        let (chat, id) = (writing.message.chat_id, writing.message.id);
        match self.confirmed(written, Unconfirmed::Added(chat, id))? {
            Written::New { message, .. } => {
                let added = ChatEvent::message_added(&message);
                self.feed.publish(message.chat_id, added).await;
                Ok(*message)
            }
            Written::Existing(message) => Ok(*message),
            Written::KeyReused => Err(Error::Conflict),
            Written::NoChat => Err(Error::NotFound(Subject::Chat)),
        }
    }

    pub(super) async fn change_message(
        &self,
        message: Message,
        change: MessageChange,
    ) -> Result<Message, Error> {
        let service = self.clone();
        self.to_its_end(async move {
            let now = service.clock.now();
            let (chat, id) = (message.chat_id, message.id);
            let changed = service.store.update_message(chat, id, &change, now).await;
            let changed = service.confirmed(changed, Unconfirmed::Updated(chat, id, change))?;
            let changed = changed.ok_or(Error::NotFound(Subject::Message))?;
            let updated = ChatEvent::message_updated(&changed);
            service.feed.publish(changed.chat_id, updated).await;
            Ok(changed)
        })
        .await
    }
}
