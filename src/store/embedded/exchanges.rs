//! Writing in a chat: a message, or a prompt together with its reply. Each is one transaction.

use rusqlite::{Connection, OptionalExtension, Result as SqlResult, params, params_from_iter};

use super::chats::by_id;
use super::messages::{find, find_by_key};
use super::replies::active_ids;
use super::row::{MESSAGE_COLUMNS, message_values, read_chat};
use crate::domain::{Chat, ChatId, Message, Timestamp, UserId, whole_millis};
use crate::store::{Asking, Begun, Exchange, StoreError, Writing, Written, is_same_content, judge};

/// Now, in milliseconds since the Unix epoch: the same throughout a statement.
pub(super) const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

type Outcome<T> = SqlResult<Result<T, StoreError>>;

/// Writes a message.
pub(super) fn write(connection: &Connection, writing: &Writing) -> Outcome<Written> {
    let message = &writing.message;
    let Some(chat) = chat_of(connection, message.chat_id, writing.chat_of.as_ref())? else {
        return Ok(Ok(Written::NoChat));
    };
    if let Some(stored) = rival(connection, message)? {
        let is_ours = stored.id == message.id;
        return Ok(match is_ours {
            // An earlier attempt of this very call.
            true => judge(stored.clone(), &placed(message, stored.created_at)).map(|_| Written::New {
                chat: Box::new(chat),
                message: Box::new(stored),
            }),
            false if is_same_content(&stored, message) => Ok(Written::Existing(Box::new(stored))),
            false => Ok(Written::KeyReused),
        });
    }
    let message = placed(
        message,
        next_moment(connection, message.chat_id, message.created_at)?,
    );
    put(connection, &message)?;
    let chat = match writing.moves_chat_up {
        true => move_up(connection, chat, writing.message.created_at)?,
        false => chat,
    };
    Ok(Ok(Written::New {
        chat: Box::new(chat),
        message: Box::new(message),
    }))
}

/// Begins an exchange.
pub(super) fn begin(connection: &Connection, exchange: &Exchange) -> Outcome<Begun> {
    let chat_id = exchange.reply.chat_id;
    let Some(chat) = chat_of(connection, chat_id, exchange.chat_of.as_ref())? else {
        return Ok(Ok(Begun::NoChat));
    };
    let prompt = match &exchange.asking {
        Asking::New(prompt) => Some(prompt.as_ref()),
        Asking::Stored => None,
    };
    if let Some(begun) = begun_before(connection, &chat, exchange, prompt)? {
        return Ok(begun);
    }
    let active = active_ids(connection, chat_id)?;
    if active.len() > exchange.others_max
        && let Some(oldest) = active.first()
    {
        return Ok(Ok(Begun::Full(*oldest)));
    }
    let wished = prompt.map_or(exchange.reply.created_at, |prompt| prompt.created_at);
    let mut moment = next_moment(connection, chat_id, wished)?;
    let prompt = match prompt {
        Some(prompt) => {
            let prompt = placed(prompt, moment);
            put(connection, &prompt)?;
            moment = moment.plus_millis(1);
            Some(Box::new(prompt))
        }
        None => None,
    };
    let mut reply = placed(&exchange.reply, moment);
    if let Some(reply) = &mut reply.reply {
        let now: Timestamp = connection
            .prepare_cached(&format!("SELECT {NOW}"))?
            .query_row((), |row| row.get(0))?;
        reply.lease_until = now.plus_millis(whole_millis(exchange.lease));
    }
    put(connection, &reply)?;
    let chat = move_up(connection, chat, wished)?;
    Ok(Ok(Begun::Begun {
        chat: Box::new(chat),
        prompt,
        reply: Box::new(reply),
    }))
}

/// What an earlier attempt, or an earlier call with the same client key, began.
fn begun_before(
    connection: &Connection,
    chat: &Chat,
    exchange: &Exchange,
    prompt: Option<&Message>,
) -> SqlResult<Option<Result<Begun, StoreError>>> {
    let owner = |message: &Message| message.reply.as_ref().map(|reply| reply.owner.clone());
    if let Some(reply) = find(connection, exchange.reply.id)? {
        // Nobody but us mints this id, so with our name on it, it is our own earlier attempt.
        if reply.chat_id != chat.id || owner(&reply) != owner(&exchange.reply) {
            return Ok(Some(Err(StoreError::Failed("the reply's id is taken".into()))));
        }
        let prompt = match prompt {
            Some(prompt) => find(connection, prompt.id)?.map(Box::new),
            None => None,
        };
        return Ok(Some(Ok(Begun::Begun {
            chat: Box::new(chat.clone()),
            prompt,
            reply: Box::new(reply),
        })));
    }
    let sent = prompt.unwrap_or(&exchange.reply);
    let Some(stored) = rival(connection, sent)? else {
        return Ok(None);
    };
    if !is_same_content(&stored, sent) {
        return Ok(Some(Ok(Begun::KeyReused)));
    }
    Ok(Some(Ok(match prompt {
        Some(_) => Begun::Joined {
            reply: match stored.reply_id {
                Some(id) => find(connection, id)?.map(Box::new),
                None => None,
            },
            prompt: Some(Box::new(stored)),
        },
        None => Begun::Joined {
            prompt: None,
            reply: Some(Box::new(stored)),
        },
    })))
}

/// The chat, if it is there, and whose it has to be.
fn chat_of(connection: &Connection, id: ChatId, user: Option<&UserId>) -> SqlResult<Option<Chat>> {
    let mut statement = connection.prepare_cached(&by_id())?;
    let chat = statement.query_row([id.0], read_chat).optional()?;
    Ok(chat.filter(|chat| user.is_none_or(|user| chat.user_id == *user)))
}

/// The message that stands where `message` is to go: of the same client key in the same chat, or of the same id.
pub(super) fn rival(connection: &Connection, message: &Message) -> SqlResult<Option<Message>> {
    if let Some(key) = &message.client_key {
        let rival = find_by_key(connection, message.chat_id, key)?;
        if rival.is_some() {
            return Ok(rival);
        }
    }
    find(connection, message.id)
}

/// The first moment from `wished` on that comes after everything in the chat.
fn next_moment(connection: &Connection, chat: ChatId, wished: Timestamp) -> SqlResult<Timestamp> {
    let latest: Option<Timestamp> = connection
        .prepare_cached(LATEST)?
        .query_row([chat.0], |row| row.get(0))?;
    Ok(latest.map_or(wished, |latest| wished.max(latest.plus_millis(1))))
}

/// The moment of a chat's latest message, from the keys of an index.
pub(super) const LATEST: &str =
    "SELECT max(created_at) FROM messages INDEXED BY messages_of_chat WHERE chat_id = ?";

fn placed(message: &Message, moment: Timestamp) -> Message {
    Message {
        created_at: moment,
        updated_at: moment,
        ..message.clone()
    }
}

/// Stores a message as it is.
pub(super) fn put(connection: &Connection, message: &Message) -> SqlResult<()> {
    let values = message_values(message);
    let marks = vec!["?"; values.len()].join(", ");
    let sql = format!("INSERT INTO messages ({MESSAGE_COLUMNS}) VALUES ({marks})");
    connection
        .prepare_cached(&sql)?
        .execute(params_from_iter(values))
        .map(drop)
}

fn move_up(connection: &Connection, chat: Chat, now: Timestamp) -> SqlResult<Chat> {
    let updated_at = chat.updated_at.max(now);
    connection
        .prepare_cached("UPDATE chats SET updated_at = ? WHERE id = ?")?
        .execute(params![updated_at, chat.id.0])?;
    Ok(Chat { updated_at, ..chat })
}
