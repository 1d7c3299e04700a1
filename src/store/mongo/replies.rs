//! Replies.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

use super::checkpoints::Checkpoint;
use super::document::{encode_message, read_list, read_message, read_one};
use super::fields::{stored_date, stored_id, stored_integer, stored_user_id};
use super::lists::{self, List};
use super::reply_document::{GROWING_TEXT, outcome_fields};
use super::{MongoStore, indexes};
use crate::domain::{
    ChatId, Message, MessageId, ObjectId, ReplyOutcome, ReplyState, StopRequest, whole_millis,
};
use crate::store::{Checkpointed, Claim, Inserted, ReplyStore, StoreError};

#[async_trait]
impl ReplyStore for MongoStore {
    async fn begin_reply(&self, message: &Message, lease: Duration) -> Result<Inserted, StoreError> {
        // An insert cannot ask for the time, and an update can. No document of this id has no time of creation, so this
        // one inserts, or fails for a key that is taken as an insert does.
        let (id, chat) = (stored_id(message.id.0), stored_id(message.chat_id.0));
        let new = doc! { "_id": id, "chat_id": chat, "created_ts": { "$exists": false } };
        let document = vec![
            doc! { "$replaceWith": { "$literal": encode_message(message) } },
            doc! { "$set": { "reply.lease_until": from_now(lease) } },
        ];
        let insert = move |messages: Collection<RawDocumentBuf>| {
            let (new, document) = (new.clone(), document.clone());
            async move { messages.update_one(new, document).upsert(true).await.map(drop) }
        };
        self.insert_or_find(message, insert).await
    }

    async fn checkpoint(
        &self,
        chat: ChatId,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError> {
        let checkpoint = Checkpoint {
            id: id.0,
            owner: owner.to_owned(),
            text: text.to_owned(),
            lease,
        };
        self.checkpoints.store(&self.messages, checkpoint).await
    }

    async fn request_stop(
        &self,
        chat: ChatId,
        id: MessageId,
        stop: &StopRequest,
    ) -> Result<Option<Message>, StoreError> {
        let mut filter = streaming(id.0);
        filter.insert("reply.stop_requested_at", Bson::Null);
        let update = doc! { "$set": stop_fields(stop) };
        let mut message = self.update_one_message(filter, update).await?;
        if message.is_none() {
            let filter = doc! { "_id": stored_id(id.0) };
            let found = self
                .messages
                .read(|messages| async move { messages.find_one(filter).await });
            message = found.await?;
        }
        read_one(message, read_message)
    }

    async fn finish_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError> {
        let mut filter = streaming(id.0);
        filter.extend(holds(claim));
        let (mut known, mut unset) = (Document::new(), vec![GROWING_TEXT]);
        for (name, value) in outcome_fields(outcome) {
            match value {
                Some(value) => _ = known.insert(name, value),
                None => unset.push(name),
            }
        }
        if let Some(usage) = outcome.usage {
            known.insert("token", stored_integer(usage.completion.tokens));
            known.insert("token_is_estimated", usage.completion.is_estimated);
        }
        let text = match &outcome.text {
            Some(text) => literal(text),
            None => text_so_far(),
        };
        let ended = |known: Document| {
            let mut set: Document = known
                .into_iter()
                .map(|(name, value)| (name, literal(value).into()))
                .collect();
            set.insert("message", text.clone());
            set.insert(
                "updated_ts",
                doc! { "$max": ["$updated_ts", stored_date(outcome.finished_at)] },
            );
            vec![doc! { "$set": set }, doc! { "$unset": unset.clone() }]
        };
        if let Some(stop) = &outcome.stop {
            let (mut filter, mut known) = (filter.clone(), known.clone());
            filter.insert("reply.stop_requested_at", Bson::Null);
            known.extend(stop_fields(stop));
            if let Some(ended) = self.update_one_message(filter, ended(known)).await? {
                return read_one(Some(ended), read_message);
            }
            // Another wish was stored before: this one does not replace it.
        }
        read_one(self.update_one_message(filter, ended(known)).await?, read_message)
    }

    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut filter = doc! { "reply.state": ReplyState::Streaming.name() };
        filter.extend(holds(claim));
        let list = List {
            filter,
            sort: doc! { "reply.lease_until": 1 },
            skip: 0,
            limit,
            index: indexes::REPLY_LEASE,
        };
        Ok(read_list(lists::read(&self.messages, list).await?, read_message))
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Vec<Message>>, StoreError> {
        let documents = lists::of_each_chat(&self.messages, chats, |chat| {
            let filter = doc! { "reply.state": ReplyState::Streaming.name(), "chat_id": chat };
            let sort = doc! { "created_ts": 1, "_id": 1 };
            Some(List {
                filter,
                sort,
                skip: 0,
                limit: 1,
                index: indexes::REPLY_CHAT,
            })
        });
        let messages = read_list(documents.await?, read_message);
        Ok(messages
            .into_iter()
            .map(|message| (message.chat_id, message))
            .collect())
    }
}

/// The condition that a claim holds of a reply.
fn holds(claim: Claim<'_>) -> Document {
    match claim {
        Claim::Owner(owner) => doc! { "reply.owner": owner },
        Claim::Lapsed => doc! { "$expr": { "$lt": ["$reply.lease_until", "$$NOW"] } },
        Claim::Alone => Document::new(),
    }
}

/// The text of a reply as it was last stored.
pub(super) fn text_so_far() -> Document {
    doc! { "$ifNull": [format!("${GROWING_TEXT}"), "$message"] }
}

/// A value that is no expression, whatever it looks like.
fn literal(value: impl Into<Bson>) -> Document {
    doc! { "$literal": value.into() }
}

/// So much later than now, by the clock of the server that executes it.
pub(super) fn from_now(time: Duration) -> Document {
    doc! { "$add": ["$$NOW", whole_millis(time)] }
}

fn stop_fields(stop: &StopRequest) -> Document {
    doc! {
        "reply.stop_requested_at": stored_date(stop.at),
        "reply.stop_requested_by": stored_user_id(&stop.by),
    }
}

/// The message of this id while its reply is streaming.
pub(super) fn streaming(id: ObjectId) -> Document {
    doc! { "_id": stored_id(id), "reply.state": ReplyState::Streaming.name() }
}
