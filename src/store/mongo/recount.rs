//! Counting everything again that sums are kept of, in pieces, while servers serve.

use futures_util::TryStreamExt;
use mongodb::bson::{RawDocumentBuf, doc, oid};

use super::MongoStore;
use super::aside::next_version;
use super::counts::{COUNTS, Found, Kept, Measure, UNDER_WAY_MAX};
use super::fields::{Fields, stored_date, stored_id};
use super::lists::batch_size;
use super::operation::ANSWER_TIMEOUT;
use crate::domain::{ChatId, Timestamp, whole_millis};
use crate::store::StoreError;
use crate::store::recount::{RecountProgress, Recounted};

/// Chats that are looked at in one command.
const CHATS_AT_ONCE: usize = 1_000;

/// How often counts are voided that somebody has changed since they were read, before their chat is left.
const VOID_TRIES: usize = 3;

/// What became of the counts of a chat.
enum Counted {
    /// They are what they were shown as before.
    Same,
    /// They are others.
    Other,
    /// The chat is being changed; who asks for its counts next counts them.
    Left,
}

impl MongoStore {
    /// Counts every chat again of which counts are kept, and fills the ledger of usage from the replies that are stored.
    pub async fn recount(
        &self,
        progress: &(dyn Fn(RecountProgress) + Send + Sync),
    ) -> Result<Recounted, StoreError> {
        let mut recounted = Recounted::default();
        let (mut last, mut looked_at) = (oid::ObjectId::from_bytes([0; 12]), 0);
        loop {
            let chats = self.chats_after(last).await?;
            for document in &chats {
                let fields = Fields::of(document);
                let (Some(id), Some(now)) = (fields.id("_id"), fields.date("now")) else {
                    continue;
                };
                last = stored_id(id);
                looked_at += 1;
                let kept = Kept::read(&fields);
                if kept.sums.is_none() {
                    continue;
                }
                match self.recount_chat(ChatId(id), &kept, now).await? {
                    Counted::Same => recounted.chats_counted += 1,
                    Counted::Other => {
                        recounted.chats_counted += 1;
                        recounted.chats_corrected += 1;
                    }
                    Counted::Left => recounted.chats_left += 1,
                }
                progress(RecountProgress::Chats(looked_at));
            }
            progress(RecountProgress::Chats(looked_at));
            if chats.len() < CHATS_AT_ONCE {
                break;
            }
        }
        self.fill_ledger(&mut recounted, progress).await?;
        Ok(recounted)
    }

    async fn recount_chat(&self, chat: ChatId, kept: &Kept, now: Timestamp) -> Result<Counted, StoreError> {
        let before = self.shown(chat).await?;
        let mut is_void = self.void(chat, kept, now).await?;
        for _ in 1..VOID_TRIES {
            if is_void {
                break;
            }
            // Whoever read the chat has moved its counts on, from the same sums.
            let Some((now, kept)) = self.kept_counts_of(chat).await? else {
                return Ok(Counted::Left);
            };
            is_void = kept.sums.is_none() || self.void(chat, &kept, now).await?;
        }
        if !is_void {
            return Ok(Counted::Left);
        }
        loop {
            let Some((now, kept)) = self.kept_counts_of(chat).await? else {
                return Ok(Counted::Left);
            };
            let kept = self.keep(now, vec![(chat, kept)]).await?;
            if kept.written == 0 {
                return Ok(Counted::Left);
            }
            if !kept.has_more {
                break;
            }
        }
        Ok(match self.shown(chat).await? == before {
            true => Counted::Same,
            false => Counted::Other,
        })
    }

    /// The number of messages and of tokens that a chat is shown to have.
    async fn shown(&self, chat: ChatId) -> Result<(i64, i64), StoreError> {
        let counted = self.count_kept(&[chat], Measure::Tokens).await?;
        let Found { messages, tokens, .. } = counted.get(&chat).copied().unwrap_or_default();
        Ok((messages, tokens))
    }

    /// Voids the kept counts of a chat, unless they have changed since they were read: whether it did. What was set aside
    /// and may be changing has to be over before they are counted again.
    async fn void(&self, chat: ChatId, kept: &Kept, now: Timestamp) -> Result<bool, StoreError> {
        let Some(version) = kept.version else {
            return Ok(false);
        };
        let aside = kept.sums.iter().flat_map(|sums| &sums.aside);
        let last = aside
            .filter(|aside| aside.may_change(now))
            .map(|aside| aside.at)
            .max();
        let over = last.map(|last| stored_date(last.plus_millis(whole_millis(UNDER_WAY_MAX))));
        let mut counts = doc! { "version": next_version() };
        if let Some(over) = over {
            counts.insert("not_before", over);
        }
        let filter = doc! { "_id": stored_id(chat.0), "counts.version": version };
        // As an expression it takes the place of what is there, and is not merged into it.
        let update = vec![doc! { "$set": { COUNTS: { "$mergeObjects": [counts] } } }];
        let voided = self
            .chats
            .write(|chats| async move { chats.update_one(filter, update).await });
        Ok(voided.await?.matched_count > 0)
    }

    async fn chats_after(&self, last: oid::ObjectId) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let read = self.chats.read(|chats| async move {
            let find = chats
                .find(doc! { "_id": { "$gt": last } })
                .sort(doc! { "_id": 1 })
                .projection(doc! { COUNTS: 1, "now": "$$NOW" });
            let found = find.limit(i64::try_from(CHATS_AT_ONCE).unwrap_or(i64::MAX));
            let found = found
                .batch_size(batch_size(CHATS_AT_ONCE))
                .max_time(ANSWER_TIMEOUT)
                .await?;
            found.try_collect().await
        });
        read.await
    }
}
