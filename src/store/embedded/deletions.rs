//! Deleted chats, and the removal of their messages.
//!
//! A deletion takes the chat's own row and its replies under way, and notes that the rest has to go. From then on every
//! read leaves the chat's messages out, and every write finds no chat.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result as SqlResult, params};

use super::EmbeddedStore;
use crate::domain::{ChatId, ObjectId};
use crate::store::StoreError;

/// How many bytes of text one transaction removes, give or take a message: the thread that writes is everybody's, and
/// the words of a long text take their time to be removed.
const PIECE_BYTES: i64 = 128 << 10;

/// How long a sweep rests that may have left something. Its caller pauses for as long as it took, rest and all: so a
/// million messages take about ten minutes, of which the thread that writes is busy for a fiftieth. What it cannot cut
/// short, a merge in the index of words of up to 0.1 s, then holds up less than one write in a hundred.
const REST: Duration = Duration::from_millis(25);

/// Finds the record of a deleted chat, which lasts until its messages are removed.
pub(super) const IS_DELETED: &str = "SELECT 1 FROM deletions WHERE chat_id = ?";

/// The replies under way of a chat.
pub(super) const DELETE_STREAMING: &str =
    "DELETE FROM messages INDEXED BY streaming_of_chat WHERE chat_id = ? AND reply_state = 'STREAMING'";

/// What the messages of a chat come to.
const FORGET_COUNTS: &str = "DELETE FROM chat_counts WHERE chat_id = ?";

/// How long the texts of the first messages of a chat are.
pub(super) const LENGTHS_OF_FIRST: &str =
    "SELECT octet_length(text) FROM messages INDEXED BY messages_of_chat
     WHERE chat_id = ? ORDER BY created_at, id LIMIT ?";

/// Removes the first messages of a chat. One statement for all of them, because the index of words adds a segment with
/// every statement: with one for each message, most of the time went into merging segments.
pub(super) const REMOVE_FIRST: &str = "DELETE FROM messages WHERE number IN (
        SELECT number FROM messages INDEXED BY messages_of_chat WHERE chat_id = ? ORDER BY created_at, id LIMIT ?
    )";

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
                None => return Ok(Some(ChatId(chat))),
            }
        }
        tokio::time::sleep(REST).await;
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
    let length = piece_length(connection, chat, messages_max)?;
    if length == 0 {
        connection
            .prepare_cached("DELETE FROM deletions WHERE chat_id = ?")?
            .execute([chat])?;
        // Of messages that were stored behind the deletion.
        connection.prepare_cached(FORGET_COUNTS)?.execute([chat])?;
        return Ok(Some(0));
    }
    let removed = connection
        .prepare_cached(REMOVE_FIRST)?
        .execute(params![chat, limit(length)])?;
    Ok(Some(removed))
}

/// How many of the first messages of a chat one transaction removes.
fn piece_length(connection: &Connection, chat: ObjectId, messages_max: usize) -> SqlResult<usize> {
    let mut statement = connection.prepare_cached(LENGTHS_OF_FIRST)?;
    let mut texts = statement.query(params![chat, limit(messages_max)])?;
    let (mut length, mut bytes) = (0, 0_i64);
    while bytes < PIECE_BYTES
        && let Some(text) = texts.next()?
    {
        bytes = bytes.saturating_add(text.get(0)?);
        length += 1;
    }
    Ok(length)
}

fn limit(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Author, Message, MessageId, Timestamp};
    use crate::store::MessageStore;

    const CHAT: ChatId = ChatId(ObjectId::from_bytes([1; 12]));

    async fn segments(store: &EmbeddedStore) -> i64 {
        let segments = store.readers.read(|connection| {
            let sql = "SELECT count(DISTINCT segid) FROM message_words_idx";
            connection.query_row(sql, (), |row| row.get(0))
        });
        segments.await.unwrap()
    }

    /// A store with a deleted chat of so many messages, whose texts have so many bytes.
    async fn with_deleted(folder: &std::path::Path, messages: u8, bytes: usize) -> EmbeddedStore {
        let store = EmbeddedStore::open(folder).await.unwrap();
        for n in 1..=messages {
            let id = MessageId(ObjectId::from_bytes([n; 12]));
            let at = Timestamp::from_millis(n.into());
            let message = Message::plain(id, CHAT, Author::User, "a ".repeat(bytes / 2), at);
            store.insert_message(&message).await.unwrap();
        }
        let note = store
            .writer
            .write(|connection| connection.execute("INSERT INTO deletions VALUES (?)", [CHAT.0]));
        note.await.unwrap();
        store
    }

    #[tokio::test]
    async fn a_piece_adds_one_segment_to_the_index_of_words_however_many_messages_it_removes() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_deleted(folder.path(), 9, 20).await;
        let before = segments(&store).await;
        let removed = store.writer.write(|connection| sweep_piece(connection, 6)).await;
        assert_eq!(removed.unwrap(), Some(6));
        assert_eq!(segments(&store).await, before + 1);
    }

    #[tokio::test]
    async fn a_piece_ends_with_the_text_that_fills_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_deleted(folder.path(), 9, 40 << 10).await;
        let piece = async || store.writer.write(|connection| sweep_piece(connection, 9)).await;
        for removed in [Some(4), Some(4), Some(1), Some(0), None] {
            assert_eq!(piece().await.unwrap(), removed);
        }
    }
}
