//! Reading what is missing from Redis streams, and resetting the streams that lack an event.

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult, Value};

use super::link::{BATCH_MAX, Link};
use super::missed_chats::MissedChats;
use super::{RETAINED_MS, wire};
use crate::domain::{ChatEvent, ChatId, FeedPosition};
use crate::feed::ring::lock;
use crate::telemetry::feed::operation;

impl Link {
    /// Fills the rings of these chats with what their streams hold.
    pub(super) async fn backfill(
        &self,
        chats: &[ChatId],
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<()> {
        let key = self.shared.names.run();
        for chats in chats.chunks(BATCH_MAX) {
            let mut opens = redis::pipe();
            for chat in chats {
                opens.add_command(self.open(*chat, &key));
            }
            let found: Vec<Value> = operation("backfill", opens.query_async(connection)).await?;
            for (chat, entries) in chats.iter().zip(found) {
                self.fill(*chat, entries)?;
            }
        }
        Ok(())
    }

    /// The command that reads the stream of a chat, and makes it if there is none.
    pub(super) fn open(&self, chat: ChatId, key: &str) -> redis::Cmd {
        let stream = self.shared.names.chat(chat);
        let run = self.run.with_key(key);
        self.shared.scripts.open(&stream, run, RETAINED_MS)
    }

    /// Fills the ring of a chat with the entries of its stream.
    pub(super) fn fill(&self, chat: ChatId, entries: Value) -> RedisResult<()> {
        let Some(ring) = self.shared.rings.find(chat) else {
            return Ok(());
        };
        let entries: Vec<(String, Vec<String>)> = FromRedisValue::from_redis_value(entries)?;
        let (start, events) = known_events(entries, || self.shared.local_position());
        if !ring.backfill(start, events) {
            self.shared.request_backfill(chat);
        }
        Ok(())
    }

    /// Resets the streams that lack an event of this server, so that every subscriber receives a gap.
    pub(super) async fn reset_missed_streams(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<()> {
        self.missed.take(&mut lock(&self.shared.overrun));
        if self.missed.is_empty() {
            return Ok(());
        }
        let (names, scripts) = (&self.shared.names, &self.shared.scripts);
        let key = names.run();
        let mut streams: Vec<String> = self.missed.chats().map(|chat| names.chat(chat)).collect();
        if self.missed.is_everything() {
            let mut cursor = 0_u64;
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor)
                    .arg("MATCH")
                    .arg(names.every_chat())
                    .arg("COUNT")
                    .arg(1_000);
                let (next, found): (u64, Vec<String>) = scan.query_async(connection).await?;
                streams.extend(found);
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        for streams in streams.chunks(BATCH_MAX) {
            let mut renewals = redis::pipe();
            for stream in streams {
                renewals.add_command(scripts.renew(stream, self.run.with_key(&key), RETAINED_MS));
            }
            renewals.ignore().query_async::<()>(connection).await?;
        }
        self.missed = MissedChats::default();
        Ok(())
    }
}

/// The events of a stream after the last entry that this version does not understand, and the position before them.
fn known_events(
    entries: Vec<(String, Vec<String>)>,
    elsewhere: impl FnOnce() -> FeedPosition,
) -> (FeedPosition, Vec<ChatEvent>) {
    let (mut start, mut events) = (None, Vec::new());
    for (id, fields) in entries {
        let Some(position) = wire::position(&id) else {
            continue;
        };
        match fields.get(1).and_then(|event| wire::decode(event)) {
            Some(event) => {
                // The beginning was trimmed away.
                start.get_or_insert(FeedPosition {
                    sequence: position.sequence.saturating_sub(1),
                    ..position
                });
                events.push(event);
            }
            None => {
                start = Some(position);
                events.clear();
            }
        }
    }
    (start.unwrap_or_else(elsewhere), events)
}
