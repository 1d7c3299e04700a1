//! Deleting a chat: at once for everybody who looks, and in pieces for what was in it.
//!
//! `chat_deletions` has a record of each chat that was deleted within the last hour or so, and of those that still have
//! messages. A record outlives the messages because a write may have been under way: what it stores behind the
//! deletion is found when the record is looked at again.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::{Hint, ReturnDocument};

use super::fields::{Fields, stored_date, stored_id, stored_value};
use super::operation::ANSWER_TIMEOUT;
use super::replies::active_in;
use super::{MongoStore, indexes};
use crate::domain::{ChatId, Timestamp, whole_millis};
use crate::store::StoreError;

/// When a record is to be looked at next. One without was written by version 0.1.0, and is due.
const NEXT_LOOK_AT: &str = "next_look_at";
/// When the chat was deleted.
const DELETED_AT: &str = "deleted_at";

/// How long a record is kept at least.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// How long a record is left to the server that took it up: longer than it needs for a piece.
const TAKEN_FOR: Duration = Duration::from_secs(10);
/// How soon after its deletion an empty chat is looked at again; then each time after as long again.
const LOOK_AFTER_MIN: Duration = Duration::from_secs(5);

/// A record that this server has taken up.
struct Taken {
    id: Bson,
    /// How long ago the chat was deleted, by the clock of the store.
    age_ms: i64,
    /// Until when it is taken.
    until: Timestamp,
}

impl Taken {
    /// The record, as long as nobody else took it up.
    fn filter(&self) -> Document {
        doc! { "_id": &self.id, NEXT_LOOK_AT: stored_date(self.until) }
    }
}

impl MongoStore {
    /// See [`crate::store::ChatStore::delete_chat`]. The record goes first: from then on any server finishes this.
    pub(super) async fn delete(&self, id: ChatId) -> Result<bool, StoreError> {
        let id = stored_id(id.0);
        let since = doc! { "$ifNull": [format!("${DELETED_AT}"), "$$NOW"] };
        let record = vec![doc! { "$set": { DELETED_AT: since, NEXT_LOOK_AT: "$$NOW" } }];
        let (chats, messages) = (self.chats.bare.clone(), self.messages.bare.clone());
        let deleted = self.deletions.write(|deletions| async move {
            let noted = deletions.update_one(doc! { "_id": id }, record).upsert(true);
            noted.await?;
            let deleted = chats.delete_one(doc! { "_id": id }).await?;
            messages.delete_many(active_in(id)).await?;
            Ok(deleted.deleted_count > 0)
        });
        deleted.await
    }

    /// See [`crate::store::ChatStore::sweep_deleted`].
    pub(super) async fn sweep(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError> {
        let Some(due) = self.due_record().await? else {
            return Ok(None);
        };
        let chat = Fields::of(&due).id("_id").map(ChatId);
        // Another server may have taken it up, and there may be more.
        if let Some(taken) = self.take_up(due).await? {
            let is_empty = self.remove_messages(&taken.id, messages_max.max(1)).await?;
            self.put_down(taken, is_empty).await?;
        }
        let chat = chat.ok_or_else(|| StoreError::Corrupt("a deletion of what is no chat".into()));
        chat.map(Some)
    }

    /// The record that is to be looked at first, if it is due by the clock of the store. Reads one record, however many
    /// there are.
    async fn due_record(&self) -> Result<Option<RawDocumentBuf>, StoreError> {
        let is_due = doc! { "$lte": [format!("${NEXT_LOOK_AT}"), "$$NOW"] };
        let first = self.deletions.read(|deletions| async move {
            deletions
                .find_one(doc! {})
                .sort(doc! { NEXT_LOOK_AT: 1 })
                .projection(doc! { NEXT_LOOK_AT: 1, "is_due": is_due })
                .hint(Hint::Name(indexes::DELETION_LOOKS.to_owned()))
                .max_time(ANSWER_TIMEOUT)
                .await
        });
        let due = first.await?;
        Ok(due.filter(|first| Fields::of(first).flag("is_due") == Some(true)))
    }

    /// Takes a record up; `None` if another server did.
    async fn take_up(&self, due: RawDocumentBuf) -> Result<Option<Taken>, StoreError> {
        let Some(id) = stored_value(&due, "_id") else {
            return Ok(None);
        };
        let next_look = stored_value(&due, NEXT_LOOK_AT).unwrap_or(Bson::Null);
        let as_seen = doc! { "_id": &id, NEXT_LOOK_AT: next_look };
        let since = doc! { "$ifNull": [format!("${DELETED_AT}"), "$$NOW"] };
        let until = doc! { "$add": ["$$NOW", whole_millis(TAKEN_FOR)] };
        let take = vec![doc! { "$set": { DELETED_AT: since, NEXT_LOOK_AT: until } }];
        let taken = self.deletions.write(|deletions| async move {
            deletions
                .find_one_and_update(as_seen, take)
                .return_document(ReturnDocument::After)
                .await
        });
        Ok(taken.await?.and_then(|taken| {
            let fields = Fields::of(&taken);
            let (since, until) = (fields.date(DELETED_AT)?, fields.date(NEXT_LOOK_AT)?);
            let now = until.millis().saturating_sub(whole_millis(TAKEN_FOR));
            Some(Taken {
                id,
                age_ms: now.saturating_sub(since.millis()),
                until,
            })
        }))
    }

    /// Removes so many messages of a chat, and the chat, if a crash left it; whether no message is left.
    async fn remove_messages(&self, chat: &Bson, messages_max: usize) -> Result<bool, StoreError> {
        let (chats, chat) = (self.chats.bare.clone(), chat.clone());
        let limit = i64::try_from(messages_max).unwrap_or(i64::MAX);
        let removed = self.messages.write(|messages| async move {
            chats.delete_one(doc! { "_id": &chat }).await?;
            // From the keys of the index alone.
            let find = messages
                .find(doc! { "chat_id": &chat })
                .sort(doc! { "created_ts": 1, "_id": 1 })
                .projection(doc! { "_id": 1 })
                .hint(Hint::Name(indexes::MESSAGE_LIST.to_owned()));
            let found = find.limit(limit).max_time(ANSWER_TIMEOUT).await?;
            let found: Vec<RawDocumentBuf> = found.try_collect().await?;
            let ids: Vec<_> = found
                .iter()
                .filter_map(|found| stored_value(found, "_id"))
                .collect();
            let is_all = ids.len() < messages_max;
            if !ids.is_empty() {
                let piece = doc! { "chat_id": chat, "_id": { "$in": ids } };
                messages.delete_many(piece).await?;
            }
            Ok(is_all)
        });
        removed.await
    }

    /// Says when a record that was taken up is to be looked at next, or removes it.
    async fn put_down(&self, taken: Taken, is_empty: bool) -> Result<(), StoreError> {
        let filter = taken.filter();
        let is_done = is_empty && taken.age_ms >= whole_millis(KEPT_FOR);
        let wait = match is_empty {
            true => taken.age_ms.max(whole_millis(LOOK_AFTER_MIN)),
            false => 0,
        };
        let next = vec![doc! { "$set": { NEXT_LOOK_AT: { "$add": ["$$NOW", wait] } } }];
        let put_down = self.deletions.write(|deletions| async move {
            match is_done {
                true => deletions.delete_one(filter).await.map(drop),
                false => deletions.update_one(filter, next).await.map(drop),
            }
        });
        put_down.await
    }
}
