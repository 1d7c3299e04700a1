//! Messages.

use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result as SqlResult, params, params_from_iter};

use super::deletions::is_deleted;
use super::keyset::{Conditions, Keyset, bounds};
use super::row::{MESSAGE_COLUMNS, count_values, id, message_values, read_list, read_message, read_page};
use super::{EmbeddedStore, exchanges};
use crate::domain::{
    ChatId, ClientKey, Message, MessageChange, MessageFilter, MessageId, Page, PageRequest, Slice, Timestamp,
};
use crate::store::repeated::inserted_before;
use crate::store::{Inserted, MessageStore, StoreError, Writing, Written};

const BY_CREATION: Keyset = Keyset {
    time: "created_at",
    is_descending: false,
};

/// A message of a chat.
pub(super) const DELETE: &str = "DELETE FROM messages WHERE id = ? AND chat_id = ?";

#[async_trait]
impl MessageStore for EmbeddedStore {
    async fn write_message(&self, writing: &Writing) -> Result<Written, StoreError> {
        let writing = writing.clone();
        self.writer
            .write(move |connection| exchanges::write(connection, writing))
            .await?
    }

    async fn insert_message(&self, message: &Message) -> Result<Inserted, StoreError> {
        let message = message.clone();
        let inserted = self.writer.write(move |connection| insert(connection, &message));
        inserted.await?
    }

    async fn message_of_key(&self, chat: ChatId, key: &ClientKey) -> Result<Option<Message>, StoreError> {
        let key = key.clone();
        self.readers
            .read(move |connection| match is_deleted(connection, chat)? {
                true => Ok(None),
                false => find_by_key(connection, chat, &key),
            })
            .await
    }

    async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        let ids = ids.to_vec();
        let messages = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&by_id())?;
            let mut messages = Vec::new();
            for id in ids {
                for message in read_list(statement.query([id.0])?, read_message, 1)? {
                    if !is_deleted(connection, message.chat_id)? {
                        messages.push(message);
                    }
                }
            }
            Ok(messages)
        });
        messages.await
    }

    async fn message_pages(
        &self,
        chats: &[ChatId],
        filter: &MessageFilter,
        request: &PageRequest,
    ) -> Result<HashMap<ChatId, Page<Message>>, StoreError> {
        let (chats, filter, request) = (chats.to_vec(), filter.clone(), *request);
        let pages = self.readers.read(move |connection| {
            let mut pages = HashMap::new();
            for chat in chats {
                if is_deleted(connection, chat)? {
                    continue;
                }
                let (sql, values) = page(chat, &filter, &request);
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query(params_from_iter(values))?;
                pages.insert(chat, read_page(rows, read_message, &request)?);
            }
            Ok(pages)
        });
        pages.await
    }

    async fn message_slice(&self, chat: ChatId, slice: Slice) -> Result<Vec<Message>, StoreError> {
        let messages = self.readers.read(move |connection| {
            if is_deleted(connection, chat)? {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare_cached(&self::slice())?;
            let [limit, skip] = bounds(slice);
            let rows = statement.query(params![chat.0, limit, skip])?;
            read_list(rows, read_message, slice.limit)
        });
        messages.await
    }

    async fn last_messages(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError> {
        let pages = self
            .message_pages(chats, &MessageFilter::default(), &PageRequest::last(1))
            .await?;
        Ok(pages
            .into_iter()
            .filter_map(|(chat, mut page)| Some((chat, page.items.pop()?)))
            .collect())
    }

    async fn message_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, u64>, StoreError> {
        let counts = self.counts(chats).await?.into_iter();
        Ok(counts.map(|(chat, counts)| (chat, counts.messages())).collect())
    }

    async fn token_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, i64>, StoreError> {
        let counts = self.counts(chats).await?.into_iter();
        Ok(counts.map(|(chat, counts)| (chat, counts.tokens())).collect())
    }

    async fn update_message(
        &self,
        chat: ChatId,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        let change = change.clone();
        let updated = self.writer.write(move |connection| {
            if is_deleted(connection, chat)? {
                return Ok(None);
            }
            let (is_reaction_given, reaction) = (change.reaction.is_some(), change.reaction.flatten());
            let [tokens, is_estimated] = count_values(change.token_count);
            let values = params![
                change.text,
                tokens,
                is_estimated,
                change.is_edited,
                is_reaction_given,
                reaction,
                now,
                id.0,
                chat.0
            ];
            connection
                .prepare_cached(&update())?
                .query_row(values, read_message)
                .optional()
        });
        updated.await
    }

    async fn delete_message(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError> {
        let deleted = self.writer.write(move |connection| {
            if is_deleted(connection, chat)? {
                return Ok(0);
            }
            connection.prepare_cached(DELETE)?.execute(params![id.0, chat.0])
        });
        Ok(deleted.await? > 0)
    }
}

/// The statement for a message by its id.
pub(super) fn by_id() -> String {
    format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ?")
}

/// The statement for a message of a chat.
pub(super) fn in_chat() -> String {
    format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ? AND chat_id = ?")
}

/// The statement that changes a message of a chat.
pub(super) fn update() -> String {
    format!(
        "UPDATE messages SET text = coalesce(?, text), token_count = coalesce(?, token_count),
         token_is_estimated = coalesce(?, token_is_estimated), is_edited = coalesce(?, is_edited),
         reaction = iif(?, ?, reaction), updated_at = max(updated_at, ?)
         WHERE id = ? AND chat_id = ? RETURNING {MESSAGE_COLUMNS}"
    )
}

/// The statement for a message by its chat and client key.
pub(super) fn by_client_key() -> String {
    format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE chat_id = ? AND client_key = ?")
}

/// The statement for a page of a chat's messages, and its values.
pub(super) fn page(chat: ChatId, filter: &MessageFilter, request: &PageRequest) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    conditions.equal("chat_id", id(chat.0));
    if let Some(author) = filter.author {
        conditions.equal("is_bot", author.is_bot());
    }
    if let Some(kind) = &filter.kind {
        conditions.equal("kind", kind.clone());
    }
    let select = format!("SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY messages_of_chat");
    BY_CREATION.statement(&select, conditions, request)
}

/// The statement for a part of a chat's messages by number.
pub(super) fn slice() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY messages_of_chat
         WHERE chat_id = ? ORDER BY created_at, id LIMIT ? OFFSET ?"
    )
}

/// Stores a message, unless another stands where it is to go.
fn insert(connection: &Connection, message: &Message) -> SqlResult<Result<Inserted, StoreError>> {
    if let Some(rival) = rival(connection, message)? {
        return Ok(inserted_before(rival, message));
    }
    store(connection, message)?;
    Ok(Ok(Inserted::New))
}

/// Stores a message as it is.
pub(super) fn store(connection: &Connection, message: &Message) -> SqlResult<()> {
    let values = message_values(message);
    let marks = vec!["?"; values.len()].join(", ");
    let sql = format!("INSERT INTO messages ({MESSAGE_COLUMNS}) VALUES ({marks})");
    connection
        .prepare_cached(&sql)?
        .execute(params_from_iter(values))?;
    Ok(())
}

/// The message of this id, if it is of this chat.
pub(super) fn find_in_chat(
    connection: &Connection,
    chat: ChatId,
    id: MessageId,
) -> SqlResult<Option<Message>> {
    connection
        .prepare_cached(&in_chat())?
        .query_row(params![id.0, chat.0], read_message)
        .optional()
}

/// The message of this id, in whatever chat, be it deleted.
pub(super) fn find_anywhere(connection: &Connection, id: MessageId) -> SqlResult<Option<Message>> {
    connection
        .prepare_cached(&by_id())?
        .query_row([id.0], read_message)
        .optional()
}

/// The message of this client key in this chat.
pub(super) fn find_by_key(
    connection: &Connection,
    chat: ChatId,
    key: &ClientKey,
) -> SqlResult<Option<Message>> {
    connection
        .prepare_cached(&by_client_key())?
        .query_row(params![chat.0, key.as_str()], read_message)
        .optional()
}

/// The message that stands where `message` is to go: of the same id, or of the same client key in the same chat.
pub(super) fn rival(connection: &Connection, message: &Message) -> SqlResult<Option<Message>> {
    if let Some(key) = &message.client_key {
        let rival = find_by_key(connection, message.chat_id, key)?;
        if rival.is_some() {
            return Ok(rival);
        }
    }
    find_anywhere(connection, message.id)
}
