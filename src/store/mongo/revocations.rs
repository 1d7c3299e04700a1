//! Revocations.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, doc};
use mongodb::options::{Hint, ReturnDocument};

use super::fields::{Fields, stored_date, stored_user_id};
use super::operation::ANSWER_TIMEOUT;
use super::{MongoStore, indexes, lists};
use crate::domain::{Revocation, UserId};
use crate::store::{RevocationStore, StoreError};

#[async_trait]
impl RevocationStore for MongoStore {
    async fn revoke(&self, user: &UserId) -> Result<Revocation, StoreError> {
        let of_user = doc! { "_id": stored_user_id(user) };
        // A primary whose clock is behind that of the one before takes nothing back.
        let later = doc! { "$max": ["$revoked_at", "$$NOW"] };
        let update = vec![doc! { "$set": { "revoked_at": later } }];
        let noted = self.revocations.write(|revocations| async move {
            revocations
                .find_one_and_update(of_user, update)
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await
        });
        let noted = noted.await?;
        let at = noted.and_then(|noted| Fields::of(&noted).date("revoked_at"));
        Ok(Revocation {
            user: user.clone(),
            at: at.ok_or_else(|| StoreError::Corrupt("a revocation without its moment".into()))?,
        })
    }

    async fn revocations(
        &self,
        after: Option<&Revocation>,
        limit: usize,
    ) -> Result<Vec<Revocation>, StoreError> {
        let mut filter = doc! { "revoked_at": { "$type": "date" }, "_id": { "$type": ["number", "string"] } };
        // Compared in the index, where numbers come before texts. A filter by `$gt` finds only what is of the same type.
        let mut bounds = doc! { "revoked_at": DateTime::MIN, "_id": Bson::MinKey };
        if let Some(after) = after {
            bounds = doc! { "revoked_at": stored_date(after.at), "_id": stored_user_id(&after.user) };
            // The bounds of an index include the first one.
            filter.insert("$nor", [bounds.clone()]);
        }
        let noted = self.revocations.read(|revocations| async move {
            let find = revocations
                .find(filter)
                .min(bounds)
                .sort(doc! { "revoked_at": 1, "_id": 1 })
                .hint(Hint::Name(indexes::REVOCATION_ORDER.to_owned()));
            find.limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .batch_size(lists::batch_size(limit))
                .max_time(ANSWER_TIMEOUT)
                .await?
                .try_collect::<Vec<_>>()
                .await
        });
        let noted = noted.await?;
        let read = noted.iter().filter_map(|noted| {
            let fields = Fields::of(noted);
            Some(Revocation {
                user: fields.user_id("_id")?,
                at: fields.date("revoked_at")?,
            })
        });
        Ok(read.collect())
    }
}
