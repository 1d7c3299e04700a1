//! Replies.

use std::collections::HashMap;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::document::{read_list, read_message, read_one};
use super::fields::{Fields, stored_date, stored_id, stored_integer, stored_user_id};
use super::lists::{self, List};
use super::operation::run;
use super::reply_document::outcome_fields;
use super::{MongoStore, indexes};
use crate::domain::{ChatId, Message, MessageId, ReplyOutcome, ReplyState, StopRequest, Timestamp};
use crate::store::{Checkpointed, ReplyStore, StoreError};

#[async_trait]
impl ReplyStore for MongoStore {
    async fn checkpoint(
        &self,
        id: MessageId,
        owner: &str,
        text: &str,
        lease_until: Timestamp,
    ) -> Result<Checkpointed, StoreError> {
        let mut filter = streaming(id);
        filter.insert("reply.owner", owner);
        let update = doc! { "$set": { "message": text, "reply.lease_until": stored_date(lease_until) } };
        let stop = doc! { "_id": 0, "reply.stop_requested_at": 1 };
        let messages = self.messages.clone();
        let held = run(async move {
            messages
                .find_one_and_update(filter, update)
                .projection(stop)
                .await
        })
        .await?;
        Ok(held.map_or(Checkpointed::Lost, |held| {
            let stop_requested_at = Fields(&held)
                .nested("reply")
                .and_then(|reply| reply.date("stop_requested_at"));
            Checkpointed::Held {
                is_stop_requested: stop_requested_at.is_some(),
            }
        }))
    }

    async fn request_stop(&self, id: MessageId, stop: &StopRequest) -> Result<Option<Message>, StoreError> {
        let mut filter = streaming(id);
        filter.insert("reply.stop_requested_at", Bson::Null);
        let update = doc! { "$set": stop_fields(stop) };
        let mut message = self.update_one_message(filter, update).await?;
        if message.is_none() {
            let messages = self.messages.clone();
            message = run(async move { messages.find_one(doc! { "_id": stored_id(id.0) }).await }).await?;
        }
        read_one(message, read_message)
    }

    async fn finish_reply(
        &self,
        id: MessageId,
        expected_owner: Option<&str>,
        outcome: &ReplyOutcome,
    ) -> Result<Option<Message>, StoreError> {
        let mut filter = streaming(id);
        if let Some(owner) = expected_owner {
            filter.insert("reply.owner", owner);
        }
        let (mut set, mut unset) = (Document::new(), Document::new());
        for (name, value) in outcome_fields(outcome) {
            match value {
                Some(value) => set.insert(name, value),
                None => unset.insert(name, ""),
            };
        }
        if let Some(text) = &outcome.text {
            set.insert("message", text);
        }
        if let Some(usage) = outcome.usage {
            set.insert("token", stored_integer(usage.completion.tokens));
            set.insert("token_is_estimated", usage.completion.is_estimated);
        }
        let mut update = doc! { "$max": { "updated_ts": stored_date(outcome.finished_at) } };
        if !unset.is_empty() {
            update.insert("$unset", unset);
        }
        if let Some(stop) = &outcome.stop {
            let (mut filter, mut update, mut set) = (filter.clone(), update.clone(), set.clone());
            filter.insert("reply.stop_requested_at", Bson::Null);
            set.extend(stop_fields(stop));
            update.insert("$set", set);
            if let Some(ended) = self.update_one_message(filter, update).await? {
                return read_one(Some(ended), read_message);
            }
            // Another wish was stored before: this one does not replace it.
        }
        update.insert("$set", set);
        read_one(self.update_one_message(filter, update).await?, read_message)
    }

    async fn lapsed_replies(&self, now: Timestamp, limit: usize) -> Result<Vec<Message>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let filter = doc! {
            "reply.state": ReplyState::Streaming.name(),
            "reply.lease_until": { "$lt": stored_date(now) },
        };
        let list = List {
            filter,
            sort: doc! { "reply.lease_until": 1 },
            skip: 0,
            limit,
            index: indexes::REPLY_LEASE,
        };
        Ok(read_list(lists::read(&self.messages, list).await?, read_message))
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError> {
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

fn stop_fields(stop: &StopRequest) -> Document {
    doc! {
        "reply.stop_requested_at": stored_date(stop.at),
        "reply.stop_requested_by": stored_user_id(&stop.by),
    }
}

/// The message of this id while its reply is streaming.
fn streaming(id: MessageId) -> Document {
    doc! { "_id": stored_id(id.0), "reply.state": ReplyState::Streaming.name() }
}
