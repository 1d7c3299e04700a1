//! Replies.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::deletions::is_deleted;
use super::messages::find_in_chat;
use super::row::{
    MESSAGE_COLUMNS, count_values, error_values, id as stored_id, read_list, read_message, stop_values, time,
    usage_values,
};
use super::{EmbeddedStore, exchanges, usage};
use crate::domain::{Bill, ChatId, Message, MessageId, Position, ReplyOutcome, StopRequest, whole_millis};
use crate::store::{Before, Begun, Checkpointed, Claim, Exchange, HistoryBounds, ReplyStore, StoreError};

/// Now, in milliseconds since the Unix epoch: the same throughout a statement.
pub(super) const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

#[async_trait]
impl ReplyStore for EmbeddedStore {
    async fn begin_exchange(&self, exchange: &Exchange) -> Result<Begun, StoreError> {
        let exchange = exchange.clone();
        self.writer
            .write(move |connection| exchanges::begin(connection, exchange))
            .await?
    }

    async fn before_reply(
        &self,
        chat: ChatId,
        id: MessageId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Before>, StoreError> {
        self.readers
            .read(move |connection| exchanges::before(connection, chat, id, until, bounds))
            .await
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
            let mut statement = connection.prepare_cached(&self::checkpoint())?;
            let values = params![text, whole_millis(lease), id.0, chat.0, owner];
            statement.query_row(values, |row| row.get(0)).optional()
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
            if is_deleted(connection, chat)? {
                return Ok(None);
            }
            connection
                .prepare_cached(REQUEST_STOP)?
                .execute(params![at, by, id.0, chat.0])?;
            find_in_chat(connection, chat, id)
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
        let (sql, owner) = finish(claim);
        values.extend(owner);
        let bill = bill.cloned();
        let is_owner = matches!(claim, Claim::Owner(_));
        let finished = self.writer.write(move |connection| {
            let finished = connection
                .prepare_cached(&sql)?
                .query_row(params_from_iter(values), read_message)
                .optional()?;
            if let Some(bill) = bill
                && (is_owner
                    || finished.is_some()
                    || !connection
                        .prepare_cached(IS_THERE)?
                        .exists(params![id.0, chat.0])?)
            {
                usage::enter(connection, id, &bill)?;
            }
            Ok(finished)
        });
        finished.await
    }

    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError> {
        let (sql, owner) = claimable(claim);
        let replies = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            read_list(statement.query(params_from_iter(owner))?, read_message, limit)
        });
        replies.await
    }

    async fn remove_reply(&self, chat: ChatId, id: MessageId, claim: Claim<'_>) -> Result<bool, StoreError> {
        let (sql, owner) = remove(claim);
        let mut values = vec![stored_id(id.0), stored_id(chat.0)];
        values.extend(owner);
        let removed = self
            .writer
            .write(move |connection| connection.prepare_cached(&sql)?.execute(params_from_iter(values)));
        Ok(removed.await? > 0)
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Vec<Message>>, StoreError> {
        let chats = chats.to_vec();
        let active = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&active(MESSAGE_COLUMNS))?;
            let mut active = HashMap::new();
            for chat in chats {
                let replies = read_list(statement.query([chat.0])?, read_message, usize::MAX)?;
                if !replies.is_empty() {
                    active.insert(chat, replies);
                }
            }
            Ok(active)
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

/// The statement for the replies of which a claim holds, and what it takes.
pub(super) fn claimable(claim: Claim<'_>) -> (String, Option<Value>) {
    let (holds, owner) = holds(claim);
    let sql = format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY streaming_by_lease
         WHERE reply_state = 'STREAMING' AND {holds} ORDER BY lease_until"
    );
    (sql, owner)
}

/// The statement for the streaming replies of a chat, the oldest first.
pub(super) fn active(columns: &str) -> String {
    format!(
        "SELECT {columns} FROM messages INDEXED BY streaming_of_chat
         WHERE chat_id = ? AND reply_state = 'STREAMING' ORDER BY created_at, id"
    )
}

/// Notes that a reply shall stop, if it streams and nobody did before.
pub(super) const REQUEST_STOP: &str = "UPDATE messages SET stop_requested_at = ?, stop_requested_by = ?
     WHERE id = ? AND chat_id = ? AND reply_state = 'STREAMING' AND stop_requested_at IS NULL";

/// Whether there is a message.
pub(super) const IS_THERE: &str = "SELECT 1 FROM messages WHERE id = ? AND chat_id = ?";

/// The statement that stores a checkpoint.
pub(super) fn checkpoint() -> String {
    format!(
        "UPDATE messages SET text = iif(octet_length(?1) > octet_length(text), ?1, text),
                lease_until = max(lease_until, {NOW} + ?2)
         WHERE id = ?3 AND chat_id = ?4 AND reply_state = 'STREAMING' AND owner = ?5
         RETURNING stop_requested_at IS NOT NULL"
    )
}

/// The statement that ends a reply of which a claim holds, and what it takes at its end. A stop that was noted before
/// decides the state, and stays as it is.
pub(super) fn finish(claim: Claim<'_>) -> (String, Option<Value>) {
    let (holds, owner) = holds(claim);
    let sql = format!(
        "UPDATE messages SET text = coalesce(?, text),
         reply_state = iif(stop_requested_at IS NULL, ?, 'STOPPED'), token_count = coalesce(?, token_count),
         token_is_estimated = coalesce(?, token_is_estimated), prompt_tokens = ?, prompt_is_estimated = ?,
         completion_tokens = ?, completion_is_estimated = ?, started_at = ?, first_piece_at = ?,
         upstream_closed_at = ?, finished_at = ?, overhead_us = ?,
         stop_requested_at = coalesce(stop_requested_at, ?), stop_requested_by = coalesce(stop_requested_by, ?),
         error_code = iif(stop_requested_at IS NULL, ?, NULL),
         error_message = iif(stop_requested_at IS NULL, ?, NULL), reasoning = ?, updated_at = max(updated_at, ?)
         WHERE id = ? AND chat_id = ? AND reply_state = 'STREAMING' AND {holds}
         RETURNING {MESSAGE_COLUMNS}"
    );
    (sql, owner)
}

/// The statement that removes a streaming reply of which a claim holds, and what it takes at its end.
pub(super) fn remove(claim: Claim<'_>) -> (String, Option<Value>) {
    let (holds, owner) = holds(claim);
    let sql = format!(
        "DELETE FROM messages WHERE id = ? AND chat_id = ? AND reply_state = 'STREAMING' AND {holds}"
    );
    (sql, owner)
}
