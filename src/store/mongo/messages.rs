//! Messages.

use std::collections::HashMap;

use async_trait::async_trait;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::error::Result as DriverResult;
use mongodb::options::{ReturnDocument, UpdateModifications};
use tokio::time::Instant;

use super::aside::drop_counts;
use super::counts::{Found, Measure, UNDER_WAY_MAX};
use super::document::{encode_message, read_list, read_message, read_one, read_whole};
use super::exchanges::at;
use super::fields::{Fields, stored_date, stored_id, stored_integer};
use super::keyset::{BY_CREATION, is_id};
use super::lists::{self, List};
use super::moments::{MOMENT_HOLDS_FOR, Wish, undo_if_gone};
use super::operation::{ANSWER_TIMEOUT, is_duplicate_key};
use super::reply_document::GROWING_TEXT;
use super::{MongoStore, indexes};
use crate::domain::{
    ChatId, ClientKey, Message, MessageChange, MessageFilter, MessageId, Page, PageRequest, Slice, Timestamp,
};
use crate::store::repeated::{inserted_before, written_before};
use crate::store::{Inserted, MessageStore, StoreError, Writing, Written};

/// How often a message is inserted if each time a duplicate is reported that is gone when we look for it.
const INSERT_ATTEMPTS: usize = 3;

#[async_trait]
impl MessageStore for MongoStore {
    async fn write_message(&self, writing: &Writing) -> Result<Written, StoreError> {
        let since = Instant::now();
        let wish = Wish {
            chat: writing.message.chat_id,
            chat_of: writing.chat_of.as_ref(),
            at: writing.message.created_at,
            is_pair: false,
            moves_chat_up: writing.moves_chat_up,
        };
        let Some(moments) = self.take_moments(&wish).await? else {
            return Ok(Written::NoChat);
        };
        let message = at(&writing.message, moments.first);
        let rival = match self.insert_in_chat(&message, since).await? {
            Placed::NoChat => return Ok(Written::NoChat),
            Placed::New => {
                return Ok(Written::New {
                    chat: Box::new(moments.chat),
                    message: Box::new(message),
                });
            }
            Placed::Rival(rival) => rival,
        };
        let written = written_before(moments.chat.clone(), *rival, &message);
        if !matches!(written, Ok(Written::New { .. })) {
            // Where the chat stands in a list is no reason to fail what is decided.
            let _ = self.put_back(&moments).await;
        }
        written
    }

    async fn insert_message(&self, message: &Message) -> Result<Inserted, StoreError> {
        let since = Instant::now();
        // Before it is there, so that nothing that is written once it is gets an earlier moment.
        self.note_insert(message).await?;
        let document = match message.is_under_way() {
            true => self.slotted(message).await?,
            false => encode_message(message),
        };
        let insert = move |messages: Collection<RawDocumentBuf>| {
            let (messages, document) = (messages.clone_with_type::<Document>(), document.clone());
            async move { messages.insert_one(document).await.map(|_| Placed::New) }
        };
        let placed = self.insert_or_find(message, insert).await?;
        self.settle_change(message.chat_id, since).await?;
        match placed {
            Placed::Rival(rival) => inserted_before(*rival, message),
            Placed::New | Placed::NoChat => Ok(Inserted::New),
        }
    }

    async fn message_of_key(&self, chat: ChatId, key: &ClientKey) -> Result<Option<Message>, StoreError> {
        let filter = of_key(chat, key);
        let found = self
            .messages
            .read(|messages| async move { messages.find_one(filter).await });
        read_one(found.await?, read_message)
    }

    async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        let documents = lists::by_id(&self.messages, ids.iter().map(|id| id.0)).await?;
        Ok(read_list(documents, read_message))
    }

    async fn message_pages(
        &self,
        chats: &[ChatId],
        filter: &MessageFilter,
        request: &PageRequest,
    ) -> Result<HashMap<ChatId, Page<Message>>, StoreError> {
        let edges = BY_CREATION.edges(&self.messages, &within(chats), request).await?;
        let documents = lists::of_each_chat(&self.messages, chats, |chat| {
            let mut scope = doc! { "chat_id": chat };
            if let Some(author) = filter.author {
                scope.insert("is_bot", author.is_bot());
            }
            if let Some(kind) = &filter.kind {
                scope.insert("type", kind);
            }
            let filter = BY_CREATION.filter(&scope, &edges)?;
            let limit = request.size.saturating_add(1);
            Some(List {
                filter,
                sort: BY_CREATION.sort(request),
                skip: 0,
                limit,
                index: indexes::MESSAGE_LIST,
            })
        });
        let mut read: HashMap<ChatId, Vec<RawDocumentBuf>> = HashMap::new();
        for document in documents.await? {
            if let Some(chat) = Fields::of(&document).id("chat_id") {
                read.entry(ChatId(chat)).or_default().push(document);
            }
        }
        // A page is cut before its documents are read: whether there is more does not hang on a damaged one.
        let page = |documents| {
            let page = Page::from_read(documents, request);
            Page {
                items: read_list(page.items, read_message),
                has_more: page.has_more,
            }
        };
        Ok(read
            .into_iter()
            .map(|(chat, documents)| (chat, page(documents)))
            .collect())
    }

    async fn message_slice(&self, chat: ChatId, slice: Slice) -> Result<Vec<Message>, StoreError> {
        let list = List {
            filter: doc! { "chat_id": stored_id(chat.0) },
            sort: doc! { "created_ts": 1, "_id": 1 },
            skip: slice.skip,
            limit: slice.limit,
            index: indexes::MESSAGE_LIST,
        };
        Ok(read_list(lists::read(&self.messages, list).await?, read_message))
    }

    async fn last_messages(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError> {
        let request = PageRequest::last(1);
        let documents = lists::of_each_chat(&self.messages, chats, |chat| {
            let sort = BY_CREATION.sort(&request);
            Some(List {
                filter: doc! { "chat_id": chat, "_id": is_id() },
                sort,
                skip: 0,
                limit: 1,
                index: indexes::MESSAGE_LIST,
            })
        });
        let messages = read_list(documents.await?, read_message);
        Ok(messages
            .into_iter()
            .map(|message| (message.chat_id, message))
            .collect())
    }

    async fn message_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, u64>, StoreError> {
        let counts = self.count(chats, Measure::Messages).await?.into_iter();
        Ok(counts
            .map(|(chat, found)| (chat, found.messages.unsigned_abs()))
            .collect())
    }

    async fn token_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, i64>, StoreError> {
        let counts = self.count(chats, Measure::Tokens).await?.into_iter();
        Ok(counts.map(|(chat, found)| (chat, found.tokens)).collect())
    }

    async fn update_message(
        &self,
        chat: ChatId,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        let since = Instant::now();
        if change.token_count.is_some() && !self.set_aside(chat, id).await? {
            return Ok(None);
        }
        let fields = [
            ("message", change.text.as_ref().map(Bson::from)),
            (
                "token",
                change.token_count.map(|count| stored_integer(count.tokens)),
            ),
            (
                "token_is_estimated",
                change.token_count.map(|count| count.is_estimated.into()),
            ),
            ("is_edited", change.is_edited.map(Bson::from)),
            ("reaction", change.reaction.as_ref().map(Bson::from)),
        ];
        let fields = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let fields: Document = fields.collect();
        let mut update = doc! { "$max": { "updated_ts": stored_date(now) } };
        if change.text.is_some() {
            update.insert("$unset", doc! { GROWING_TEXT: "" });
        }
        if !fields.is_empty() {
            update.insert("$set", fields);
        }
        let filter = of_chat(chat, id);
        let updated = self.update_one_message(filter, update).await?;
        if change.token_count.is_some() {
            self.settle_change(chat, since).await?;
        }
        read_one(updated, read_message)
    }

    async fn delete_message(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError> {
        let since = Instant::now();
        if !self.set_aside(chat, id).await? {
            return Ok(false);
        }
        let filter = of_chat(chat, id);
        let deleted = self
            .messages
            .write(|messages| async move { messages.delete_one(filter).await });
        let deleted = deleted.await?;
        self.settle_change(chat, since).await?;
        Ok(deleted.deleted_count > 0)
    }
}

/// Everything in these chats.
pub(super) fn within(chats: &[ChatId]) -> Document {
    let chats: Vec<_> = chats.iter().map(|chat| stored_id(chat.0)).collect();
    doc! { "chat_id": { "$in": chats } }
}

/// The message of this id in this chat.
pub(super) fn of_chat(chat: ChatId, id: MessageId) -> Document {
    doc! { "chat_id": stored_id(chat.0), "_id": stored_id(id.0) }
}

/// The message of a client key. The type is told as well, or the planner would not see that the partial index holds
/// every such key.
pub(super) fn of_key(chat: ChatId, key: &ClientKey) -> Document {
    doc! { "chat_id": stored_id(chat.0), "client_key": { "$eq": key.as_str(), "$type": "string" } }
}

/// What came of an insert.
pub(super) enum Placed {
    /// It is stored.
    New,
    /// This message has its id or its client key.
    Rival(Box<Message>),
    /// Its chat is gone, and with it what was stored.
    NoChat,
}

impl MongoStore {
    async fn count(&self, chats: &[ChatId], measure: Measure) -> Result<HashMap<ChatId, Found>, StoreError> {
        match self.counts_live {
            true => self.count_live(chats, measure).await,
            false => self.count_kept(chats, measure).await,
        }
    }

    /// Inserts a message whose moment was asked for at `since`.
    async fn insert_in_chat(&self, message: &Message, since: Instant) -> Result<Placed, StoreError> {
        let (chat, id) = (message.chat_id, stored_id(message.id.0));
        let (document, chats) = (encode_message(message), self.chats.bare.clone());
        let insert = move |messages: Collection<RawDocumentBuf>| {
            let (document, chats) = (document.clone(), chats.clone());
            async move {
                messages
                    .clone_with_type::<Document>()
                    .insert_one(document)
                    .await?;
                if since.elapsed() > UNDER_WAY_MAX {
                    drop_counts(&chats, chat).await?;
                }
                let is_late = since.elapsed() > MOMENT_HOLDS_FOR;
                match is_late && undo_if_gone(&chats, &messages, chat, vec![id]).await? {
                    true => Ok(Placed::NoChat),
                    false => Ok(Placed::New),
                }
            }
        };
        self.insert_or_find(message, insert).await
    }

    /// Stores a message by `insert`, or finds the one that stands where it is to go.
    async fn insert_or_find<I>(
        &self,
        message: &Message,
        insert: impl Fn(Collection<RawDocumentBuf>) -> I + Send + 'static,
    ) -> Result<Placed, StoreError>
    where
        I: Future<Output = DriverResult<Placed>> + Send,
    {
        let id = of_chat(message.chat_id, message.id);
        let rivals = match &message.client_key {
            Some(key) => doc! { "$or": [id, of_key(message.chat_id, key)] },
            None => id,
        };
        let placed = self.messages.write(|messages| async move {
            let mut attempts = 1;
            loop {
                let error = match insert(messages.clone()).await {
                    Err(error) if is_duplicate_key(&error) => error,
                    placed => return placed.map(Ok),
                };
                match messages.find_one(rivals.clone()).await? {
                    Some(rival) => return Ok(Err(rival)),
                    None if attempts == INSERT_ATTEMPTS => return Err(error),
                    None => attempts += 1,
                }
            }
        });
        let rival = match placed.await? {
            Ok(placed) => return Ok(placed),
            Err(rival) => read_whole(&rival, read_message)?,
        };
        Ok(Placed::Rival(Box::new(rival)))
    }

    /// The message of this id in this chat.
    pub(super) async fn find_message(
        &self,
        chat: ChatId,
        id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let filter = of_chat(chat, id);
        let found = self
            .messages
            .read(|messages| async move { messages.find_one(filter).max_time(ANSWER_TIMEOUT).await });
        read_one(found.await?, read_message)
    }

    /// Changes the message that `filter` finds, and returns its document as it then is. Once the caller was answered,
    /// the server changes nothing any more.
    pub(super) async fn update_one_message(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> Result<Option<RawDocumentBuf>, StoreError> {
        let update = update.into();
        let updated = self.messages.write_in_time(|messages, left| async move {
            messages
                .find_one_and_update(filter, update)
                .return_document(ReturnDocument::After)
                .max_time(left)
                .await
        });
        updated.await
    }
}
