//! Replies.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Result as SqlResult, params, params_from_iter};

use super::EmbeddedStore;
use super::messages::{find, insert};
use super::row::{
    MESSAGE_COLUMNS, count_values, error_values, id as stored_id, read_message, stop_values, time,
    usage_values,
};
use crate::domain::{ChatId, Message, MessageId, ReplyOutcome, StopRequest, Timestamp, whole_millis};
use crate::store::{Checkpointed, Claim, Inserted, ReplyStore, StoreError};

/// Now, in milliseconds since the Unix epoch: the same throughout a statement.
const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

#[async_trait]
impl ReplyStore for EmbeddedStore {
    async fn begin_reply(&self, message: &Message, lease: Duration) -> Result<Inserted, StoreError> {
        let mut message = message.clone();
        let inserted = self.writer.write(move |connection| {
            if let Some(reply) = &mut message.reply {
                let now: Timestamp = connection
                    .prepare_cached(&format!("SELECT {NOW}"))?
                    .query_row((), |row| row.get(0))?;
                reply.lease_until = now.plus_millis(whole_millis(lease));
            }
            insert(connection, &message)
        });
        inserted.await?
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
                 WHERE id = ?3 AND reply_state = 'STREAMING' AND owner = ?4
                 RETURNING stop_requested_at IS NOT NULL"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement
                .query_row(params![text, whole_millis(lease), id.0, owner], |row| row.get(0))
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
                       WHERE id = ? AND reply_state = 'STREAMING' AND stop_requested_at IS NULL";
            connection.prepare_cached(sql)?.execute(params![at, by, id.0])?;
            find(connection, id)
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
        ]);
        let (holds, owner) = holds(claim);
        values.extend(owner);
        let finished = self.writer.write(move |connection| {
            let sql = format!(
                "UPDATE messages SET text = coalesce(?, text), reply_state = ?, token_count = coalesce(?, token_count),
                 token_is_estimated = coalesce(?, token_is_estimated), prompt_tokens = ?, prompt_is_estimated = ?, completion_tokens = ?, completion_is_estimated = ?,
                 started_at = ?, first_piece_at = ?, upstream_closed_at = ?, finished_at = ?, overhead_us = ?,
                 stop_requested_at = coalesce(stop_requested_at, ?), stop_requested_by = coalesce(stop_requested_by, ?),
                 error_code = ?, error_message = ?, reasoning = ?, updated_at = max(updated_at, ?)
                 WHERE id = ? AND reply_state = 'STREAMING' AND {holds}
                 RETURNING {MESSAGE_COLUMNS}"
            );
            connection.prepare_cached(&sql)?.query_row(params_from_iter(values), read_message).optional()
        });
        finished.await
    }

    async fn claimable_replies(&self, claim: Claim<'_>, limit: usize) -> Result<Vec<Message>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (sql, owner) = claimable(claim);
        let values: Vec<_> = owner.into_iter().chain([limit.into()]).collect();
        let replies = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            statement
                .query_map(params_from_iter(values), read_message)?
                .collect()
        });
        replies.await
    }

    async fn active_replies(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, Vec<Message>>, StoreError> {
        let chats = chats.to_vec();
        let active = self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&active())?;
            let replies = chats
                .iter()
                .map(|chat| statement.query_row([chat.0], read_message).optional());
            let replies: Vec<Message> = replies.filter_map(Result::transpose).collect::<SqlResult<_>>()?;
            Ok(replies.into_iter().map(|reply| (reply.chat_id, reply)).collect())
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

/// The statement for the oldest streaming reply of a chat.
pub(super) fn active() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY streaming_of_chat
         WHERE chat_id = ? AND reply_state = 'STREAMING' ORDER BY created_at, id LIMIT 1"
    )
}
