//! What was used.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Result as SqlResult, Row, params};

use super::EmbeddedStore;
use crate::domain::{Author, Timestamp, TokenCount, UsageRow, UserId};
use crate::store::{StoreError, UsageStore};

/// The rows of a user's chats in a time. The remainder is taken twice because SQLite's has the sign of the number, and
/// a day before 1970 begins before its messages too.
pub(super) const ROWS: &str = "
    SELECT messages.created_at - (messages.created_at % 86400000 + 86400000) % 86400000 AS day, is_bot, model,
        coalesce(token_is_estimated, 0) OR coalesce(prompt_is_estimated, 0) AS is_estimated,
        count(*), CAST(total(prompt_tokens) AS INTEGER), CAST(total(token_count) AS INTEGER)
    FROM chats CROSS JOIN messages INDEXED BY messages_of_chat ON chat_id = chats.id
    WHERE user_id = ? AND messages.created_at >= ? AND messages.created_at < ?
        AND iif(reply_state IS NULL, token_count IS NOT NULL, reply_state <> 'STREAMING')
    GROUP BY day, is_bot, model, is_estimated ORDER BY day, is_bot, model, is_estimated";

#[async_trait]
impl UsageStore for EmbeddedStore {
    async fn usage(
        &self,
        user: &UserId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let user = Value::from(user);
        let rows = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(ROWS)?;
            statement.query_map(params![user, from, to], read_row)?.collect()
        });
        rows.await
    }
}

fn read_row(row: &Row<'_>) -> SqlResult<UsageRow> {
    Ok(UsageRow {
        day: row.get(0)?,
        author: Author::from_is_bot(row.get(1)?),
        model: row.get(2)?,
        message_count: row.get::<_, i64>(4)?.unsigned_abs(),
        prompt_tokens: row.get(5)?,
        tokens: TokenCount {
            tokens: row.get(6)?,
            is_estimated: row.get(3)?,
        },
    })
}
