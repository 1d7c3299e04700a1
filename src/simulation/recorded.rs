//! The store in memory, with what it does for one server noted down, and with its own faults: writes that take effect
//! late, halves of exchanges, and what is put back on purpose.
//!
//! An operation that is defined here is called in place of the one that [`MemoryStore`] has; all others are its own.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::bot::call_of;
use super::fault::{Fault, is_put_back};
use super::history::{Effect, Note, ServerRun};
use super::world::World;
use crate::domain::{
    Author, Bill, Chat, ChatChange, ChatId, EndState, Message, MessageChange, MessageId, Position,
    ReplyOutcome, ReplyState, StopRequest, Timestamp,
};
use crate::store::{
    Asking, Before, Begun, ChatStore, Checkpointed, Claim, Exchange, HistoryBounds, MemoryStore,
    MessageStore, ReplyStore, StoreError, Writing, Written,
};

#[derive(Clone)]
pub struct RecordedStore {
    world: Arc<World>,
    server: ServerRun,
}

impl Deref for RecordedStore {
    type Target = MemoryStore;

    fn deref(&self) -> &MemoryStore {
        &self.world.store
    }
}

/// A claim that outlives its call.
enum KeptClaim {
    Owner(String),
    Lapsed,
    Alone,
}

impl KeptClaim {
    fn of(claim: Claim<'_>) -> Self {
        match claim {
            Claim::Owner(owner) => Self::Owner(owner.to_owned()),
            Claim::Lapsed => Self::Lapsed,
            Claim::Alone => Self::Alone,
        }
    }

    fn claim(&self) -> Claim<'_> {
        match self {
            Self::Owner(owner) => Claim::Owner(owner),
            Self::Lapsed => Claim::Lapsed,
            Self::Alone => Claim::Alone,
        }
    }
}

impl RecordedStore {
    pub fn new(world: Arc<World>, server: ServerRun) -> Self {
        Self { world, server }
    }

    /// What a call of this name comes to whose answer does not arrive.
    pub fn answer_lost<T>(&self, effect: &'static str) -> Result<T, StoreError> {
        let server = self.server;
        self.world.note(Note::AnswerLost { server, effect });
        Err(away())
    }

    /// Makes a write at once, or reports that it failed and makes it up to six seconds later.
    async fn write<T>(
        &self,
        name: &'static str,
        write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        if !self.world.happens(self.world.weather().late_effect) {
            return write.await;
        }
        let later = self.world.roll(|rng| rng.u64(10..6_000));
        tokio::spawn(async move {
            sleep(Duration::from_millis(later)).await;
            // Nobody is told.
            drop(write.await);
        });
        self.answer_lost(name)
    }

    fn did(&self, effect: Effect) {
        let server = self.server;
        self.world.note(Note::Did { server, effect });
    }

    /// Whether the store has the message already: then a call that says that it stored it did so before.
    fn has(&self, message: &Message) -> bool {
        self.all_messages().iter().any(|stored| stored.id == message.id)
    }

    fn stored(&self, message: &Message) {
        let all = self.all_messages();
        let streaming = all
            .iter()
            .filter(|other| other.chat_id == message.chat_id && other.is_under_way());
        let (message, streaming) = (Box::new(message.clone()), streaming.count());
        self.did(Effect::Stored { message, streaming });
    }

    /// Notes which call of the bot wrote the text of a reply.
    fn wrote(&self, reply: MessageId, text: Option<&str>) {
        if let Some(call) = text.and_then(call_of) {
            self.world.note(Note::Wrote { call, reply });
        }
    }

    pub async fn update_chat(
        &self,
        id: ChatId,
        change: &ChatChange,
        now: Timestamp,
    ) -> Result<Option<Chat>, StoreError> {
        let (store, change) = (self.clone(), change.clone());
        self.write("update_chat", async move {
            let updated = store.deref().update_chat(id, &change, now).await?;
            if updated.is_some() {
                store.did(Effect::ChatUpdated { chat: id });
            }
            Ok(updated)
        })
        .await
    }

    pub async fn delete_chat(&self, id: ChatId) -> Result<bool, StoreError> {
        let store = self.clone();
        self.write("delete_chat", async move {
            let is_deleted = store.deref().delete_chat(id).await?;
            if is_deleted {
                store.did(Effect::ChatDeleted { chat: id });
            }
            Ok(is_deleted)
        })
        .await
    }

    pub async fn sweep_deleted(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError> {
        match is_put_back(Fault::NoSweep) {
            true => Ok(None),
            false => self.deref().sweep_deleted(messages_max).await,
        }
    }

    pub async fn write_message(&self, writing: &Writing) -> Result<Written, StoreError> {
        let (store, writing) = (self.clone(), writing.clone());
        self.write("write_message", async move {
            let was_there = store.has(&writing.message);
            let mut written = store.deref().write_message(&writing).await?;
            if let Written::New { message, .. } = &mut written
                && !was_there
            {
                if is_put_back(Fault::ClocksDecide) {
                    store.deref().delete_message(message.chat_id, message.id).await?;
                    store.insert_message(&writing.message).await?;
                    **message = writing.message.clone();
                }
                store.stored(message);
            }
            Ok(written)
        })
        .await
    }

    pub async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        let mut messages = self.deref().messages(ids).await?;
        if is_put_back(Fault::EndsNotRead) {
            let replies = messages.iter_mut().filter_map(|message| message.reply.as_mut());
            replies.for_each(|reply| reply.state = ReplyState::Streaming);
        }
        Ok(messages)
    }

    pub async fn update_message(
        &self,
        chat: ChatId,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        let (store, change) = (self.clone(), change.clone());
        self.write("update_message", async move {
            let before = store.messages(&[id]).await?.pop();
            let updated = store.deref().update_message(chat, id, &change, now).await?;
            // Of what stays as it was nobody needs to be told.
            if let Some(message) = updated.as_ref().filter(|_| updated != before) {
                let reaction = message.reaction.clone();
                store.did(Effect::Updated { chat, id, reaction });
            }
            Ok(updated)
        })
        .await
    }

    pub async fn delete_message(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError> {
        let store = self.clone();
        self.write("delete_message", async move {
            let is_deleted = store.deref().delete_message(chat, id).await?;
            if is_deleted {
                store.did(Effect::Deleted { chat, id });
            }
            Ok(is_deleted)
        })
        .await
    }

    pub async fn begin_exchange(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        let (store, exchange) = (self.clone(), exchange.clone());
        self.write("begin_exchange", async move {
            let was_there = store.has(&exchange.reply);
            let begun = store.begin(&exchange).await?;
            let Begun::Begun { prompt, reply, .. } = &begun else {
                return Ok(begun);
            };
            if was_there {
                return Ok(begun);
            }
            if let Some(prompt) = prompt {
                if store.world.happens(store.world.weather().half) {
                    store.deref().delete_message(prompt.chat_id, prompt.id).await?;
                    store.stored(reply);
                    return store.answer_lost("begin_exchange");
                }
                store.stored(prompt);
            }
            store.stored(reply);
            Ok(begun)
        })
        .await
    }

    /// Begins an exchange, unless a fault is put back that does so otherwise.
    async fn begin(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        let mut exchange = exchange.clone();
        if is_put_back(Fault::NoBound) {
            exchange.others_max = usize::MAX;
        }
        if is_put_back(Fault::KeyNotStored) && exchange.prompt().is_none() {
            exchange.reply.client_key = None;
        }
        let begun = self.deref().begin_exchange(&exchange).await?;
        let (chat_id, id) = (exchange.reply.chat_id, exchange.reply.id);
        match (&exchange.asking, begun) {
            (Asking::New(_), Begun::Begun { chat, prompt, reply }) if is_put_back(Fault::HalfStored) => {
                if self.world.happens(300) {
                    self.deref().remove_reply(chat_id, id, Claim::Alone).await?;
                }
                Ok(Begun::Begun { chat, prompt, reply })
            }
            (Asking::New(prompt), Begun::Full(oldest)) if is_put_back(Fault::RefusedButStored) => {
                self.insert_message(prompt).await?;
                self.stored(prompt);
                Ok(Begun::Full(oldest))
            }
            (
                _,
                Begun::Joined {
                    prompt,
                    reply: Some(reply),
                },
            ) if is_put_back(Fault::JoinedIsBegun) => Ok(Begun::Begun {
                chat: Box::new(self.chats(&[chat_id]).await?.remove(0)),
                prompt,
                reply,
            }),
            (_, begun) => Ok(begun),
        }
    }

    pub async fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError> {
        let mut before = self.deref().before_reply(chat, id, until, bounds).await?;
        if let Some(before) = &mut before {
            self.spoil(chat, id, before);
        }
        Ok(before)
    }

    pub async fn checkpoint(
        &self,
        chat: ChatId,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError> {
        let (store, owner, text) = (self.clone(), owner.to_owned(), text.to_owned());
        self.write("checkpoint", async move {
            store.wrote(id, Some(&text));
            store.deref().checkpoint(chat, id, &owner, &text, lease).await
        })
        .await
    }

    pub async fn request_stop(
        &self,
        chat: ChatId,
        id: MessageId,
        stop: &StopRequest,
    ) -> Result<Option<Message>, StoreError> {
        let (store, stop) = (self.clone(), stop.clone());
        self.write("request_stop", async move {
            if is_put_back(Fault::StopNotStored) {
                return Ok(store.messages(&[id]).await?.pop());
            }
            let message = store.deref().request_stop(chat, id, &stop).await?;
            if message.as_ref().is_some_and(Message::is_under_way) {
                store.did(Effect::StopNoted { id });
            }
            Ok(message)
        })
        .await
    }

    pub async fn finish_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError> {
        let (store, claim) = (self.clone(), KeptClaim::of(claim));
        let (outcome, bill) = (outcome.clone(), bill.cloned());
        self.write("finish_reply", async move {
            store.wrote(id, outcome.text.as_deref());
            store
                .finish(chat, id, claim.claim(), &outcome, bill.as_ref())
                .await
        })
        .await
    }

    async fn finish(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError> {
        let is_lost = is_put_back(Fault::BillLost) && self.deref().messages(&[id]).await?.is_empty();
        let bill = bill.filter(|_| !is_lost);
        let finish = self.deref().finish_reply(chat, id, claim, outcome, bill);
        let ended = finish.await?;
        if let Some(reply) = ended.as_ref().and_then(|message| message.reply.as_ref()) {
            let state = reply.state;
            self.did(Effect::Ended { id, state });
        }
        Ok(ended)
    }

    pub async fn remove_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
    ) -> Result<bool, StoreError> {
        let (store, claim) = (self.clone(), KeptClaim::of(claim));
        self.write("remove_reply", async move {
            if is_put_back(Fault::HalfIsKept) {
                let outcome = ReplyOutcome::bare(EndState::Interrupted, Timestamp::from_millis(0));
                let ended = store.finish(chat, id, claim.claim(), &outcome, None).await?;
                return Ok(ended.is_some());
            }
            let is_removed = store.deref().remove_reply(chat, id, claim.claim()).await?;
            if is_removed {
                store.did(Effect::Removed { chat, id });
            }
            Ok(is_removed)
        })
        .await
    }

    pub async fn active_replies(
        &self,
        chats: &[ChatId],
    ) -> Result<HashMap<ChatId, Vec<Message>>, StoreError> {
        let mut active = self.deref().active_replies(chats).await?;
        if is_put_back(Fault::OnlyTheOldest) {
            active.values_mut().for_each(|replies| replies.truncate(1));
        }
        Ok(active)
    }

    /// Shows a reply another history, if a fault is put back that does so.
    fn spoil(&self, chat: ChatId, id: MessageId, before: &mut Before) {
        let mut all = self.all_messages();
        all.retain(|message| message.chat_id == chat && message.author == Author::User);
        all.sort_by_key(Message::position);
        let asked = before.history.last().cloned();
        if let Some(asked) = asked.filter(|_| is_put_back(Fault::HistoryGoesOn)) {
            let later = all
                .into_iter()
                .find(|message| message.position() > asked.position());
            if let (Some(later), Some(last)) = (later, before.history.last_mut()) {
                last.text = later.text;
            }
        } else if is_put_back(Fault::DeletedPromptStays) {
            let reply = self.all_messages().into_iter().find(|message| message.id == id);
            let prompt = reply.and_then(|reply| reply.reply?.in_reply_to);
            let is_gone = |prompt: &Message| before.history.last().is_none_or(|last| last.id != prompt.id);
            let before_it = before.history.last().map(|last| last.text.clone());
            let deleted = self.world.stored(prompt).filter(is_gone).map(|prompt| Message {
                text: before_it.unwrap_or_else(|| "nothing".to_owned()),
                ..prompt
            });
            before.history.extend(deleted);
        }
    }
}

pub fn away() -> StoreError {
    StoreError::Unavailable("the simulation will have it so".into())
}
