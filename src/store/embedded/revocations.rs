//! Revocations.

use async_trait::async_trait;
use rusqlite::params;
use rusqlite::types::Value;

use super::EmbeddedStore;
use crate::domain::{Clock, Revocation, SystemClock, Timestamp, UserId, whole_millis};
use crate::store::{REVOCATIONS_KEPT_FOR, RevocationStore, StoreError};

/// The revocations after a moment and a user, in order.
pub(super) const LISTED: &str =
    "SELECT user_id, revoked_at FROM revocations WHERE (revoked_at, user_id) > (?, ?)
     ORDER BY revoked_at, user_id LIMIT ?";

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

    async fn revocations(
        &self,
        after: Option<&Revocation>,
        limit: usize,
    ) -> Result<Vec<Revocation>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Without a place, after a moment that is before all others.
        let (at, user) = match after {
            Some(after) => (after.at, Value::from(&after.user)),
            None => (Timestamp::from_millis(i64::MIN), Value::Null),
        };
        let noted = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(LISTED)?;
            let noted = statement.query_map(params![at, user, limit], |row| {
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
