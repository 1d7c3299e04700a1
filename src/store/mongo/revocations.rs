//! Revocations.

use async_trait::async_trait;
use mongodb::bson::doc;
use mongodb::options::ReturnDocument;

use super::fields::{Fields, stored_date, stored_user_id};
use super::lists::{self, List};
use super::{MongoStore, indexes};
use crate::domain::{Revocation, Timestamp, UserId};
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

    async fn revocations(&self, since: Timestamp, limit: usize) -> Result<Vec<Revocation>, StoreError> {
        let list = List {
            filter: doc! { "revoked_at": { "$gte": stored_date(since) } },
            sort: doc! { "revoked_at": 1 },
            skip: 0,
            limit,
            index: indexes::REVOCATION_ORDER,
        };
        let noted = lists::read(&self.revocations, list).await?;
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
