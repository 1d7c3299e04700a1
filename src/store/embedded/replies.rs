//! Replies.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result as SqlResult, params, params_from_iter};

use super::EmbeddedStore;
use super::chats::by_id as chat_by_id;
use super::exchanges::{self, NOW};
use super::ledger;
use super::messages::find;
use super::row::{
    MESSAGE_COLUMNS, count_values, error_values, id as stored_id, read_list, read_message, read_or_warn,
    stop_values, time, usage_values,
};
use crate::domain::{Bill, ChatId, Message, MessageId, Position, ReplyOutcome, StopRequest, whole_millis};
use crate::store::{Before, Begun, Checkpointed, Claim, Exchange, HistoryBounds, ReplyStore, StoreError};

#[async_trait]
impl ReplyStore for EmbeddedStore {
    async fn begin_exchange(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        let exchange = exchange.clone();
        let begun = self
            .writer
            .write(move |connection| exchanges::begin(connection, &exchange));
        begun.await?
    }

    async fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError> {
        let before = self.readers.read(move |connection| {
            if !connection.prepare_cached(&chat_by_id())?.exists([chat.0])? {
                return Ok(None);
            }
            let mut active = connection.prepare_cached(&active())?;
            let mut earlier = read_list(active.query([chat.0])?, read_message)?;
            let Some(place) = earlier.iter().position(|reply| reply.id == id) else {
                return Ok(None);
            };
            earlier.truncate(place);
            let history = history(connection, chat, until, bounds)?;
            Ok(Some(Before { earlier, history }))
        });
        before.await
    }

    async fn checkpoint(
        &self,
        chat: ChatId,
        id: MessageId,
        owner: &str,
        text: &str,
        lease: Duration,
    ) -> Result<Checkpointed, StoreError> {
        let (owner, text) = (owner.to_owned(), text.to_owned());
        let held = self.writer.write(move |connection| {
            let sql = format!(
                "UPDATE messages SET text = iif(octet_length(?1) > octet_length(text), ?1, text),
                        lease_until = max(lease_until, {NOW} + ?2)
                 WHERE id = ?3 AND reply_state = 'STREAMING' AND owner = ?4 AND chat_id = ?5
                 RETURNING stop_requested_at IS NOT NULL"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement
                .query_row(params![text, whole_millis(lease), id.0, owner, chat.0], |row| {
                    row.get(0)
                })
                .optional()
        });
        Ok(match held.await? {
            Some(is_stop_requested) => Checkpointed::Held { is_stop_requested },
            None => Checkpointed::Lost,
        })
    }

    async fn request_stop(
        &self,
        chat: ChatId,
        id: MessageId,
        stop: &StopRequest,
    ) -> Result<Option<Message>, StoreError> {
        let (at, by) = (stop.at, Value::from(&stop.by));
        let message = self.writer.write(move |connection| {
            let sql = "UPDATE messages SET stop_requested_at = ?, stop_requested_by = ?
                       WHERE id = ? AND chat_id = ? AND reply_state = 'STREAMING' AND stop_requested_at IS NULL";
            connection.prepare_cached(sql)?.execute(params![at, by, id.0, chat.0])?;
            Ok(find(connection, id)?.filter(|message| message.chat_id == chat))
        });
        message.await
    }

    async fn finish_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        claim: Claim<'_>,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Message>, StoreError> {
        let mut values = vec![
            outcome.text.clone().into(),
            outcome.state.name().to_owned().into(),
        ];
        values.extend(count_values(outcome.usage.map(|usage| usage.completion)));
        values.extend(usage_values(outcome.usage));
        values.extend(
            [
                outcome.started_at,
                outcome.first_piece_at,
                outcome.upstream_closed_at,
                Some(outcome.finished_at),
            ]
            .map(time),
        );
        values.push(outcome.overhead_us.into());
        values.extend(stop_values(outcome.stop.as_ref()));
        values.extend(error_values(outcome.error.as_ref()));
        values.extend([
            outcome.reasoning.clone().into(),
            time(Some(outcome.finished_at)),
            stored_id(id.0),
            stored_id(chat.0),
        ]);
        let (holds, owner) = holds(claim);
        values.extend(owner);
        let bill = bill.cloned();
        let finished = self.writer.write(move |connection| {
            let sql = format!(
                "UPDATE messages SET text = coalesce(?, text), reply_state = iif(stop_requested_at IS NULL, ?, 'STOPPED'), token_count = coalesce(?, token_count),
                 token_is_estimated = coalesce(?, token_is_estimated), prompt_tokens = ?, prompt_is_estimated = ?, completion_tokens = ?, completion_is_estimated = ?,
                 started_at = ?, first_piece_at = ?, upstream_closed_at = ?, finished_at = ?, overhead_us = ?,
                 stop_requested_at = coalesce(stop_requested_at, ?), stop_requested_by = coalesce(stop_requested_by, ?),
                 error_code = ?, error_message = ?, reasoning = ?, updated_at = max(updated_at, ?)
                 WHERE id = ? AND chat_id = ? AND reply_state = 'STREAMING' AND {holds}
                 RETURNING {MESSAGE_COLUMNS}"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let ended = statement.query_row(params_from_iter(values), read_message).optional()?;
            if let Some(bill) = bill
                && (ended.is_some() || find(connection, id)?.is_none())
            {
                ledger::add(connection, &bill)?;
            }
            Ok(ended)
        });
        finished.await
    }

    async fn remove_reply(&self, chat: ChatId, id: MessageId, claim: Claim<'_>) -> Result<bool, StoreError> {
        let (holds, owner) = holds(claim);
        let values: Vec<_> = [stored_id(id.0), stored_id(chat.0)]
            .into_iter()
            .chain(owner)
            .collect();
        let removed = self.writer.write(move |connection| {
            let sql = format!(
                "DELETE FROM messages WHERE id = ? AND chat_id = ? AND reply_state = 'STREAMING' AND {holds}"
            );
            connection.prepare_cached(&sql)?.execute(params_from_iter(values))
        });
        Ok(removed.await? > 0)
    }

    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (sql, owner) = claimable(claim);
        let values: Vec<_> = owner.into_iter().chain([limit.into()]).collect();
        let replies = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            read_list(statement.query(params_from_iter(values))?, read_message)
        });
        replies.await
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Vec<Message>>, StoreError> {
        let chats = chats.to_vec();
        let active = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&active())?;
            let mut replies = HashMap::new();
            for chat in chats {
                let active = read_list(statement.query([chat.0])?, read_message)?;
                if !active.is_empty() {
                    replies.insert(chat, active);
                }
            }
            Ok(replies)
        });
        active.await
    }
}

/// The condition that a claim holds of a reply, and what it takes.
fn holds(claim: Claim<'_>) -> (String, Option<Value>) {
    match claim {
        Claim::Owner(owner) => ("owner = ?".to_owned(), Some(owner.to_owned().into())),
        Claim::Lapsed => (format!("lease_until < {NOW}"), None),
        Claim::Alone => ("TRUE".to_owned(), None),
    }
}

/// The statement for the replies of which a claim holds, and what it takes before the limit.
pub(super) fn claimable(claim: Claim<'_>) -> (String, Option<Value>) {
    let (holds, owner) = holds(claim);
    let sql = format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY streaming_by_lease
         WHERE reply_state = 'STREAMING' AND {holds} ORDER BY lease_until LIMIT ?"
    );
    (sql, owner)
}

/// The statement for the streaming replies of a chat, in the order in which they were asked for.
pub(super) fn active() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY streaming_of_chat
         WHERE chat_id = ? AND reply_state = 'STREAMING' ORDER BY created_at, id"
    )
}

/// The ids of these.
pub(super) fn active_ids(connection: &Connection, chat: ChatId) -> SqlResult<Vec<MessageId>> {
    let sql = "SELECT id FROM messages INDEXED BY streaming_of_chat
               WHERE chat_id = ? AND reply_state = 'STREAMING' ORDER BY created_at, id";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map([chat.0], |row| row.get(0).map(MessageId))?;
    ids.collect()
}

/// The statement for a chat's messages up to a place, the latest first.
pub(super) fn up_to() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY messages_of_chat
         WHERE chat_id = ? AND (created_at, id) <= (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?"
    )
}

/// The latest messages up to a place, in the chat's order, as far back as the bounds allow.
fn history(
    connection: &Connection,
    chat: ChatId,
    until: Position,
    bounds: HistoryBounds,
) -> SqlResult<Vec<Message>> {
    let mut statement = connection.prepare_cached(&up_to())?;
    let limit = i64::try_from(bounds.messages_max).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![chat.0, until.at, until.id, limit])?;
    let (mut messages, mut bytes) = (Vec::new(), 0_usize);
    while bytes <= bounds.bytes_max
        && let Some(row) = rows.next()?
    {
        if let Some(message) = read_or_warn(row, read_message)? {
            bytes = bytes.saturating_add(message.text.len());
            messages.push(message);
        }
    }
    messages.reverse();
    Ok(messages)
}
