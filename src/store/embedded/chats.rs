//! Chats.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::EmbeddedStore;
use super::keyset::{Conditions, Keyset, bounds};
use super::row::{CHAT_COLUMNS, id, read_chat, read_page};
use crate::domain::{
    Chat, ChatChange, ChatFilter, ChatId, ObjectId, Page, PageRequest, Slice, Timestamp, UserId,
};
use crate::store::{ChatStore, StoreError};

const BY_UPDATE: Keyset = Keyset {
    time: "updated_at",
    is_descending: true,
};

/// The number of chats of a user, from the keys of an index.
pub(super) const COUNT: &str = "SELECT count(*) FROM chats WHERE user_id = ?";

/// A deleted chat of which messages may be left.
const DELETED: &str = "SELECT chat_id FROM deleted_chats LIMIT 1";

/// Removes so many messages of a chat.
pub(super) const SWEEP: &str =
    "DELETE FROM messages WHERE number IN (SELECT number FROM messages WHERE chat_id = ? LIMIT ?)";

#[async_trait]
impl ChatStore for EmbeddedStore {
    async fn insert_chat(&self, chat: &Chat) -> Result<(), StoreError> {
        let chat = chat.clone();
        let insert = self.writer.write(move |connection| {
            // Nobody but us mints this id for this user at this moment, so such a chat is our own earlier attempt.
            let sql = format!(
                "INSERT INTO chats ({CHAT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
                 SET id = id WHERE user_id IS excluded.user_id AND created_at = excluded.created_at"
            );
            connection.prepare_cached(&sql)?.execute(params![
                chat.id.0,
                Value::from(&chat.user_id),
                chat.document_id.map(|document| document.0),
                chat.title,
                chat.status.0,
                chat.created_at,
                chat.updated_at,
            ])
        });
        match insert.await? {
            0 => Err(StoreError::Failed("the chat's id is taken".into())),
            _ => Ok(()),
        }
    }

    async fn chats(&self, ids: &[ChatId]) -> Result<Vec<Chat>, StoreError> {
        let ids = ids.to_vec();
        let chats = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&by_id())?;
            let chats = ids
                .iter()
                .map(|id| statement.query_row([id.0], read_chat).optional());
            chats.filter_map(Result::transpose).collect()
        });
        chats.await
    }

    async fn chat_page(
        &self,
        user: &UserId,
        filter: &ChatFilter,
        request: &PageRequest,
    ) -> Result<Page<Chat>, StoreError> {
        let (sql, values) = page(user, filter, request);
        let request = *request;
        let page = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            read_page(statement.query(params_from_iter(values))?, &request, read_chat)
        });
        page.await
    }

    async fn chat_slice(&self, user: &UserId, slice: Slice) -> Result<Vec<Chat>, StoreError> {
        let user = Value::from(user);
        let chats = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&self::slice())?;
            let [limit, skip] = bounds(slice);
            let chats = statement.query_map(params![user, limit, skip], read_chat)?;
            chats.collect()
        });
        chats.await
    }

    async fn chat_count(&self, user: &UserId) -> Result<u64, StoreError> {
        let user = Value::from(user);
        let count = self.readers.read(move |connection| {
            let count: i64 = connection
                .prepare_cached(COUNT)?
                .query_row([user], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        });
        count.await
    }

    async fn update_chat(
        &self,
        id: ChatId,
        change: &ChatChange,
        now: Timestamp,
    ) -> Result<Option<Chat>, StoreError> {
        let change = change.clone();
        let updated = self.writer.write(move |connection| {
            let sql = format!(
                "UPDATE chats SET title = coalesce(?, title), status = coalesce(?, status),
                 updated_at = max(updated_at, ?) WHERE id = ? RETURNING {CHAT_COLUMNS}"
            );
            let status = change.status.map(|status| status.0);
            let mut statement = connection.prepare_cached(&sql)?;
            statement
                .query_row(params![change.title, status, now, id.0], read_chat)
                .optional()
        });
        updated.await
    }

    async fn delete_chat(&self, id: ChatId) -> Result<bool, StoreError> {
        let deleted = self.writer.write(move |connection| {
            let is_deleted = connection
                .prepare_cached("DELETE FROM chats WHERE id = ?")?
                .execute([id.0])?
                > 0;
            if is_deleted {
                // So that nobody generates them any more.
                connection
                    .prepare_cached(
                        "DELETE FROM messages INDEXED BY streaming_of_chat
                         WHERE chat_id = ? AND reply_state = 'STREAMING'",
                    )?
                    .execute([id.0])?;
                connection
                    .prepare_cached("INSERT OR IGNORE INTO deleted_chats (chat_id) VALUES (?)")?
                    .execute([id.0])?;
            }
            Ok(is_deleted)
        });
        deleted.await
    }

    async fn sweep_deleted(&self, messages_max: usize) -> Result<bool, StoreError> {
        let messages_max = i64::try_from(messages_max).unwrap_or(i64::MAX);
        let is_due = self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(DELETED)?;
            statement.exists(())
        });
        // To look costs the writer nothing.
        if !is_due.await? {
            return Ok(false);
        }
        let swept = self.writer.write(move |connection| {
            let mut deleted = connection.prepare_cached(DELETED)?;
            let Some(chat): Option<ObjectId> = deleted.query_row((), |row| row.get(0)).optional()? else {
                return Ok(false);
            };
            let removed = connection
                .prepare_cached(SWEEP)?
                .execute(params![chat, messages_max])?;
            if i64::try_from(removed).is_ok_and(|removed| removed < messages_max) {
                connection
                    .prepare_cached("DELETE FROM deleted_chats WHERE chat_id = ?")?
                    .execute([chat])?;
            }
            deleted.exists(())
        });
        swept.await
    }
}

/// The statement for a chat by its id.
pub(super) fn by_id() -> String {
    format!("SELECT {CHAT_COLUMNS} FROM chats WHERE id = ?")
}

/// The statement for a part of a user's chats by number.
pub(super) fn slice() -> String {
    format!(
        "SELECT {CHAT_COLUMNS} FROM chats WHERE user_id = ? ORDER BY created_at DESC, id LIMIT ? OFFSET ?"
    )
}

/// The statement for a page of a user's chats, and its values.
pub(super) fn page(user: &UserId, filter: &ChatFilter, request: &PageRequest) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    conditions.equal("user_id", user);
    if let Some(status) = &filter.status {
        conditions.equal("status", status.0.clone());
    }
    if let Some(document) = filter.document_id {
        conditions.equal("document_id", id(document.0));
    }
    BY_UPDATE.statement(&format!("SELECT {CHAT_COLUMNS} FROM chats"), conditions, request)
}
