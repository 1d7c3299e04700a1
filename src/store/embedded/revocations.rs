//! Revocations.

use async_trait::async_trait;
use rusqlite::params;
use rusqlite::types::Value;

use super::EmbeddedStore;
use crate::domain::{Clock, Revocation, SystemClock, Timestamp, UserId, whole_millis};
use crate::store::{REVOCATIONS_KEPT_FOR, RevocationStore, StoreError};

#[async_trait]
impl RevocationStore for EmbeddedStore {
    async fn revoke(&self, user: &UserId) -> Result<Revocation, StoreError> {
        let value = Value::from(user);
        let at = self.writer.write(move |connection| {
            let now = SystemClock.now();
            let kept_since = Timestamp::from_millis(now.millis() - whole_millis(REVOCATIONS_KEPT_FOR));
            connection
                .prepare_cached("DELETE FROM revocations WHERE revoked_at < ?")?
                .execute([kept_since])?;
            connection
                .prepare_cached(
                    "INSERT INTO revocations (user_id, revoked_at) VALUES (?, ?) ON CONFLICT (user_id)
                     DO UPDATE SET revoked_at = max(revoked_at, excluded.revoked_at) RETURNING revoked_at",
                )?
                .query_row(params![value, now], |row| row.get(0))
        });
        Ok(Revocation {
            user: user.clone(),
            at: at.await?,
        })
    }

    async fn revocations(&self, since: Timestamp, limit: usize) -> Result<Vec<Revocation>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let noted = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT user_id, revoked_at FROM revocations WHERE revoked_at >= ? ORDER BY revoked_at LIMIT ?",
            )?;
            let noted = statement.query_map(params![since, limit], |row| {
                Ok(Revocation {
                    user: row.get(0)?,
                    at: row.get(1)?,
                })
            })?;
            noted.collect()
        });
        noted.await
    }
}
