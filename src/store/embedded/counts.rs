//! What the messages of a chat come to. Triggers keep it (`migrations/4.sql`).

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Result as SqlResult};

use super::EmbeddedStore;
use super::deletions::is_deleted;
use crate::domain::{ChatId, ObjectId};
use crate::store::StoreError;
use crate::store::recount::{RecountProgress, Recounted};

/// What the messages of a chat come to.
pub(super) const OF_CHAT: &str =
    "SELECT messages, tokens_high, tokens_low FROM chat_counts WHERE chat_id = ?";

/// The chat after another, of those that have messages or are counted as if they had.
pub(super) const NEXT: &str = "
    SELECT min(chat_id) FROM (
        SELECT * FROM (SELECT chat_id FROM messages INDEXED BY messages_of_chat WHERE chat_id > ?1 ORDER BY chat_id LIMIT 1)
        UNION ALL
        SELECT * FROM (SELECT chat_id FROM chat_counts WHERE chat_id > ?1 ORDER BY chat_id LIMIT 1)
    )";

/// Counts the messages of a chat.
const COUNT: &str = "
    SELECT count(*), coalesce(sum(token_count >> 32), 0), coalesce(sum(token_count & 4294967295), 0)
    FROM messages INDEXED BY messages_of_chat WHERE chat_id = ?";

/// Chats of one transaction of a recount.
const CHATS_AT_ONCE: usize = 100;

/// The counts of a chat, as its row has them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    messages: i64,
    tokens_high: i64,
    tokens_low: i64,
}

impl Counts {
    fn read(row: &rusqlite::Row<'_>) -> SqlResult<Self> {
        Ok(Self {
            messages: row.get(0)?,
            tokens_high: row.get(1)?,
            tokens_low: row.get(2)?,
        })
    }

    /// How many messages there are.
    pub(super) fn messages(self) -> u64 {
        self.messages.unsigned_abs()
    }

    /// The sum of their tokens, or the integer that is nearest to it.
    pub(super) fn tokens(self) -> i64 {
        let sum = (i128::from(self.tokens_high) << 32) + i128::from(self.tokens_low);
        let nearest = sum.clamp(i64::MIN.into(), i64::MAX.into());
        i64::try_from(nearest).unwrap_or_default()
    }
}

impl EmbeddedStore {
    /// The counts of those of the chats that have any.
    pub(super) async fn counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Counts>, StoreError> {
        let chats = chats.to_vec();
        let counts = self.readers.read(move |connection| {
            let mut counts = HashMap::new();
            for chat in chats {
                if let Some(found) = find(connection, chat.0)?
                    && !is_deleted(connection, chat)?
                {
                    counts.insert(chat, found);
                }
            }
            Ok(counts)
        });
        counts.await
    }

    /// Counts every chat again, in pieces between which others may write.
    pub async fn recount(
        &self,
        progress: &(dyn Fn(RecountProgress) + Send + Sync),
    ) -> Result<Recounted, StoreError> {
        let mut recounted = Recounted::default();
        // Before all others.
        let mut last = Some(ObjectId::from_bytes([0; 12]));
        while let Some(after) = last {
            // Nobody is served meanwhile, and to count long chats takes its time.
            let piece = self
                .writer
                .write_patiently(move |connection| recount_piece(connection, after));
            let (counted, corrected, next) = piece.await?;
            recounted.chats_counted += counted;
            recounted.chats_corrected += corrected;
            last = next;
            progress(RecountProgress::Chats(recounted.chats_counted));
        }
        Ok(recounted)
    }
}

fn find(connection: &Connection, chat: ObjectId) -> SqlResult<Option<Counts>> {
    connection
        .prepare_cached(OF_CHAT)?
        .query_row([chat], Counts::read)
        .optional()
}

/// Counts the next chats: how many, for how many of them something else was stored, and the last of them if there may
/// be more.
fn recount_piece(connection: &Connection, after: ObjectId) -> SqlResult<(u64, u64, Option<ObjectId>)> {
    let (mut counted, mut corrected, mut last) = (0, 0, after);
    for _ in 0..CHATS_AT_ONCE {
        let next: Option<ObjectId> = connection
            .prepare_cached(NEXT)?
            .query_row([last], |row| row.get(0))?;
        let Some(chat) = next else {
            return Ok((counted, corrected, None));
        };
        last = chat;
        if is_deleted(connection, ChatId(chat))? {
            continue;
        }
        let counts = connection
            .prepare_cached(COUNT)?
            .query_row([chat], Counts::read)?;
        let stored = find(connection, chat)?;
        counted += 1;
        corrected += u64::from(stored.unwrap_or_default() != counts);
        connection
            .prepare_cached("INSERT OR REPLACE INTO chat_counts VALUES (?, ?, ?, ?)")?
            .execute(rusqlite::params![
                chat,
                counts.messages,
                counts.tokens_high,
                counts.tokens_low
            ])?;
    }
    Ok((counted, corrected, Some(last)))
}
