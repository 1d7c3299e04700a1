//! The presence of this server and its rooms in Redis: a heartbeat, and how many connections each room has here.

use std::time::Duration;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;

use super::link::{BATCH_MAX, Link};
use super::{ALIVE_MS, RETAINED_MS};
use crate::telemetry::feed::operation;

/// How often a heartbeat is stored, which also shows that Redis is alive.
pub(super) const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);
/// How long a chat stays subscribed to after its last subscriber.
pub(super) const IDLE_FOR: Duration = Duration::from_secs(10);
/// How often the streams of followed chats are kept from expiring, in heartbeats: a third of their lifetime.
const HEARTBEATS_PER_RENEWAL: u64 = RETAINED_MS / 3 / HEARTBEAT_EVERY.as_millis() as u64;
/// How often the connection counts of all rooms are sent again, in heartbeats: half of their lifetime.
const HEARTBEATS_PER_RESEND: u64 = ROOM_KEPT_SECONDS / 2 * 1_000 / HEARTBEAT_EVERY.as_millis() as u64;
/// How long a room's connection counts are kept if all servers die, in seconds.
const ROOM_KEPT_SECONDS: u64 = 7_200;

/// What a heartbeat finds.
const WAS_NOT_ALIVE: u8 = 0;
const ANOTHER_IS_DEAD: u8 = 2;

impl Link {
    /// Stores that this server is alive, and does the periodic work. `number` counts the heartbeats of this connection.
    pub(super) async fn heartbeat(
        &mut self,
        number: u64,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<()> {
        self.run.check(connection).await?;
        let shared = self.shared.clone();
        let (names, key) = (&shared.names, shared.names.run());
        let run = self.run.with_key(&key);
        let heartbeat = shared
            .scripts
            .heartbeat(&names.servers(), run, RETAINED_MS, &shared.name, ALIVE_MS);
        let found: u8 = operation("heartbeat", heartbeat.query_async(connection)).await?;
        if found == ANOTHER_IS_DEAD {
            tracing::warn!("another server is dead: subscribers of all chats are told to read them again");
            self.catch_up(connection).await?;
        }
        // The counts of a server that seemed dead may have been removed.
        if found == WAS_NOT_ALIVE || number % HEARTBEATS_PER_RESEND == HEARTBEATS_PER_RESEND - 1 {
            shared.rooms.resend_all();
        }
        self.unsubscribe_idle(connection).await?;
        if number % HEARTBEATS_PER_RENEWAL == HEARTBEATS_PER_RENEWAL - 1 {
            self.renew_streams(connection).await?;
        }
        self.reset_missed_streams(connection).await
    }

    /// Sends the connection counts that have changed.
    pub(super) async fn send_rooms(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        loop {
            let rooms = self.shared.rooms.unsent(BATCH_MAX);
            if rooms.is_empty() {
                return Ok(());
            }
            let mut counts = redis::pipe();
            for (room, connections) in &rooms {
                let key = self.shared.names.room(room);
                match connections {
                    0 => counts.hdel(&key, &self.shared.name),
                    _ => counts.hset(&key, &self.shared.name, connections),
                };
                counts.expire(&key, ROOM_KEPT_SECONDS.cast_signed());
            }
            counts.ignore().query_async::<()>(connection).await?;
            self.shared.rooms.mark_sent(&rooms);
        }
    }

    /// Unsubscribes from the channels of chats and replies that nobody on this server follows any more.
    async fn unsubscribe_idle(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let names = &self.shared.names;
        let chats = self.shared.rings.remove_idle(IDLE_FOR).into_iter();
        let replies = self.shared.remove_idle_listeners().into_iter();
        let channels: Vec<_> = chats
            .map(|chat| names.chat(chat))
            .chain(replies.map(|reply| names.reply(reply)))
            .collect();
        for channels in channels.chunks(BATCH_MAX) {
            connection.unsubscribe(channels).await?;
        }
        Ok(())
    }

    /// Keeps the streams of followed chats from expiring.
    async fn renew_streams(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        for chats in self.shared.rings.followed().chunks(BATCH_MAX) {
            let mut renewals = redis::pipe();
            for chat in chats {
                renewals.pexpire(self.shared.names.chat(*chat), RETAINED_MS.cast_signed());
            }
            renewals.ignore().query_async::<()>(connection).await?;
        }
        Ok(())
    }
}
