//! Beginning an exchange.
//!
//! The reply is inserted before its prompt, in one command: its lease is what leads to it if nothing follows. Each reply
//! under way has a slot of its chat, unique among those under way, so that never more are than there are slots.

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use tokio::time::Instant;

use super::MongoStore;
use super::aside::drop_counts;
use super::counts::UNDER_WAY_MAX;
use super::document::{encode_message, read_list, read_message};
use super::fields::{Fields, stored_id};
use super::messages::of_key;
use super::moments::{MOMENT_HOLDS_FOR, Moments, Wish, undo_if_gone};
use super::operation::{ANSWER_TIMEOUT, is_duplicate_key};
use super::replies::{holds, streaming};
use crate::domain::{ChatId, Message, MessageId, ReplyState, Timestamp, whole_millis};
use crate::store::{ACTIVE_REPLIES_MAX, Asking, Begun, Claim, Exchange, StoreError, is_same_content};

/// How often a place for a reply is looked for. Each time that one is taken, somebody else got it.
const ATTEMPTS_MAX: usize = 4 * ACTIVE_REPLIES_MAX;

/// What came of the insert.
enum Stored {
    Both,
    /// A slot, a key or an id is taken; nothing is stored, or the reply alone.
    Taken,
    /// The chat is gone, and with it what was stored.
    NoChat,
}

/// What stands in the way of an exchange, or may.
struct Rivals {
    /// What has the client key, or the id of the prompt.
    of_key: Option<Message>,
    /// What has the id of the reply.
    reply: Option<Message>,
    /// The other replies of the chat under way, the oldest first.
    others: Vec<Message>,
    /// Their slots.
    slots: Vec<usize>,
}

impl MongoStore {
    /// See [`crate::store::ReplyStore::begin_exchange`].
    pub(super) async fn begin(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        let chat = exchange.reply.chat_id;
        let prompt = match &exchange.asking {
            Asking::New(prompt) => Some(prompt.as_ref()),
            Asking::Stored => None,
        };
        let wish = Wish {
            chat,
            chat_of: exchange.chat_of.as_ref(),
            at: prompt.unwrap_or(&exchange.reply).created_at,
            is_pair: prompt.is_some(),
            moves_chat_up: true,
        };
        let Some(moments) = self.take_moments(&wish).await? else {
            return Ok(Begun::NoChat);
        };
        let begun = self.begin_at(exchange, prompt, &moments).await?;
        if !matches!(begun, Begun::Begun { .. } | Begun::NoChat) {
            // Where the chat stands in a list is no reason to fail what is decided.
            let _ = self.put_back(&moments).await;
        }
        Ok(begun)
    }

    async fn begin_at(
        &self,
        exchange: &Exchange,
        prompt: Option<&Message>,
        moments: &Moments,
    ) -> Result<Begun, StoreError> {
        let since = Instant::now();
        let mut reply = at(&exchange.reply, moments.last);
        if let Some(reply) = &mut reply.reply {
            reply.lease_until = moments.given_at.plus_millis(whole_millis(exchange.lease));
        }
        let prompt = prompt.map(|prompt| at(prompt, moments.first));
        let others_max = exchange.others_max.min(ACTIVE_REPLIES_MAX - 1);
        // Where as many may be under way as there are slots, one that is free says all.
        let mut slot = (others_max == ACTIVE_REPLIES_MAX - 1).then_some(0);
        for _ in 0..ATTEMPTS_MAX {
            if let Some(slot) = slot {
                match self.store_both(&reply, prompt.as_ref(), slot, since).await? {
                    Stored::Both => {
                        return Ok(Begun::Begun {
                            chat: Box::new(moments.chat.clone()),
                            prompt: prompt.map(Box::new),
                            reply: Box::new(reply),
                        });
                    }
                    Stored::NoChat => return Ok(Begun::NoChat),
                    Stored::Taken => {}
                }
            }
            let rivals = self.rivals(&reply, prompt.as_ref()).await?;
            if let Some(stored) = &rivals.reply
                && let Some(begun) = self
                    .resume(stored, &reply, prompt.as_ref(), &rivals, moments)
                    .await?
            {
                return Ok(begun);
            }
            if let Some(rival) = rivals.of_key {
                return self.join(rival, prompt.as_ref().unwrap_or(&reply)).await;
            }
            match rivals.others.first() {
                Some(oldest) if rivals.others.len() > others_max => return Ok(Begun::Full(oldest.id)),
                _ => {}
            }
            let free: Vec<_> = (0..=others_max)
                .filter(|slot| !rivals.slots.contains(slot))
                .collect();
            // Those that look for one at once do not all try the same.
            let [.., spread] = reply.id.0.bytes();
            slot = free.get(usize::from(spread) % free.len().max(1)).copied();
        }
        Err(StoreError::Unavailable(
            "others began replies of the chat all the time".into(),
        ))
    }

    /// Inserts the reply, and then its prompt.
    async fn store_both(
        &self,
        reply: &Message,
        prompt: Option<&Message>,
        slot: usize,
        since: Instant,
    ) -> Result<Stored, StoreError> {
        let chat = reply.chat_id;
        let documents: Vec<_> = std::iter::once(with_slot(encode_message(reply), slot))
            .chain(prompt.map(encode_message))
            .collect();
        let ids: Vec<_> = std::iter::once(reply.id)
            .chain(prompt.map(|prompt| prompt.id))
            .map(|id| stored_id(id.0))
            .collect();
        let chats = self.chats.bare.clone();
        let stored = self.messages.write(|messages| async move {
            let insert = messages.clone_with_type::<Document>();
            match insert.insert_many(documents).ordered(true).await {
                Ok(_) => {}
                Err(error) if is_duplicate_key(&error) => return Ok(Stored::Taken),
                Err(error) => return Err(error),
            }
            if since.elapsed() > UNDER_WAY_MAX {
                drop_counts(&chats, chat).await?;
            }
            let is_late = since.elapsed() > MOMENT_HOLDS_FOR;
            match is_late && undo_if_gone(&chats, &messages, chat, ids).await? {
                true => Ok(Stored::NoChat),
                false => Ok(Stored::Both),
            }
        });
        stored.await
    }

    /// Everything of the chat that a duplicate key may be about, in one command.
    async fn rivals(&self, reply: &Message, prompt: Option<&Message>) -> Result<Rivals, StoreError> {
        let chat = stored_id(reply.chat_id.0);
        let keyed = prompt.unwrap_or(reply);
        let mut branches = vec![
            doc! { "chat_id": chat, "_id": stored_id(reply.id.0) },
            doc! { "chat_id": chat, "reply.state": ReplyState::Streaming.name() },
        ];
        branches.extend(prompt.map(|prompt| doc! { "chat_id": chat, "_id": stored_id(prompt.id.0) }));
        branches.extend(keyed.client_key.as_ref().map(|key| of_key(reply.chat_id, key)));
        let found = self.find_any(branches).await?;
        let slots = found.iter().filter_map(|document| slot_of(document)).collect();
        let mut rivals = Rivals {
            of_key: None,
            reply: None,
            others: Vec::new(),
            slots,
        };
        for message in read_list(found, read_message) {
            if message.id == reply.id {
                rivals.reply = Some(message);
            } else if message.id == keyed.id
                || (message.client_key.is_some() && message.client_key == keyed.client_key)
            {
                rivals.of_key = Some(message);
            } else if message.is_under_way() {
                rivals.others.push(message);
            }
        }
        rivals.others.sort_unstable_by_key(Message::position);
        Ok(rivals)
    }

    async fn find_any(&self, branches: Vec<Document>) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let found = self.messages.read(|messages| async move {
            let find = messages.find(doc! { "$or": branches }).max_time(ANSWER_TIMEOUT);
            find.await?.try_collect().await
        });
        found.await
    }

    /// What to make of a stored message with the id of our reply: an earlier attempt stored it, of which the caller was
    /// not told, or this one did, and its prompt could not follow. `None` if it was such a half, which is removed.
    async fn resume(
        &self,
        stored: &Message,
        reply: &Message,
        prompt: Option<&Message>,
        rivals: &Rivals,
        moments: &Moments,
    ) -> Result<Option<Begun>, StoreError> {
        if !is_own_attempt(stored, reply) {
            return Err(StoreError::Failed("the reply's id is taken".into()));
        }
        let asked = rivals.of_key.as_ref();
        let asked = asked.filter(|asked| prompt.is_some() && asked.reply_id == Some(reply.id));
        let asked = asked.cloned().map(Box::new);
        if !stored.is_under_way() {
            // Its owner was taken for dead meanwhile.
            return Ok(Some(Begun::Joined {
                prompt: asked,
                reply: Some(Box::new(stored.clone())),
            }));
        }
        if prompt.is_some() && asked.is_none() {
            self.remove_half(reply).await?;
            return Ok(None);
        }
        Ok(Some(Begun::Begun {
            chat: Box::new(moments.chat.clone()),
            prompt: asked,
            reply: Box::new(stored.clone()),
        }))
    }

    async fn remove_half(&self, reply: &Message) -> Result<(), StoreError> {
        let mut half = streaming(reply.chat_id, reply.id);
        if let Some(reply) = &reply.reply {
            half.extend(holds(Claim::Owner(&reply.owner)));
        }
        let removed = self
            .messages
            .write(|messages| async move { messages.delete_one(half).await });
        removed.await.map(drop)
    }

    /// What an exchange comes to whose client key, or prompt's id, `rival` has.
    async fn join(&self, rival: Message, sent: &Message) -> Result<Begun, StoreError> {
        if !is_same_content(&rival, sent) {
            return Ok(Begun::KeyReused);
        }
        if rival.reply.is_some() {
            return Ok(Begun::Joined {
                prompt: None,
                reply: Some(Box::new(rival)),
            });
        }
        let reply = match rival.reply_id {
            Some(id) => self.message_of_chat(rival.chat_id, id).await?,
            None => None,
        };
        Ok(Begun::Joined {
            prompt: Some(Box::new(rival)),
            reply: reply.map(Box::new),
        })
    }

    async fn message_of_chat(&self, chat: ChatId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let by_id = doc! { "chat_id": stored_id(chat.0), "_id": stored_id(id.0) };
        let found = read_list(self.find_any(vec![by_id]).await?, read_message);
        Ok(found.into_iter().next())
    }

    /// A streaming reply's document, with a slot if one is free: for one that is stored as it is.
    pub(super) async fn slotted(&self, reply: &Message) -> Result<Document, StoreError> {
        let chat = stored_id(reply.chat_id.0);
        let active = doc! { "chat_id": chat, "reply.state": ReplyState::Streaming.name() };
        let found = self.find_any(vec![active]).await?;
        let taken: Vec<_> = found.iter().filter_map(|document| slot_of(document)).collect();
        let free = (0..ACTIVE_REPLIES_MAX).find(|slot| !taken.contains(slot));
        let document = encode_message(reply);
        Ok(match free {
            Some(slot) => with_slot(document, slot),
            None => document,
        })
    }
}

/// Whether a stored reply is what this very call stored, or one before it whose answer was lost.
fn is_own_attempt(stored: &Message, reply: &Message) -> bool {
    let attempt = |message: &Message| {
        let reply = message.reply.as_ref();
        let reply = reply.map(|reply| (reply.owner.clone(), reply.in_reply_to, reply.regenerates));
        (message.client_key.clone(), reply)
    };
    attempt(stored) == attempt(reply)
}

/// The message as it is stored at a moment.
pub(super) fn at(message: &Message, moment: Timestamp) -> Message {
    Message {
        created_at: moment,
        updated_at: moment,
        ..message.clone()
    }
}

fn with_slot(mut document: Document, slot: usize) -> Document {
    if let Some(Bson::Document(reply)) = document.get_mut("reply") {
        reply.insert("slot", i32::try_from(slot).unwrap_or_default());
    }
    document
}

fn slot_of(document: &RawDocument) -> Option<usize> {
    let reply = Fields::of(document).nested("reply")?;
    let is_streaming = reply.text("state") == Some(ReplyState::Streaming.name());
    usize::try_from(reply.integer("slot")?)
        .ok()
        .filter(|_| is_streaming)
}
