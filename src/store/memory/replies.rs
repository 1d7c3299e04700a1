//! Replies.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::domain::{ChatId, Message, MessageId, Reply, ReplyOutcome, StopRequest, Timestamp, whole_millis};
use crate::store::{Checkpointed, Claim, Inserted, ReplyStore, StoreError};

impl State {
    /// A reply that streams, with the message that it is.
    fn streaming(&mut self, id: MessageId) -> Option<&mut Message> {
        self.messages
            .get_mut(&id)
            .filter(|message| message.is_under_way())
    }

    fn checkpoint(&mut self, id: MessageId, owner: &str, text: &str, lease_until: Timestamp) -> Checkpointed {
        let Some(message) = self.streaming(id) else {
            return Checkpointed::Lost;
        };
        let Some(reply) = message.reply.as_mut().filter(|reply| reply.owner == owner) else {
            return Checkpointed::Lost;
        };
        reply.lease_until = reply.lease_until.max(lease_until);
        if text.len() > message.text.len() {
            text.clone_into(&mut message.text);
        }
        Checkpointed::Held {
            is_stop_requested: reply.stop.is_some(),
        }
    }

    fn request_stop(&mut self, id: MessageId, stop: &StopRequest) -> Option<Message> {
        if let Some(reply) = self.streaming(id).and_then(|message| message.reply.as_mut()) {
            reply.stop.get_or_insert_with(|| stop.clone());
        }
        self.messages.get(&id).cloned()
    }

    fn finish_reply(
        &mut self,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        now: Timestamp,
    ) -> Option<Message> {
        let message = self.streaming(id)?;
        let reply = message.reply.as_mut().filter(|reply| holds(claim, reply, now))?;
        reply.state = outcome.state;
        reply.stop = reply.stop.take().or_else(|| outcome.stop.clone());
        reply.usage = outcome.usage;
        reply.started_at = outcome.started_at;
        reply.first_piece_at = outcome.first_piece_at;
        reply.upstream_closed_at = outcome.upstream_closed_at;
        reply.finished_at = Some(outcome.finished_at);
        reply.overhead_us = outcome.overhead_us;
        reply.reasoning.clone_from(&outcome.reasoning);
        reply.error.clone_from(&outcome.error);
        if let Some(text) = &outcome.text {
            message.text.clone_from(text);
        }
        let counted = outcome.usage.map(|usage| usage.completion);
        message.token_count = counted.or(message.token_count);
        message.updated_at = message.updated_at.max(outcome.finished_at);
        Some(message.clone())
    }
}

/// Whether a claim holds of a reply at the moment `now`.
fn holds(claim: Claim<'_>, reply: &Reply, now: Timestamp) -> bool {
    match claim {
        Claim::Owner(owner) => reply.owner == owner,
        Claim::Lapsed => reply.lease_until < now,
        Claim::Alone => true,
    }
}

#[async_trait]
impl ReplyStore for MemoryStore {
    async fn begin_reply(&self, message: &Message, lease: Duration) -> Result<Inserted, StoreError> {
        let mut message = message.clone();
        if let Some(reply) = &mut message.reply {
            reply.lease_until = self.now().plus_millis(whole_millis(lease));
        }
        self.state().insert_message(&message)
    }

    async fn checkpoint(
        &self,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError> {
        let lease_until = self.now().plus_millis(whole_millis(lease));
        Ok(self.state().checkpoint(id, owner, text, lease_until))
    }

    async fn request_stop(&self, id: MessageId, stop: &StopRequest) -> Result<Option<Message>, StoreError> {
        Ok(self.state().request_stop(id, stop))
    }

    async fn finish_reply(
        &self,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
    ) -> Result<Option<Message>, StoreError> {
        let now = self.now();
        Ok(self.state().finish_reply(id, claim, outcome, now))
    }

    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError> {
        let now = self.now();
        let state = self.state();
        let claimable = |message: &&Message| {
            let reply = message.reply.as_ref().filter(|_| message.is_under_way());
            reply.is_some_and(|reply| holds(claim, reply, now))
        };
        let mut replies: Vec<_> = state.messages.values().filter(claimable).cloned().collect();
        replies.sort_by_key(|message| message.reply.as_ref().map(|reply| reply.lease_until));
        replies.truncate(limit);
        Ok(replies)
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError> {
        let state = self.state();
        let oldest = |chat: &ChatId| {
            let mut messages = state.messages_of(*chat).into_iter();
            Some((*chat, messages.find(Message::is_under_way)?))
        };
        Ok(chats.iter().filter_map(oldest).collect())
    }
}
