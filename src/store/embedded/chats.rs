//! Chats.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::keyset::{Conditions, Keyset, bounds};
use super::row::{CHAT_COLUMNS, id, read_chat, read_list, read_page};
use super::{EmbeddedStore, deletions};
use crate::domain::{Chat, ChatChange, ChatFilter, ChatId, Page, PageRequest, Slice, Timestamp, UserId};
use crate::store::{ChatStore, StoreError};

const BY_UPDATE: Keyset = Keyset {
    time: "updated_at",
    is_descending: true,
};

/// The number of chats of a user, from the keys of an index.
pub(super) const COUNT: &str = "SELECT count(*) FROM chats WHERE user_id = ?";

#[async_trait]
impl ChatStore for EmbeddedStore {
    async fn insert_chat(&self, chat: &Chat) -> Result<(), StoreError> {
        let chat = chat.clone();
        let insert = self.writer.write(move |connection| {
            // Nobody but us mints this id for this user at this moment, so such a chat is our own earlier attempt. A chat
            // whose messages are being removed does not come back.
            let sql = format!(
                "INSERT INTO chats ({CHAT_COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                 WHERE NOT EXISTS (SELECT 1 FROM deletions WHERE chat_id = ?1) ON CONFLICT (id) DO UPDATE
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
            let mut chats = Vec::new();
            for id in ids {
                chats.extend(read_list(statement.query([id.0])?, read_chat, 1)?);
            }
            Ok(chats)
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
            read_page(statement.query(params_from_iter(values))?, read_chat, &request)
        });
        page.await
    }

    async fn chat_slice(&self, user: &UserId, slice: Slice) -> Result<Vec<Chat>, StoreError> {
        let user = Value::from(user);
        let chats = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&self::slice())?;
            let [limit, skip] = bounds(slice);
            let rows = statement.query(params![user, limit, skip])?;
            read_list(rows, read_chat, slice.limit)
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
        self.writer
            .write(move |connection| deletions::delete(connection, id))
            .await
    }

    async fn sweep_deleted(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError> {
        self.sweep(messages_max).await
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
