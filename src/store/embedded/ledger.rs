//! The ledger of what replies used.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, Result as SqlResult, Row, params};

use super::EmbeddedStore;
use crate::domain::{Bill, Timestamp, TokenCount, UsageRow, UserId};
use crate::store::{StoreError, UsageStore, day_of};

/// A user's rows of a time.
pub(super) const ROWS: &str = "
    SELECT day, model, is_estimated, replies, prompt_tokens, tokens FROM usage_ledger
    WHERE user_id = ? AND day >= ? AND day < ? ORDER BY day, model, is_estimated";

/// A sum that stops at the greatest number.
const ADD: &str = "
    INSERT INTO usage_ledger (user_id, day, model, is_estimated, replies, prompt_tokens, tokens)
    VALUES (?, ?, ?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET replies = replies + 1,
        prompt_tokens = prompt_tokens + min(excluded.prompt_tokens, 9223372036854775807 - prompt_tokens),
        tokens = tokens + min(excluded.tokens, 9223372036854775807 - tokens)";

/// Adds what one reply used.
pub(super) fn add(connection: &Connection, bill: &Bill) -> SqlResult<()> {
    let usage = bill.usage;
    connection.prepare_cached(ADD)?.execute(params![
        Value::from(&bill.user),
        day_of(bill.at),
        bill.model.as_deref().unwrap_or_default(),
        usage.prompt.is_estimated || usage.completion.is_estimated,
        usage.prompt.tokens.max(0),
        usage.completion.tokens.max(0),
    ])?;
    Ok(())
}

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
            statement
                .query_map(params![user, day_of(from), to], read_row)?
                .collect()
        });
        rows.await
    }
}

fn read_row(row: &Row<'_>) -> SqlResult<UsageRow> {
    let model: String = row.get(1)?;
    Ok(UsageRow {
        day: row.get(0)?,
        model: (!model.is_empty()).then_some(model),
        reply_count: row.get::<_, i64>(3)?.unsigned_abs(),
        prompt_tokens: row.get(4)?,
        tokens: TokenCount {
            tokens: row.get(5)?,
            is_estimated: row.get(2)?,
        },
    })
}
