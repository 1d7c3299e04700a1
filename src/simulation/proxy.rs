//! The store as one server reaches it: late, refused, with its answer lost, or not at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::bot::call_of;
use super::history::{Effect, Note};
use super::world::{Gate, World};
use crate::domain::{
    Chat, ChatChange, ChatFilter, ChatId, ClientKey, Message, MessageChange, MessageFilter, MessageId, Page,
    PageRequest, ReplyOutcome, Revocation, SearchScope, SearchWords, Slice, StopRequest, Timestamp, UsageRow,
    UserId,
};
use crate::store::{
    ChatStore, Checkpointed, Claim, Inserted, MemoryStore, MessageStore, ReplyStore, RevocationStore,
    SearchStore, Store, StoreError, UsageStore,
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

    fn stored(&self, message: &Message, inserted: &Inserted) {
        if *inserted == Inserted::New {
            let all = self.store().all_messages();
            let streaming = all
                .iter()
                .filter(|other| other.chat_id == message.chat_id && other.is_under_way());
            let (message, streaming) = (Box::new(message.clone()), streaming.count());
            self.did(Effect::Stored { message, streaming });
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
}

#[async_trait]
impl MessageStore for StoreProxy {
    async fn insert_message(&self, message: &Message) -> Result<Inserted, StoreError> {
        self.write("insert_message", async {
            let inserted = self.store().insert_message(message).await?;
            self.stored(message, &inserted);
            Ok(inserted)
        })
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
        id: MessageId,
        change: &MessageChange,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        self.write("update_message", async {
            let updated = self.store().update_message(id, change, now).await?;
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

    async fn delete_message(&self, id: MessageId) -> Result<bool, StoreError> {
        self.write("delete_message", async {
            let found = self.store().messages(&[id]).await?.pop();
            let is_deleted = self.store().delete_message(id).await?;
            if let Some(message) = found {
                self.did(Effect::Deleted {
                    chat: message.chat_id,
                    id,
                });
            }
            Ok(is_deleted)
        })
        .await
    }
}

#[async_trait]
impl ReplyStore for StoreProxy {
    async fn begin_reply(&self, message: &Message, lease: Duration) -> Result<Inserted, StoreError> {
        self.write("begin_reply", async {
            let before = self.store().messages(&[message.id]).await?;
            let inserted = self.store().begin_reply(message, lease).await?;
            // What was there before was stored by somebody else, whatever the store answers.
            if before.is_empty() {
                self.stored(message, &inserted);
            }
            Ok(inserted)
        })
        .await
    }

    async fn checkpoint(
        &self,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError> {
        self.write("checkpoint", async {
            self.wrote(id, Some(text));
            self.store().checkpoint(id, owner, text, lease).await
        })
        .await
    }

    async fn request_stop(&self, id: MessageId, stop: &StopRequest) -> Result<Option<Message>, StoreError> {
        self.write("request_stop", async {
            let message = self.store().request_stop(id, stop).await?;
            if message.as_ref().is_some_and(Message::is_under_way) {
                self.did(Effect::StopNoted { id });
            }
            Ok(message)
        })
        .await
    }

    async fn finish_reply(
        &self,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
    ) -> Result<Option<Message>, StoreError> {
        self.write("finish_reply", async {
            self.wrote(id, outcome.text.as_deref());
            let ended = self.store().finish_reply(id, claim, outcome).await?;
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

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Message>, StoreError> {
        self.read(self.store().active_replies(chats)).await
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
