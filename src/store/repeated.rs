//! Repeated calls that store a message or an exchange: the same call, whose answer was lost, or another one with its
//! client key. Each engine finds what is stored; the answer is decided here, for all of them.
//!
//! The same call has the same ids, and [`is_same_insert`], [`is_same_write`] or [`is_same_call`] holds. Another call
//! with the client key gets what the first one stored if [`is_same_content`] holds.

use super::{Begun, Exchange, Inserted, StoreError, Written};
use crate::domain::{Chat, Message};

/// Stored messages that have an id or the client key of an exchange.
#[derive(Default)]
pub(super) struct Found {
    /// The message with the client key.
    pub(super) of_key: Option<Message>,
    /// The message with the id of the new prompt.
    pub(super) prompt: Option<Message>,
    /// The message with the id of the reply.
    pub(super) reply: Option<Message>,
}

/// An earlier call for an exchange.
pub(super) enum Earlier {
    /// There was none: the exchange may begin.
    None,
    /// The same call. Its prompt is not there if only a reply was asked for, or if it was never stored or is deleted.
    Same {
        prompt: Option<Box<Message>>,
        reply: Box<Message>,
    },
    /// Another call with the same client key and content, or the same one whose reply is deleted: its prompt, or its
    /// reply where only that was asked for.
    Other(Box<Message>),
    /// The client key belongs to other content.
    KeyReused,
}

impl Earlier {
    /// The earlier call that stored what was found.
    pub(super) fn of(exchange: &Exchange, found: Found) -> Result<Self, StoreError> {
        let (first, reply_id) = (exchange.first(), exchange.reply.id);
        let is_reply_taken = found.reply.is_some();
        let is_id_taken = is_reply_taken || found.prompt.is_some();
        let own_prompt = found
            .prompt
            .filter(|prompt| prompt.chat_id == first.chat_id && prompt.reply_id == Some(reply_id));
        let is_whole = first.id == reply_id || own_prompt.is_some();
        let own_reply = found
            .reply
            .filter(|reply| is_same_call(reply, &exchange.reply) && (is_whole || found.of_key.is_none()));
        if let Some(reply) = own_reply {
            return Ok(Self::Same {
                prompt: own_prompt.map(Box::new),
                reply: Box::new(reply),
            });
        }
        let unnamed = own_prompt.filter(|_| !is_reply_taken && first.client_key.is_none());
        match found.of_key.or(unnamed) {
            Some(stored) if is_same_content(&stored, first) => Ok(Self::Other(Box::new(stored))),
            Some(_) => Ok(Self::KeyReused),
            None if is_id_taken => Err(id_is_taken()),
            None => Ok(Self::None),
        }
    }
}

/// The answer to a call that inserts `sent` as it is where a stored message has its client key or its id.
pub(super) fn inserted_before(stored: Message, sent: &Message) -> Result<Inserted, StoreError> {
    if stored.id != sent.id {
        return Ok(Inserted::Existing(Box::new(stored)));
    }
    match is_same_insert(&stored, sent) {
        // The same call, whose answer was lost.
        true => Ok(Inserted::New),
        false => Err(id_is_taken()),
    }
}

/// The answer to a call that writes `sent` where a stored message has its client key or its id.
pub(super) fn written_before(chat: Chat, stored: Message, sent: &Message) -> Result<Written, StoreError> {
    if stored.id != sent.id {
        return Ok(match is_same_content(&stored, sent) {
            true => Written::Existing(Box::new(stored)),
            false => Written::KeyReused,
        });
    }
    match is_same_write(&stored, sent) {
        // The same call, whose answer was lost.
        true => Ok(Written::New {
            chat: Box::new(chat),
            message: Box::new(stored),
        }),
        false => Err(id_is_taken()),
    }
}

fn id_is_taken() -> StoreError {
    StoreError::Failed("the message's id is taken".into())
}

/// Whether a stored message with the client key of `sent` has its content. An edit made since does not count as other
/// content.
pub(crate) fn is_same_content(stored: &Message, sent: &Message) -> bool {
    let regenerates = |message: &Message| message.reply.as_ref().and_then(|reply| reply.regenerates);
    let content = |message: &Message| {
        (
            message.author,
            message.kind.clone(),
            message.reply_id.is_some(),
            message.reply.is_some(),
            regenerates(message),
        )
    };
    let is_reply = stored.reply.is_some();
    (is_reply || stored.is_edited || stored.text == sent.text) && content(stored) == content(sent)
}

/// Whether a stored message with the id of `sent` is what inserting `sent` as it is stores. What is changed later is
/// not compared.
fn is_same_insert(stored: &Message, sent: &Message) -> bool {
    is_same_write(stored, sent) && stored.created_at == sent.created_at
}

/// Whether a stored message with the id of `sent` is what writing `sent` stores. Its moment was given by the store.
fn is_same_write(stored: &Message, sent: &Message) -> bool {
    let call = |message: &Message| (message.chat_id, message.client_key.clone(), message.author);
    call(stored) == call(sent)
}

/// Whether a stored reply is what a call with this reply stores.
fn is_same_call(stored: &Message, reply: &Message) -> bool {
    let call = |message: &Message| {
        let reply = message.reply.as_ref();
        let reply = reply.map(|reply| (reply.owner.clone(), reply.in_reply_to, reply.regenerates));
        (message.chat_id, message.client_key.clone(), reply)
    };
    call(stored) == call(reply)
}

/// The answer to a call that stored its reply before: begun, unless the reply has ended. Its owner was then taken for
/// dead meanwhile.
pub(super) fn begun_again(chat: Chat, prompt: Option<Box<Message>>, reply: Box<Message>) -> Begun {
    match reply.is_under_way() {
        true => Begun::Begun {
            chat: Box::new(chat),
            prompt,
            reply,
        },
        false => Begun::Joined {
            prompt,
            reply: Some(reply),
        },
    }
}

/// The answer to a call that another one came before, with the message that this one stored first, and the reply that
/// this message names.
pub(super) fn joined(first: Box<Message>, named: Option<Message>) -> Begun {
    let (prompt, reply) = match first.reply {
        Some(_) => (None, Some(first)),
        None => (Some(first), named.map(Box::new)),
    };
    Begun::Joined { prompt, reply }
}
