//! The ledger of what was used.

use async_trait::async_trait;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result as SqlResult, Row, params};

use super::EmbeddedStore;
use crate::domain::{Bill, MessageId, Timestamp, TokenCount, UsageRow, UserId};
use crate::store::dates::day_of;
use crate::store::{StoreError, UsageStore};

/// The rows of a user in a time.
pub(super) const ROWS: &str = "
    SELECT day, model, is_estimated, reply_count, prompt_tokens, completion_tokens FROM usage_ledger
    WHERE user_id = ? AND day >= ? AND day < ? ORDER BY day, model, is_estimated";

/// Adds a reply to its row. SQLite's own addition would turn a sum past the greatest integer into a float.
const ADD: &str = "
    INSERT INTO usage_ledger (user_id, day, model, is_estimated, reply_count, prompt_tokens, completion_tokens)
    VALUES (?, ?, ?, ?, 1, ?, ?)
    ON CONFLICT (user_id, day, model, is_estimated) DO UPDATE SET
        reply_count = reply_count + 1,
        prompt_tokens = prompt_tokens + min(excluded.prompt_tokens, 9223372036854775807 - prompt_tokens),
        completion_tokens
            = completion_tokens + min(excluded.completion_tokens, 9223372036854775807 - completion_tokens)";

#[async_trait]
impl UsageStore for EmbeddedStore {
    async fn usage(
        &self,
        user: &UserId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRow>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let user = Value::from(user);
        let rows = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(ROWS)?;
            let rows = statement.query_map(params![user, day_of(from), to], read_row)?;
            rows.collect()
        });
        rows.await
    }
}

/// Notes a reply as entered, unless it was.
const NOTE: &str = "INSERT INTO ledger_replies (reply_id) VALUES (?) ON CONFLICT DO NOTHING";

/// Forgets replies that were entered long ago.
pub(super) const FORGET: &str = "DELETE FROM ledger_replies WHERE number <= ?";

/// So many replies are known as entered, about 3 MB of them. While a write waits for the disk, those behind it wait as
/// well, so of other replies at most a few thousand end before the end of one is stored again.
const REPLIES_KNOWN_MAX: i64 = 100_000;

/// Writes the bill of a reply into the ledger, unless it is in it already.
pub(super) fn enter(connection: &Connection, reply: MessageId, bill: &Bill) -> SqlResult<()> {
    if connection.prepare_cached(NOTE)?.execute([reply.0])? == 0 {
        return Ok(());
    }
    let forgotten = connection.last_insert_rowid().saturating_sub(REPLIES_KNOWN_MAX);
    connection.prepare_cached(FORGET)?.execute([forgotten])?;
    let (prompt, completion) = (bill.usage.prompt, bill.usage.completion);
    let model = match &bill.model {
        Some(model) => Value::Text(model.clone()),
        None => Value::Integer(0),
    };
    connection.prepare_cached(ADD)?.execute(params![
        Value::from(&bill.user),
        day_of(bill.at),
        model,
        prompt.is_estimated || completion.is_estimated,
        prompt.tokens.max(0),
        completion.tokens.max(0),
    ])?;
    Ok(())
}

fn read_row(row: &Row<'_>) -> SqlResult<UsageRow> {
    Ok(UsageRow {
        day: row.get(0)?,
        model: match row.get_ref(1)? {
            ValueRef::Integer(_) => None,
            _ => Some(row.get(1)?),
        },
        reply_count: row.get::<_, i64>(3)?.unsigned_abs(),
        prompt_tokens: row.get(4)?,
        tokens: TokenCount {
            tokens: row.get(5)?,
            is_estimated: row.get(2)?,
        },
    })
}
