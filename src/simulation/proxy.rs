//! The store as one server reaches it: late, refused, with its answer lost, or not at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::bot::call_of;
use super::fault::{Fault, is_put_back};
use super::history::{Effect, Note};
use super::world::{Gate, World};
use crate::domain::{
    Author, Bill, Chat, ChatChange, ChatFilter, ChatId, ClientKey, Message, MessageChange, MessageFilter,
    MessageId, Page, PageRequest, Position, ReplyOutcome, Revocation, SearchScope, SearchWords, Slice,
    StopRequest, Timestamp, UsageRow, UserId,
};
use crate::store::{
    Asking, Before, Begun, ChatStore, Checkpointed, Claim, Exchange, HistoryBounds, Inserted, MemoryStore,
    MessageStore, ReplyStore, RevocationStore, SearchStore, Store, StoreError, UsageStore, Writing, Written,
};

pub struct StoreProxy {
    world: Arc<World>,
    gate: Arc<Gate>,
}

/// Whether a call changes something: only then does it matter that its answer is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write(&'static str),
}

impl StoreProxy {
    pub fn new(world: Arc<World>, gate: Arc<Gate>) -> Self {
        Self { world, gate }
    }

    /// A call on its way to the store and back. Whoever drops it half way does not take back what was done.
    async fn call<T>(
        &self,
        kind: Kind,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let weather = self.world.weather();
        self.gate.pass().await;
        self.world.travel().await;
        if self.world.happens(weather.late) {
            let time = self.world.roll(|rng| rng.u64(100..3_000));
            sleep(Duration::from_millis(time)).await;
        }
        self.gate.pass().await;
        if !self.gate.has_store() || self.world.happens(weather.refused) {
            self.world.travel().await;
            self.gate.pass().await;
            return Err(away());
        }
        let result = call.await;
        self.world.travel().await;
        self.gate.pass().await;
        if let Kind::Write(effect) = kind
            && (!self.gate.has_store() || self.world.happens(weather.answer_lost))
        {
            self.world.note(Note::AnswerLost {
                server: self.gate.run,
                effect,
            });
            return Err(away());
        }
        result
    }

    async fn read<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.call(Kind::Read, call).await
    }

    async fn write<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.call(Kind::Write(name), call).await
    }

    fn store(&self) -> &MemoryStore {
        &self.world.store
    }

    fn did(&self, effect: Effect) {
        self.world.note(Note::Did {
            server: self.gate.run,
            effect,
        });
    }

    /// Whether the store has the message already: then a call that says that it stored it did so before.
    fn has(&self, message: &Message) -> bool {
        self.store()
            .all_messages()
            .iter()
            .any(|stored| stored.id == message.id)
    }

    fn stored(&self, message: &Message) {
        let all = self.store().all_messages();
        let streaming = all
            .iter()
            .filter(|other| other.chat_id == message.chat_id && other.is_under_way());
        let (message, streaming) = (Box::new(message.clone()), streaming.count());
        self.did(Effect::Stored { message, streaming });
    }

    /// Begins an exchange, unless a fault is put back that does so otherwise.
    async fn begin(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        let mut exchange = exchange.clone();
        if is_put_back(Fault::NoBound) {
            exchange.others_max = usize::MAX;
        }
        let begun = self.store().begin_exchange(&exchange).await?;
        let (chat_id, id) = (exchange.reply.chat_id, exchange.reply.id);
        match (&exchange.asking, begun) {
            (Asking::New(_), Begun::Begun { chat, prompt, reply }) if is_put_back(Fault::HalfStored) => {
                if self.world.happens(300) {
                    self.store().remove_reply(chat_id, id, Claim::Alone).await?;
                }
                Ok(Begun::Begun { chat, prompt, reply })
            }
            (Asking::New(prompt), Begun::Full(oldest)) if is_put_back(Fault::RefusedButStored) => {
                self.store().insert_message(prompt).await?;
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
                chat: Box::new(self.store().chats(&[chat_id]).await?.remove(0)),
                prompt,
                reply,
            }),
            (_, begun) => Ok(begun),
        }
    }

    /// Shows a reply another history, if a fault is put back that does so.
    fn spoil(&self, chat: ChatId, id: MessageId, before: &mut Before) {
        let mut all = self.store().all_messages();
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
            let reply = self
                .store()
                .all_messages()
                .into_iter()
                .find(|message| message.id == id);
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

    /// Notes which call of the bot wrote the text of a reply.
    fn wrote(&self, reply: MessageId, text: Option<&str>) {
        if let Some(call) = text.and_then(call_of) {
            self.world.note(Note::Wrote { call, reply });
        }
    }
}

fn away() -> StoreError {
    StoreError::Unavailable("the simulation will have it so".into())
}

#[async_trait]
impl ChatStore for StoreProxy {
    async fn insert_chat(&self, chat: &Chat) -> Result<(), StoreError> {
        self.write("insert_chat", self.store().insert_chat(chat)).await
    }

    async fn chats(&self, ids: &[ChatId]) -> Result<Vec<Chat>, StoreError> {
        self.read(self.store().chats(ids)).await
    }

    async fn chat_page(
        &self,
        user: &UserId,
        filter: &ChatFilter,
        request: &PageRequest,
    ) -> Result<Page<Chat>, StoreError> {
        self.read(self.store().chat_page(user, filter, request)).await
    }

    async fn chat_slice(&self, user: &UserId, slice: Slice) -> Result<Vec<Chat>, StoreError> {
        self.read(self.store().chat_slice(user, slice)).await
    }

    async fn chat_count(&self, user: &UserId) -> Result<u64, StoreError> {
        self.read(self.store().chat_count(user)).await
    }

    async fn update_chat(
        &self,
        id: ChatId,
        change: &ChatChange,
        now: Timestamp,
    ) -> Result<Option<Chat>, StoreError> {
        self.write("update_chat", self.store().update_chat(id, change, now))
            .await
    }

    async fn delete_chat(&self, id: ChatId) -> Result<bool, StoreError> {
        self.write("delete_chat", async {
            let is_deleted = self.store().delete_chat(id).await?;
            if is_deleted {
                self.did(Effect::ChatDeleted { chat: id });
            }
            Ok(is_deleted)
        })
        .await
    }

    async fn sweep_deleted(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError> {
        if is_put_back(Fault::NoSweep) {
            return Ok(None);
        }
        self.write("sweep_deleted", self.store().sweep_deleted(messages_max))
            .await
    }
}

#[async_trait]
impl MessageStore for StoreProxy {
    async fn write_message(&self, writing: &Writing) -> Result<Written, StoreError> {
        self.write("write_message", async {
            let was_there = self.has(&writing.message);
            let mut written = self.store().write_message(writing).await?;
            if let Written::New { message, .. } = &mut written
                && is_put_back(Fault::ClocksDecide)
                && !was_there
            {
                self.store().delete_message(message.chat_id, message.id).await?;
                self.store().insert_message(&writing.message).await?;
                **message = writing.message.clone();
            }
            if let Written::New { message, .. } = &written
                && !was_there
            {
                self.stored(message);
            }
            Ok(written)
        })
        .await
    }

    async fn insert_message(&self, message: &Message) -> Result<Inserted, StoreError> {
        self.write("insert_message", self.store().insert_message(message))
            .await
    }

    async fn message_of_key(&self, chat: ChatId, key: &ClientKey) -> Result<Option<Message>, StoreError> {
        self.read(self.store().message_of_key(chat, key)).await
    }

    async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        self.read(self.store().messages(ids)).await
    }

    async fn message_pages(
        &self,
        chats: &[ChatId],
        filter: &MessageFilter,
        request: &PageRequest,
    ) -> Result<HashMap<ChatId, Page<Message>>, StoreError> {
        self.read(self.store().message_pages(chats, filter, request))
            .await
    }

    async fn message_slice(&self, chat: ChatId, slice: Slice) -> Result<Vec<Message>, StoreError> {
        self.read(self.store().message_slice(chat, slice)).await
    }

    async fn last_messages(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError> {
        self.read(self.store().last_messages(chats)).await
    }

    async fn message_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, u64>, StoreError> {
        self.read(self.store().message_counts(chats)).await
    }

    async fn token_counts(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, i64>, StoreError> {
        self.read(self.store().token_counts(chats)).await
    }

    async fn update_message(
        &self,
        chat: ChatId,
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        self.write("update_message", async {
            let updated = self.store().update_message(chat, id, change, now).await?;
            if let Some(message) = &updated {
                self.did(Effect::Updated {
                    chat: message.chat_id,
                    id,
                });
            }
            Ok(updated)
        })
        .await
    }

    async fn delete_message(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError> {
        self.write("delete_message", async {
            let is_deleted = self.store().delete_message(chat, id).await?;
            if is_deleted {
                self.did(Effect::Deleted { chat, id });
            }
            Ok(is_deleted)
        })
        .await
    }
}

#[async_trait]
impl ReplyStore for StoreProxy {
    async fn begin_exchange(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        self.write("begin_exchange", async {
            let was_there = self.has(&exchange.reply);
            let begun = self.begin(exchange).await?;
            if let Begun::Begun { prompt, reply, .. } = &begun
                && !was_there
            {
                prompt.iter().for_each(|prompt| self.stored(prompt));
                self.stored(reply);
            }
            Ok(begun)
        })
        .await
    }

    async fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError> {
        let read = self.store().before_reply(chat, id, until, bounds);
        let mut before = self.read(read).await?;
        if let Some(before) = &mut before {
            self.spoil(chat, id, before);
        }
        Ok(before)
    }

    async fn checkpoint(
        &self,
        chat: ChatId,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError> {
        self.write("checkpoint", async {
            self.wrote(id, Some(text));
            self.store().checkpoint(chat, id, owner, text, lease).await
        })
        .await
    }

    async fn request_stop(
        &self,
        chat: ChatId,
        id: MessageId,
        stop: &StopRequest,
    ) -> Result<Option<Message>, StoreError> {
        self.write("request_stop", async {
            if is_put_back(Fault::StopNotStored) {
                return Ok(self.store().messages(&[id]).await?.pop());
            }
            let message = self.store().request_stop(chat, id, stop).await?;
            if message.as_ref().is_some_and(Message::is_under_way) {
                self.did(Effect::StopNoted { id });
            }
            Ok(message)
        })
        .await
    }

    async fn finish_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError> {
        self.write("finish_reply", async {
            self.wrote(id, outcome.text.as_deref());
            let finish = self.store().finish_reply(chat, id, claim, outcome, bill);
            let ended = finish.await?;
            if let Some(reply) = ended.as_ref().and_then(|message| message.reply.as_ref()) {
                self.did(Effect::Ended {
                    id,
                    state: reply.state,
                });
            }
            Ok(ended)
        })
        .await
    }

    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.read(self.store().claimable_replies(claim, limit)).await
    }

    async fn remove_reply(&self, chat: ChatId, id: MessageId, claim: Claim<'_>) -> Result<bool, StoreError> {
        self.write("remove_reply", async {
            let is_removed = self.store().remove_reply(chat, id, claim).await?;
            if is_removed {
                self.did(Effect::Deleted { chat, id });
            }
            Ok(is_removed)
        })
        .await
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Vec<Message>>, StoreError> {
        let mut active = self.read(self.store().active_replies(chats)).await?;
        if is_put_back(Fault::OnlyTheOldest) {
            active.values_mut().for_each(|replies| replies.truncate(1));
        }
        Ok(active)
    }
}

#[async_trait]
impl SearchStore for StoreProxy {
    async fn search_messages(
        &self,
        scope: &SearchScope,
        words: &SearchWords,
        request: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        self.read(self.store().search_messages(scope, words, request))
            .await
    }
}

#[async_trait]
impl UsageStore for StoreProxy {
    async fn usage(
        &self,
        user: &UserId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRow>, StoreError> {
        self.read(self.store().usage(user, from, to)).await
    }
}

#[async_trait]
impl RevocationStore for StoreProxy {
    async fn revoke(&self, user: &UserId) -> Result<Revocation, StoreError> {
        self.write("revoke", self.store().revoke(user)).await
    }

    async fn revocations(&self, since: Timestamp, limit: usize) -> Result<Vec<Revocation>, StoreError> {
        self.read(self.store().revocations(since, limit)).await
    }
}

#[async_trait]
impl Store for StoreProxy {
    async fn ping(&self) -> Result<(), StoreError> {
        self.read(self.store().ping()).await
    }
}
