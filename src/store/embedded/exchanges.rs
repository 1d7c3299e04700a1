//! What is written in a chat that exists, and at its end: messages, and exchanges. Each is one transaction of the thread
//! that writes, so that nothing comes in between.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result as SqlResult, params};

use super::messages::{find_anywhere, find_by_key, find_in_chat, rival, store};
use super::replies::{NOW, active};
use super::row::{CHAT_COLUMNS, MESSAGE_COLUMNS, read_chat, read_list, read_message, read_or_warn};
use crate::domain::{Chat, ChatId, Message, MessageId, Position, Timestamp, UserId, whole_millis};
use crate::store::dates::MOMENT_MAX;
use crate::store::repeated::{Earlier, Found, begun_again, joined, written_before};
use crate::store::{Asking, Before, Begun, Exchange, HistoryBounds, StoreError, Writing, Written};

/// What came of a piece of work within a transaction. Where the inner result is an error nothing was written.
type Decided<T> = SqlResult<Result<T, StoreError>>;

/// The moment of the latest message of a chat that is dated no later than a moment.
pub(super) const LATEST: &str = "SELECT created_at FROM messages INDEXED BY messages_of_chat
     WHERE chat_id = ? AND created_at <= ? ORDER BY created_at DESC LIMIT 1";

/// The moment of a streaming reply.
pub(super) const STREAMING_AT: &str =
    "SELECT created_at FROM messages WHERE id = ? AND chat_id = ? AND reply_state = 'STREAMING'";

/// Writes a message. See [`crate::store::MessageStore::write_message`].
pub(super) fn write(connection: &Connection, writing: Writing) -> Decided<Written> {
    let Writing {
        mut message,
        chat_of,
        moves_chat_up,
    } = writing;
    let Some(chat) = chat_to_write_in(connection, message.chat_id, chat_of.as_ref())? else {
        return Ok(Ok(Written::NoChat));
    };
    if let Some(rival) = rival(connection, &message)? {
        return Ok(written_before(chat, rival, &message));
    }
    let wished = message.created_at;
    let next = next_moment(connection, chat.id)?;
    move_to(&mut message, next.max(wished));
    store(connection, &message)?;
    let chat = match moves_chat_up {
        true => move_up(connection, chat.id, wished)?,
        false => chat,
    };
    Ok(Ok(Written::New {
        chat: Box::new(chat),
        message: Box::new(message),
    }))
}

/// Begins an exchange. See [`crate::store::ReplyStore::begin_exchange`].
pub(super) fn begin(connection: &Connection, exchange: Exchange) -> Decided<Begun> {
    let (first, chat_id) = (exchange.first(), exchange.reply.chat_id);
    let Some(chat) = chat_to_write_in(connection, chat_id, exchange.chat_of.as_ref())? else {
        return Ok(Ok(Begun::NoChat));
    };
    if first.chat_id != chat_id {
        return Ok(Err(StoreError::Failed("the prompt is of another chat".into())));
    }
    let earlier = match Earlier::of(&exchange, found(connection, &exchange)?) {
        Ok(earlier) => earlier,
        Err(error) => return Ok(Err(error)),
    };
    match earlier {
        Earlier::None => {}
        Earlier::Same { prompt, reply } => {
            let reply = renewed(connection, *reply, exchange.lease)?;
            return Ok(Ok(begun_again(chat, prompt, Box::new(reply))));
        }
        Earlier::Other(first) => {
            let named = reply_named_by(connection, &first)?;
            return Ok(Ok(joined(first, named)));
        }
        Earlier::KeyReused => return Ok(Ok(Begun::KeyReused)),
    }
    if let Some(oldest) = oldest_if_full(connection, chat.id, exchange.others_max)? {
        return Ok(Ok(Begun::Full(oldest)));
    }
    let wished = first.created_at;
    let Exchange {
        asking,
        mut reply,
        lease,
        ..
    } = exchange;
    let mut prompt = match asking {
        Asking::New(prompt) => Some(*prompt),
        Asking::Stored => None,
    };
    let mut moment = next_moment(connection, chat.id)?.max(wished);
    if let Some(prompt) = &mut prompt {
        move_to(prompt, moment);
        moment = moment.plus_millis(1);
        store(connection, prompt)?;
    }
    move_to(&mut reply, moment);
    let now: Timestamp = connection
        .prepare_cached(&format!("SELECT {NOW}"))?
        .query_row((), |row| row.get(0))?;
    if let Some(reply) = &mut reply.reply {
        reply.lease_until = now.plus_millis(whole_millis(lease));
    }
    store(connection, &reply)?;
    Ok(Ok(Begun::Begun {
        chat: Box::new(move_up(connection, chat.id, wished)?),
        prompt: prompt.map(Box::new),
        reply: Box::new(reply),
    }))
}

/// What stands before a reply. See [`crate::store::ReplyStore::before_reply`].
pub(super) fn before(
    connection: &Connection,
    chat: ChatId,
    id: MessageId,
    until: Position,
    bounds: HistoryBounds,
) -> SqlResult<Option<Before>> {
    if chat_to_write_in(connection, chat, None)?.is_none() {
        return Ok(None);
    }
    let at: Option<Timestamp> = connection
        .prepare_cached(STREAMING_AT)?
        .query_row(params![id.0, chat.0], |row| row.get(0))
        .optional()?;
    let Some(at) = at else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(&earlier())?;
    let rows = statement.query(params![chat.0, at, id.0])?;
    let earlier = read_list(rows, read_message, usize::MAX)?;
    let history = history(connection, chat, until, bounds)?;
    Ok(Some(Before { earlier, history }))
}

/// The latest messages up to a place. Rows are read one by one, and no more of them than are needed.
fn history(
    connection: &Connection,
    chat: ChatId,
    until: Position,
    bounds: HistoryBounds,
) -> SqlResult<Vec<Message>> {
    let mut statement = connection.prepare_cached(&up_to())?;
    let mut rows = statement.query(params![chat.0, until.at, until.id])?;
    let mut history: Vec<Message> = Vec::new();
    let mut bytes: usize = 0;
    while history.len() < bounds.messages_max
        && let Some(row) = rows.next()?
    {
        let Some(message) = read_or_warn(row, read_message)? else {
            continue;
        };
        bytes = bytes.saturating_add(message.text.len());
        if bytes > bounds.bytes_max && !history.is_empty() {
            break;
        }
        history.push(message);
    }
    history.reverse();
    Ok(history)
}

/// The statement for the streaming replies of a chat before a place.
pub(super) fn earlier() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY streaming_of_chat
         WHERE chat_id = ? AND reply_state = 'STREAMING' AND (created_at, id) < (?, ?) ORDER BY created_at, id"
    )
}

/// The statement for the messages of a chat up to a place, the latest first.
pub(super) fn up_to() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY messages_of_chat
         WHERE chat_id = ? AND (created_at, id) <= (?, ?) ORDER BY created_at DESC, id DESC"
    )
}

/// What is stored that an exchange may be, or that is in its way.
fn found(connection: &Connection, exchange: &Exchange) -> SqlResult<Found> {
    let first = exchange.first();
    let mut found = Found {
        reply: find_anywhere(connection, exchange.reply.id)?,
        ..Found::default()
    };
    if let Some(key) = &first.client_key {
        found.of_key = find_by_key(connection, first.chat_id, key)?;
    }
    if let Some(prompt) = exchange.prompt() {
        found.prompt = find_anywhere(connection, prompt.id)?;
    }
    Ok(found)
}

/// A reply whose lease begins anew, if it is under way.
fn renewed(connection: &Connection, reply: Message, lease: Duration) -> SqlResult<Message> {
    if !reply.is_under_way() {
        return Ok(reply);
    }
    let renew = format!(
        "UPDATE messages SET lease_until = max(lease_until, {NOW} + ?) WHERE id = ? AND chat_id = ?
         RETURNING {MESSAGE_COLUMNS}"
    );
    connection.prepare_cached(&renew)?.query_row(
        params![whole_millis(lease), reply.id.0, reply.chat_id.0],
        read_message,
    )
}

fn reply_named_by(connection: &Connection, prompt: &Message) -> SqlResult<Option<Message>> {
    match prompt.reply_id {
        Some(reply) => find_in_chat(connection, prompt.chat_id, reply),
        None => Ok(None),
    }
}

/// The chat, if it exists and is this user's; `None` is anybody.
fn chat_to_write_in(
    connection: &Connection,
    id: ChatId,
    chat_of: Option<&UserId>,
) -> SqlResult<Option<Chat>> {
    let chat = connection
        .prepare_cached(&super::chats::by_id())?
        .query_row([id.0], read_chat)
        .optional()?;
    Ok(chat.filter(|chat| chat_of.is_none_or(|user| chat.user_id == *user)))
}

/// The oldest streaming reply of a chat, if there are more than `others_max`.
fn oldest_if_full(connection: &Connection, chat: ChatId, others_max: usize) -> SqlResult<Option<MessageId>> {
    let mut statement = connection.prepare_cached(&active("id"))?;
    let ids = statement.query_map([chat.0], |row| row.get(0).map(MessageId))?;
    let ids: Vec<_> = ids.take(others_max.saturating_add(1)).collect::<SqlResult<_>>()?;
    Ok(ids.first().copied().filter(|_| ids.len() > others_max))
}

/// The first moment after all messages of a chat, as far as their dates say anything.
fn next_moment(connection: &Connection, chat: ChatId) -> SqlResult<Timestamp> {
    let latest: Option<Timestamp> = connection
        .prepare_cached(LATEST)?
        .query_row(params![chat.0, MOMENT_MAX], |row| row.get(0))
        .optional()?;
    Ok(latest.map_or(Timestamp::from_millis(i64::MIN), |latest| latest.plus_millis(1)))
}

fn move_to(message: &mut Message, moment: Timestamp) {
    message.created_at = moment;
    message.updated_at = moment;
}

/// Moves a chat up in its owner's list.
fn move_up(connection: &Connection, chat: ChatId, now: Timestamp) -> SqlResult<Chat> {
    let sql =
        format!("UPDATE chats SET updated_at = max(updated_at, ?) WHERE id = ? RETURNING {CHAT_COLUMNS}");
    connection
        .prepare_cached(&sql)?
        .query_row(params![now, chat.0], read_chat)
}
