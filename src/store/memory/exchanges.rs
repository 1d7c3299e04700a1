//! Writing in a chat: a message, or a prompt together with its reply.

use super::State;
use crate::domain::{Chat, ChatId, Message, Timestamp, UserId, whole_millis};
use crate::store::dates::MOMENT_MAX;
use crate::store::repeated::{Earlier, Found, begun_again, joined, written_before};
use crate::store::{Begun, Exchange, StoreError, Writing, Written};

impl State {
    /// A chat, if it is there, and whose it has to be.
    fn chat_of(&self, id: ChatId, user: Option<&UserId>) -> Option<Chat> {
        let chat = self.chats.get(&id);
        chat.filter(|chat| user.is_none_or(|user| chat.user_id == *user))
            .cloned()
    }

    /// The first moment from `wished` on that comes after everything in the chat.
    fn next_moment(&self, chat: ChatId, wished: Timestamp) -> Timestamp {
        let moments = self
            .messages_of(chat)
            .into_iter()
            .map(|message| message.created_at);
        let latest = moments.rev().find(|moment| *moment <= MOMENT_MAX);
        latest.map_or(wished, |latest| wished.max(latest.plus_millis(1)))
    }

    /// What has the client key of `message`, or else its id.
    fn rival(&self, message: &Message) -> Option<Message> {
        let key = message.client_key.as_ref();
        let of_key = key.and_then(|key| self.message_of_key(message.chat_id, key));
        of_key.or_else(|| self.messages.get(&message.id).cloned())
    }

    fn put(&mut self, message: &Message, moment: Timestamp) -> Message {
        let message = Message {
            created_at: moment,
            updated_at: moment,
            ..message.clone()
        };
        self.messages.insert(message.id, message.clone());
        message
    }

    fn move_up(&mut self, mut chat: Chat, now: Timestamp) -> Chat {
        chat.updated_at = chat.updated_at.max(now);
        self.chats.insert(chat.id, chat.clone());
        chat
    }

    pub(super) fn write_message(&mut self, writing: &Writing) -> Result<Written, StoreError> {
        let message = &writing.message;
        let Some(chat) = self.chat_of(message.chat_id, writing.chat_of.as_ref()) else {
            return Ok(Written::NoChat);
        };
        if let Some(stored) = self.rival(message) {
            return written_before(chat, stored, message);
        }
        let moment = self.next_moment(chat.id, message.created_at);
        let stored = self.put(message, moment);
        let chat = match writing.moves_chat_up {
            true => self.move_up(chat, message.created_at),
            false => chat,
        };
        Ok(Written::New {
            chat: Box::new(chat),
            message: Box::new(stored),
        })
    }

    pub(super) fn begin_exchange(
        &mut self,
        exchange: &Exchange,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let chat_id = exchange.reply.chat_id;
        let Some(chat) = self.chat_of(chat_id, exchange.chat_of.as_ref()) else {
            return Ok(Begun::NoChat);
        };
        let (prompt, first) = (exchange.prompt(), exchange.first());
        let key = first.client_key.as_ref();
        let found = Found {
            of_key: key.and_then(|key| self.message_of_key(chat_id, key)),
            prompt: prompt.and_then(|prompt| self.messages.get(&prompt.id).cloned()),
            reply: self.messages.get(&exchange.reply.id).cloned(),
        };
        match Earlier::of(exchange, found)? {
            Earlier::None => {}
            Earlier::Same { prompt, mut reply } => {
                if let Some(stored) = self.streaming(chat_id, reply.id) {
                    if let Some(reply) = &mut stored.reply {
                        let lease_until = now.plus_millis(whole_millis(exchange.lease));
                        reply.lease_until = reply.lease_until.max(lease_until);
                    }
                    *reply = stored.clone();
                }
                return Ok(begun_again(chat, prompt, reply));
            }
            Earlier::Other(first) => {
                let named = first
                    .reply_id
                    .and_then(|id| self.message_of(chat_id, id).cloned());
                return Ok(joined(first, named));
            }
            Earlier::KeyReused => return Ok(Begun::KeyReused),
        }
        let active = self.active(chat_id);
        if active.len() > exchange.others_max
            && let Some(oldest) = active.first()
        {
            return Ok(Begun::Full(oldest.id));
        }
        let wished = first.created_at;
        let mut moment = self.next_moment(chat_id, wished);
        let prompt = prompt.map(|prompt| {
            let prompt = self.put(prompt, moment);
            moment = moment.plus_millis(1);
            Box::new(prompt)
        });
        let mut reply = exchange.reply.clone();
        if let Some(reply) = &mut reply.reply {
            reply.lease_until = now.plus_millis(whole_millis(exchange.lease));
        }
        let reply = self.put(&reply, moment);
        Ok(Begun::Begun {
            chat: Box::new(self.move_up(chat, wished)),
            prompt,
            reply: Box::new(reply),
        })
    }
}
