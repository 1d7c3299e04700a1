//! Replies.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::domain::{
    Bill, ChatId, Message, MessageId, Position, Reply, ReplyOutcome, StopRequest, Timestamp, whole_millis,
};
use crate::store::{Before, Begun, Checkpointed, Claim, Exchange, HistoryBounds, ReplyStore, StoreError};

impl State {
    /// A reply that streams, with the message that it is.
    pub(super) fn streaming(&mut self, chat: ChatId, id: MessageId) -> Option<&mut Message> {
        self.message_of(chat, id).filter(|message| message.is_under_way())
    }

    /// The replies of a chat that stream, in its order.
    pub(super) fn active(&self, chat: ChatId) -> Vec<Message> {
        let mut messages = self.messages_of(chat);
        messages.retain(Message::is_under_way);
        messages
    }

    fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Option<Before> {
        self.chats.get(&chat)?;
        let mut earlier = self.active(chat);
        let place = earlier.iter().position(|reply| reply.id == id)?;
        earlier.truncate(place);
        let messages = self.messages_of(chat).into_iter().rev();
        let mut bytes = 0;
        let mut history: Vec<_> = messages
            .filter(|message| message.position() <= until)
            .take(bounds.messages_max)
            .take_while(|message| {
                let is_within = bytes < bounds.bytes_max.max(1);
                bytes += message.text.len();
                is_within
            })
            .collect();
        history.reverse();
        Some(Before { earlier, history })
    }

    fn checkpoint(
        &mut self,
        chat: ChatId,
        id: MessageId,
        owner: &str,
        text: &str,
        lease_until: Timestamp,
    ) -> Checkpointed {
        let Some(message) = self.streaming(chat, id) else {
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

    fn request_stop(&mut self, chat: ChatId, id: MessageId, stop: &StopRequest) -> Option<Message> {
        if let Some(reply) = self
            .streaming(chat, id)
            .and_then(|message| message.reply.as_mut())
        {
            reply.stop.get_or_insert_with(|| stop.clone());
        }
        self.message_of(chat, id).cloned()
    }

    fn finish_reply(
        &mut self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        now: Timestamp,
    ) -> Option<Message> {
        let message = self.streaming(chat, id)?;
        message.reply.as_ref().filter(|reply| holds(claim, reply, now))?;
        message.end(outcome);
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
    async fn begin_exchange(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        let now = self.now();
        self.state().begin_exchange(exchange, now)
    }

    async fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError> {
        Ok(self.state().before_reply(chat, id, until, bounds))
    }

    async fn checkpoint(
        &self,
        chat: ChatId,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError> {
        let lease_until = self.now().plus_millis(whole_millis(lease));
        Ok(self.state().checkpoint(chat, id, owner, text, lease_until))
    }

    async fn request_stop(
        &self,
        chat: ChatId,
        id: MessageId,
        stop: &StopRequest,
    ) -> Result<Option<Message>, StoreError> {
        Ok(self.state().request_stop(chat, id, stop))
    }

    async fn finish_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let finished = state.finish_reply(chat, id, claim, outcome, now);
        let is_owner = matches!(claim, Claim::Owner(_));
        if let Some(bill) = bill
            && (is_owner || finished.is_some() || state.message_of(chat, id).is_none())
        {
            state.bills.entry(id).or_insert_with(|| bill.clone());
        }
        Ok(finished)
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

    async fn remove_reply(&self, chat: ChatId, id: MessageId, claim: Claim<'_>) -> Result<bool, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let reply = state
            .streaming(chat, id)
            .and_then(|message| message.reply.as_ref());
        let is_claimed = reply.is_some_and(|reply| holds(claim, reply, now));
        Ok(is_claimed && state.messages.remove(&id).is_some())
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Vec<Message>>, StoreError> {
        let state = self.state();
        let active = chats.iter().map(|chat| (*chat, state.active(*chat)));
        Ok(active.filter(|(_, replies)| !replies.is_empty()).collect())
    }
}
