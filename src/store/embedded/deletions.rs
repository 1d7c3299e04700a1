//! Deleted chats, and the removal of their messages.
//!
//! A deletion takes the chat's own row and its replies under way, and notes that the rest has to go. From then on every
//! read leaves the chat's messages out, and every write finds no chat.

use rusqlite::{Connection, OptionalExtension, Result as SqlResult, params};

use super::EmbeddedStore;
use crate::domain::{ChatId, ObjectId};
use crate::store::StoreError;

/// The most messages that one transaction removes: the thread that writes is everybody's.
const PIECE_MESSAGES: usize = 50;
/// About how many bytes of text one transaction removes: the words of a long text take their time to be removed.
const PIECE_BYTES: i64 = 128 << 10;

/// Finds the record of a deleted chat, which lasts until its messages are removed.
pub(super) const IS_DELETED: &str = "SELECT 1 FROM deletions WHERE chat_id = ?";

/// The replies under way of a chat.
pub(super) const DELETE_STREAMING: &str =
    "DELETE FROM messages INDEXED BY streaming_of_chat WHERE chat_id = ? AND reply_state = 'STREAMING'";

/// What the messages of a chat come to.
const FORGET_COUNTS: &str = "DELETE FROM chat_counts WHERE chat_id = ?";

/// The first messages of a chat, by the numbers of their rows, and how long their texts are.
pub(super) const PIECE_OF: &str =
    "SELECT number, octet_length(text) FROM messages INDEXED BY messages_of_chat
     WHERE chat_id = ? ORDER BY created_at, id LIMIT ?";

impl EmbeddedStore {
    /// See [`crate::store::ChatStore::sweep_deleted`]. Others write between any two pieces.
    pub(super) async fn sweep(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError> {
        let Some(chat) = self.readers.read(next).await? else {
            return Ok(None);
        };
        let mut left = messages_max;
        while left > 0 {
            let piece = self.writer.write(move |connection| sweep_piece(connection, left));
            match piece.await? {
                // A chat of which nothing was left counts as well, so that this ends.
                Some(removed) => left = left.saturating_sub(removed.max(1)),
                None => break,
            }
        }
        Ok(Some(ChatId(chat)))
    }
}

/// Whether this chat was deleted. Of one whose messages are all removed nothing is noted any more.
pub(super) fn is_deleted(connection: &Connection, chat: ChatId) -> SqlResult<bool> {
    connection.prepare_cached(IS_DELETED)?.exists([chat.0])
}

/// Deletes a chat but for its messages; whether there was one.
pub(super) fn delete(connection: &Connection, chat: ChatId) -> SqlResult<bool> {
    let deleted = connection
        .prepare_cached("DELETE FROM chats WHERE id = ?")?
        .execute([chat.0])?;
    if deleted == 0 {
        return Ok(false);
    }
    connection.prepare_cached(DELETE_STREAMING)?.execute([chat.0])?;
    // Before the messages: to count down what nobody asks for would cost as much as to remove them.
    connection.prepare_cached(FORGET_COUNTS)?.execute([chat.0])?;
    connection
        .prepare_cached("INSERT INTO deletions (chat_id) VALUES (?) ON CONFLICT DO NOTHING")?
        .execute([chat.0])?;
    Ok(true)
}

/// A deleted chat that has to be swept.
fn next(connection: &Connection) -> SqlResult<Option<ObjectId>> {
    connection
        .prepare_cached("SELECT chat_id FROM deletions LIMIT 1")?
        .query_row((), |row| row.get(0))
        .optional()
}

/// Removes the first messages of a deleted chat, or the note of a chat that has none left; how many messages. `None` if
/// no chat is left to sweep.
fn sweep_piece(connection: &Connection, messages_max: usize) -> SqlResult<Option<usize>> {
    let Some(chat) = next(connection)? else {
        return Ok(None);
    };
    let limit = i64::try_from(messages_max.min(PIECE_MESSAGES)).unwrap_or(i64::MAX);
    let mut numbers: Vec<i64> = Vec::new();
    {
        let mut statement = connection.prepare_cached(PIECE_OF)?;
        let mut rows = statement.query(params![chat, limit])?;
        let mut bytes: i64 = 0;
        while bytes < PIECE_BYTES
            && let Some(row) = rows.next()?
        {
            numbers.push(row.get(0)?);
            bytes = bytes.saturating_add(row.get(1)?);
        }
    }
    if numbers.is_empty() {
        connection
            .prepare_cached("DELETE FROM deletions WHERE chat_id = ?")?
            .execute([chat])?;
        // Of messages that were stored behind the deletion.
        connection.prepare_cached(FORGET_COUNTS)?.execute([chat])?;
    }
    let mut statement = connection.prepare_cached("DELETE FROM messages WHERE number = ?")?;
    for number in &numbers {
        statement.execute([number])?;
    }
    Ok(Some(numbers.len()))
}
