//! Replies.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReturnDocument;

use super::checkpoints::Checkpoint;
use super::document::{read_list, read_message, read_one};
use super::fields::{stored_date, stored_integer, stored_user_id};
use super::lists::{self, List};
use super::messages::of_chat;
use super::reply_document::{ERROR, GOES_FIRST, GROWING_TEXT, SLOT, outcome_fields};
use super::{MongoStore, indexes};
use crate::domain::{
    Bill, ChatId, Message, MessageId, Position, ReplyOutcome, ReplyState, StopRequest, whole_millis,
};
use crate::store::{
    ACTIVE_REPLIES_MAX, Before, Begun, Checkpointed, Claim, Exchange, HistoryBounds, ReplyStore, StoreError,
};
use crate::telemetry::causes::causes;

#[async_trait]
impl ReplyStore for MongoStore {
    async fn begin_exchange(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        self.begin(exchange).await
    }

    async fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError> {
        self.before(chat, id, until, bounds).await
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
            chat,
            id,
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
        let mut filter = streaming(chat, id);
        filter.insert("reply.stop_requested_at", Bson::Null);
        let update = doc! { "$set": stop_fields(stop) };
        match self.update_one_message(filter, update).await? {
            None => self.find_message(chat, id).await,
            noted => read_one(noted, read_message),
        }
    }

    async fn finish_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError> {
        match (claim, bill) {
            (Claim::Owner(_), Some(bill)) => self.bill(id, bill).await?,
            (Claim::Lapsed | Claim::Alone, Some(bill)) => {
                return self.close(chat, id, claim, outcome, bill).await;
            }
            (_, None) => {}
        }
        let mut filter = streaming(chat, id);
        filter.extend(holds(claim));
        let ended = self.update_one_message(filter, end(outcome)).await?;
        read_one(ended, read_message)
    }

    async fn remove_reply(&self, chat: ChatId, id: MessageId, claim: Claim<'_>) -> Result<bool, StoreError> {
        let mut filter = streaming(chat, id);
        filter.extend(holds(claim));
        let removed = self
            .messages
            .write(|messages| async move { messages.delete_one(filter).await });
        Ok(removed.await?.deleted_count > 0)
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
        let documents = lists::of_each_chat(&self.messages, chats, |chat| Some(active_list(chat)));
        let mut active: HashMap<_, Vec<_>> = HashMap::new();
        for message in read_list(documents.await?, read_message) {
            active.entry(message.chat_id).or_default().push(message);
        }
        for replies in active.values_mut() {
            replies.sort_unstable_by_key(Message::position);
        }
        Ok(active)
    }
}

/// How long whoever closes a reply for another has for it, before the next one may.
const CLOSED_WITHIN: Duration = Duration::from_secs(8);

/// The most replies under way that are read of a chat: more than there can be, unless other programs wrote them.
const ACTIVE_READ_MAX: usize = 8 * ACTIVE_REPLIES_MAX;

impl MongoStore {
    /// Ends a reply for an owner that lost it. It is taken from that owner first: if the owner could renew its lease once
    /// the bill is recorded here, it would go on, and the bill would not say what the reply used.
    async fn close(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: &Bill,
    ) -> Result<Option<Message>, StoreError> {
        let closer = format!("closer {}", ObjectId::new());
        let mut filter = streaming(chat, id);
        filter.extend(holds(claim));
        let taken = doc! { "reply.owner": &closer, "reply.lease_until": from_now(CLOSED_WITHIN) };
        let take = vec![doc! { "$set": taken }];
        let taken = self.messages.write(|messages| async move {
            let take = messages.find_one_and_update(filter, take);
            take.return_document(ReturnDocument::Before).await
        });
        let Some(taken) = read_one(taken.await?, read_message)? else {
            // Nobody else knows what a reply used that is gone.
            if self.find_message(chat, id).await?.is_none() {
                self.bill(id, bill).await?;
            }
            return Ok(None);
        };
        self.bill(id, bill).await?;
        let mut filter = streaming(chat, id);
        filter.extend(holds(Claim::Owner(&closer)));
        let mut end = end(outcome);
        let owner = taken.reply.map(|reply| reply.owner);
        end.push(doc! { "$set": { "reply.owner": literal(owner) } });
        let ended = self.update_one_message(filter, end).await?;
        read_one(ended, read_message)
    }

    /// Records what a reply used, before its end is written, so that who was told of neither does both again.
    async fn bill(&self, id: MessageId, bill: &Bill) -> Result<(), StoreError> {
        match self.record(id, bill).await {
            Err(error @ (StoreError::Failed(_) | StoreError::Corrupt(_))) => {
                // It would fail each time. The reply is to end all the same.
                tracing::error!(error = %causes(&error), message = %id, "what a reply used is not recorded; `colloquy recount` records it, unless its server died");
                Ok(())
            }
            recorded => recorded,
        }
    }
}

/// What the end of a reply makes of its message.
fn end(outcome: &ReplyOutcome) -> Vec<Document> {
    let (mut set, mut unset) = (Document::new(), vec![GROWING_TEXT, SLOT, GOES_FIRST]);
    let or_noted = |noted: Bson, otherwise: Bson| {
        let is_noted = doc! { "$eq": [{ "$type": "$reply.stop_requested_at" }, "date"] };
        doc! { "$cond": [is_noted, noted, otherwise] }
    };
    for (name, value) in outcome_fields(outcome) {
        let value = match value.map(literal) {
            // What was stopped before it failed has not failed.
            Some(error) if name == ERROR => Some(or_noted("$$REMOVE".into(), error.into())),
            value => value,
        };
        match value {
            Some(value) => _ = set.insert(name, value),
            None => unset.push(name),
        }
    }
    let stopped = ReplyState::Stopped.name();
    set.insert(
        "reply.state",
        or_noted(stopped.into(), outcome.state.name().into()),
    );
    if let Some(stop) = &outcome.stop {
        for (name, value) in stop_fields(stop) {
            let noted = format!("${name}");
            set.insert(name, or_noted(noted.into(), literal(value).into()));
        }
    }
    if let Some(usage) = outcome.usage {
        set.insert("token", literal(stored_integer(usage.completion.tokens)));
        set.insert("token_is_estimated", literal(usage.completion.is_estimated));
    }
    let text = match &outcome.text {
        Some(text) => literal(text),
        None => text_so_far(),
    };
    set.insert("message", text);
    let finished_at = stored_date(outcome.finished_at);
    set.insert("updated_ts", doc! { "$max": ["$updated_ts", finished_at] });
    vec![doc! { "$set": set }, doc! { "$unset": unset }]
}

/// The condition that a claim holds of a reply.
pub(super) fn holds(claim: Claim<'_>) -> Document {
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

/// The replies under way of a chat.
pub(super) fn active_in(chat: impl Into<Bson>) -> Document {
    doc! { "reply.state": ReplyState::Streaming.name(), "chat_id": chat.into() }
}

/// The list of the replies under way of a chat, in its order.
pub(super) fn active_list(chat: impl Into<Bson>) -> List {
    List {
        filter: active_in(chat),
        sort: doc! { "created_ts": 1, "_id": 1 },
        skip: 0,
        limit: ACTIVE_READ_MAX,
        index: indexes::REPLY_CHAT,
    }
}

/// The message of this id while its reply is streaming.
pub(super) fn streaming(chat: ChatId, id: MessageId) -> Document {
    let mut filter = of_chat(chat, id);
    filter.insert("reply.state", ReplyState::Streaming.name());
    filter
}
