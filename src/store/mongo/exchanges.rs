//! Beginning an exchange.
//!
//! The reply is inserted before its prompt, in one command: its lease is what leads to it if nothing follows. Each
//! reply under way has a slot of its chat, unique among those under way, so that never more are than there are slots.
//! Slot 0 is the turn (see `turns.rs`): a new reply gets it where it is free.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use tokio::time::Instant;

use super::MongoStore;
use super::aside::drop_counts;
use super::counts::UNDER_WAY_MAX;
use super::document::{encode_message, read_list, read_message, read_one};
use super::fields::stored_id;
use super::messages::of_key;
use super::moments::{MOMENT_HOLDS_FOR, Moments, Wish, undo_if_gone};
use super::operation::{ANSWER_TIMEOUT, duplicate_at};
use super::replies::{active_in, from_now, streaming};
use super::reply_document::{slot, stored_slot};
use crate::domain::{Message, Timestamp, whole_millis};
use crate::store::repeated::{Earlier, Found, begun_again, joined};
use crate::store::{ACTIVE_REPLIES_MAX, Begun, Claim, Exchange, ReplyStore, StoreError};

/// How often a place for a reply is looked for. Each time that one is taken, somebody else got it.
const ATTEMPTS_MAX: usize = 4 * ACTIVE_REPLIES_MAX;

/// What came of the insert.
enum Stored {
    Both,
    /// The key or the id of the prompt is taken: the reply alone is stored.
    Half,
    /// A slot, a key or an id is taken.
    Neither,
    /// The chat is gone, and with it what was stored.
    NoChat,
}

/// What stands in the way of an exchange, or may.
struct Rivals {
    /// What has an id or the client key of it.
    found: Found,
    /// The other replies of the chat under way, the oldest first.
    others: Vec<Message>,
    /// Their slots.
    slots: Vec<usize>,
}

impl MongoStore {
    /// See [`crate::store::ReplyStore::begin_exchange`].
    pub(super) async fn begin(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        // From before the moments are given: a freeze at any point after that counts.
        let (since, chat) = (Instant::now(), exchange.reply.chat_id);
        let wish = Wish {
            chat,
            chat_of: exchange.chat_of.as_ref(),
            at: exchange.first().created_at,
            is_pair: exchange.prompt().is_some(),
            moves_chat_up: true,
        };
        let Some(moments) = self.take_moments(&wish).await? else {
            return Ok(Begun::NoChat);
        };
        let begun = self.begin_at(exchange, &moments, since).await?;
        if !matches!(begun, Begun::Begun { .. } | Begun::NoChat) {
            // Where the chat stands in a list is no reason to fail what is decided.
            let _ = self.put_back(&moments).await;
        }
        Ok(begun)
    }

    async fn begin_at(
        &self,
        exchange: &Exchange,
        moments: &Moments,
        since: Instant,
    ) -> Result<Begun, StoreError> {
        let chat = exchange.reply.chat_id;
        let mut reply = at(&exchange.reply, moments.last);
        if let Some(reply) = &mut reply.reply {
            reply.lease_until = moments.given_at.plus_millis(whole_millis(exchange.lease));
        }
        let prompt = exchange.prompt().map(|prompt| at(prompt, moments.first));
        let others_max = exchange.others_max.min(ACTIVE_REPLIES_MAX - 1);
        // Where as many may be under way as there are slots, a free slot is all that it takes: nobody has to be
        // counted.
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
                    Stored::Half => {
                        if let Some(half) = &reply.reply {
                            let owner = Claim::Owner(&half.owner);
                            self.remove_reply(chat, reply.id, owner).await?;
                        }
                    }
                    Stored::Neither => {}
                }
            }
            let rivals = self.rivals(exchange).await?;
            match Earlier::of(exchange, rivals.found)? {
                Earlier::None => {}
                Earlier::Same { prompt, reply } => match self.renewed(*reply, exchange.lease).await? {
                    Some(reply) => return Ok(begun_again(moments.chat.clone(), prompt, Box::new(reply))),
                    None => {
                        slot = None;
                        continue;
                    }
                },
                Earlier::Other(first) => {
                    let named = match first.reply_id {
                        Some(id) => self.find_message(chat, id).await?,
                        None => None,
                    };
                    return Ok(joined(first, named));
                }
                Earlier::KeyReused => return Ok(Begun::KeyReused),
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
                Err(error) => match duplicate_at(&error) {
                    Some(0) => return Ok(Stored::Neither),
                    Some(_) => return Ok(Stored::Half),
                    None => return Err(error),
                },
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
    async fn rivals(&self, exchange: &Exchange) -> Result<Rivals, StoreError> {
        let (first, reply, prompt) = (exchange.first(), &exchange.reply, exchange.prompt());
        let chat = stored_id(reply.chat_id.0);
        let mut branches = vec![
            doc! { "chat_id": chat, "_id": stored_id(reply.id.0) },
            active_in(chat),
        ];
        branches.extend(prompt.map(|prompt| doc! { "chat_id": chat, "_id": stored_id(prompt.id.0) }));
        branches.extend(first.client_key.as_ref().map(|key| of_key(reply.chat_id, key)));
        let documents = self.find_any(branches).await?;
        let slots = documents.iter().filter_map(|document| slot(document)).collect();
        let messages: Vec<_> = read_list(documents, read_message);
        let find = |is_it: &dyn Fn(&&Message) -> bool| messages.iter().find(is_it).cloned();
        let found = Found {
            of_key: find(&|message| message.client_key.is_some() && message.client_key == first.client_key),
            prompt: find(&|message| prompt.is_some_and(|prompt| prompt.id == message.id)),
            reply: find(&|message| message.id == reply.id),
        };
        let mut others = messages;
        others.retain(|message| message.is_under_way() && message.id != reply.id);
        others.sort_unstable_by_key(Message::position);
        Ok(Rivals { found, others, slots })
    }

    async fn find_any(&self, branches: Vec<Document>) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let found = self.messages.read(|messages| async move {
            let find = messages.find(doc! { "$or": branches }).max_time(ANSWER_TIMEOUT);
            find.await?.try_collect().await
        });
        found.await
    }

    /// A reply that an earlier call stored, whose lease begins anew if it is under way; `None` if it ended or was
    /// deleted since it was looked at.
    async fn renewed(&self, reply: Message, lease: Duration) -> Result<Option<Message>, StoreError> {
        if !reply.is_under_way() {
            return Ok(Some(reply));
        }
        let until = doc! { "$max": ["$reply.lease_until", from_now(lease)] };
        let renew = vec![doc! { "$set": { "reply.lease_until": until } }];
        let filter = streaming(reply.chat_id, reply.id);
        read_one(self.update_one_message(filter, renew).await?, read_message)
    }

    /// A streaming reply's document, with a slot if one is free: for one that is stored as it is.
    pub(super) async fn slotted(&self, reply: &Message) -> Result<Document, StoreError> {
        let chat = stored_id(reply.chat_id.0);
        let found = self.find_any(vec![active_in(chat)]).await?;
        let taken: Vec<_> = found.iter().filter_map(|document| slot(document)).collect();
        let free = (0..ACTIVE_REPLIES_MAX).find(|slot| !taken.contains(slot));
        let document = encode_message(reply);
        Ok(match free {
            Some(slot) => with_slot(document, slot),
            None => document,
        })
    }
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
        reply.insert("slot", stored_slot(slot));
    }
    document
}
