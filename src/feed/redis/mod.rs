//! The feed of several servers: a Redis stream for each chat, the text of each growing reply as a Redis string, and
//! channels that publish both.
//!
//! Each server has one connection. An event, or a piece of text, is stored and published in one step (`scripts.rs`).
//! Other servers receive it from the channel, and read what is stored only when something is missing: at the beginning,
//! after the connection was lost, when a number is skipped. So the work for an event does not depend on how many chats
//! a server follows.

mod backfill;
mod content;
mod link;
mod missed_chats;
mod names;
mod outage;
mod presence;
mod probe;
mod rooms;
mod run;
mod scripts;
mod shared;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use redis::{Client, IntoConnectionInfo, ProtocolVersion};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

use super::ring::{RETAINED_FOR, lock};
use super::{Away, FLUSH_WAIT_MAX, Feed, Fleet, Follower, Heard, Hearing};
use crate::domain::{ChatEvent, ChatId, FeedPosition, MessageId, Typing};
use crate::telemetry::feed::{failed, operation};
pub use probe::RedisProbed;

use link::{Link, Op};
use missed_chats::MissedChats;
use run::KnownRun;
use shared::Shared;

/// The most operations in the queue. For an event that finds it full, subscribers receive a gap.
const OPS_MAX: usize = 8_192;
/// How long to wait for the connection, and for the stream of a chat to be read. A subscriber for whom it was not read
/// in time begins with a gap.
const OPEN_WAIT_MAX: Duration = Duration::from_secs(2);
/// Pieces of a reply that have arrived and were not read. A reader that lags by more receives [`Heard::Missed`].
const PIECES_MAX: usize = 64;
/// How long the events of a chat, and the text of a growing reply, are kept after the last one, in milliseconds.
const RETAINED_MS: u64 = RETAINED_FOR.as_millis() as u64;
/// How long the text of a reply is kept after its end, in milliseconds: until every server has read the end in the
/// store.
const ENDED_KEPT_MS: u64 = 30_000;
/// How long a server counts as alive after its last heartbeat, in milliseconds.
const ALIVE_MS: u64 = 10_000;

/// Why the feed could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum RedisFeedError {
    /// The URL is malformed. The error does not repeat it, because it may contain a password.
    #[error("the address of Redis cannot be read")]
    Address,
}

/// The feed on Redis.
pub struct RedisFeed {
    shared: Arc<Shared>,
    ops: mpsc::Sender<Op>,
}

impl RedisFeed {
    /// A feed over the Redis at `address`, all of whose keys begin with `prefix`, for the server called `name`; `seed`
    /// is random. If Redis cannot be reached in time, the feed starts without it and keeps trying.
    pub async fn connect(address: &str, prefix: &str, name: &str, seed: u64) -> Result<Self, RedisFeedError> {
        let client = open_client(address)?;
        let shared = Arc::new(Shared::new(prefix, name, seed));
        let (ops, asked) = mpsc::channel(OPS_MAX);
        let link = Link {
            shared: shared.clone(),
            client,
            ops: asked,
            missed: MissedChats::default(),
            flushes: Vec::new(),
            run: KnownRun::default(),
        };
        tokio::spawn(link.keep());
        let mut connection = shared.connection.subscribe();
        let is_connected = connection.wait_for(Option::is_some);
        // A connection that is made later is used from then on.
        let _ = tokio::time::timeout(OPEN_WAIT_MAX, is_connected).await.map(drop);
        Ok(Self { shared, ops })
    }

    /// Queues an operation, and waits until it is done, or for [`OPEN_WAIT_MAX`].
    async fn ask(&self, op: impl FnOnce(oneshot::Sender<()>) -> Op) {
        let (done, is_done) = oneshot::channel();
        let asking = async {
            if self.ops.send(op(done)).await.is_ok() {
                let _ = is_done.await;
            }
        };
        let _ = tokio::time::timeout(OPEN_WAIT_MAX, asking).await;
    }
}

fn open_client(address: &str) -> Result<Client, RedisFeedError> {
    let address = address
        .into_connection_info()
        .map_err(|_| RedisFeedError::Address)?;
    // RESP3 delivers channel messages over the same connection as replies to commands, which RESP2 cannot.
    let settings = address
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    Client::open(address.set_redis_settings(settings)).map_err(|_| RedisFeedError::Address)
}

#[async_trait]
impl Feed for RedisFeed {
    async fn publish(&self, chat: ChatId, event: ChatEvent) {
        if self
            .ops
            .try_send(Op::Publish(chat, event, Instant::now()))
            .is_err()
        {
            failed("publish");
            lock(&self.shared.overrun).add(chat);
        }
    }

    async fn leave(&self) {
        self.ask(Op::Leave).await;
    }

    async fn publish_typing(&self, chat: ChatId, typing: Typing) {
        // Dropped if the queue is full: it would expire soon anyway.
        let _ = self.ops.try_send(Op::Typing(chat, typing));
    }

    async fn follow(&self, chat: ChatId, after: Option<FeedPosition>) -> Follower {
        let ring = self.shared.rings.open(chat, || self.shared.local_position());
        if !ring.is_in_sync() {
            self.ask(|done| Op::Open(chat, done)).await;
        }
        ring.follow(after)
    }

    async fn flush(&self) -> bool {
        let (done, is_done) = oneshot::channel();
        let flushing = async {
            let is_requested = self.ops.send(Op::Flush(done)).await.is_ok();
            self.shared.flush_requested.notify_one();
            is_requested && is_done.await.is_ok()
        };
        let is_flushed = tokio::time::timeout(FLUSH_WAIT_MAX, flushing).await;
        let is_flushed = is_flushed.unwrap_or(false);
        if !is_flushed {
            tracing::warn!("events did not reach Redis: subscribers on other servers may have missed them");
        }
        is_flushed
    }

    fn is_up(&self) -> bool {
        self.shared.connection().is_some()
    }

    fn fleet(&self) -> Option<Arc<dyn Fleet>> {
        Some(Arc::new(Self {
            shared: self.shared.clone(),
            ops: self.ops.clone(),
        }))
    }
}

#[async_trait]
impl Fleet for RedisFeed {
    async fn carry(&self, reply: MessageId, offset: usize, piece: &str) -> Result<usize, Away> {
        let mut connection = self.shared.connection().ok_or(Away)?;
        let text = self.shared.names.text(reply);
        let append = self.shared.scripts.append(&text, offset, piece, RETAINED_MS);
        let appended = append.query_async(&mut connection);
        operation("carry", appended).await.map_err(|_| Away)
    }

    async fn end(&self, reply: MessageId) {
        if let Some(mut connection) = self.shared.connection() {
            let text = self.shared.names.text(reply);
            // A server that misses this finds the end in the store.
            let end = self.shared.scripts.end(&text, ENDED_KEPT_MS);
            let _ = operation("end", end.query_async::<()>(&mut connection)).await;
        }
    }

    async fn hear(&self, reply: MessageId) -> Hearing {
        let pieces = lock(&self.shared.listeners)
            .entry(reply)
            .or_insert_with(|| broadcast::Sender::new(PIECES_MAX))
            .subscribe();
        self.ask(|done| Op::Hear(reply, done)).await;
        let missed = stream::once(async { Heard::Missed });
        let heard = stream::unfold(pieces, |mut pieces| async {
            match pieces.recv().await {
                Ok(heard) => Some((heard, pieces)),
                Err(RecvError::Lagged(_)) => Some((Heard::Missed, pieces)),
                Err(RecvError::Closed) => None,
            }
        });
        missed.chain(heard).boxed()
    }

    async fn text(&self, reply: MessageId) -> Option<String> {
        let mut connection = self.shared.connection()?;
        let mut get = redis::cmd("GET");
        get.arg(self.shared.names.reply(reply));
        operation("text", get.query_async(&mut connection))
            .await
            .ok()
            .flatten()
    }

    async fn wake(&self, owner: &str, reply: MessageId) {
        if let Some(mut connection) = self.shared.connection() {
            let mut publish = redis::cmd("PUBLISH");
            publish
                .arg(self.shared.names.server(owner))
                .arg(format!("stop {reply}"));
            // If this fails, the owner finds the stop request with its next checkpoint.
            let _ = operation("wake", publish.query_async::<()>(&mut connection)).await;
        }
    }

    fn woken(&self) -> BoxStream<'static, MessageId> {
        let woken = self.shared.woken.subscribe();
        stream::unfold(woken, |mut woken| async {
            loop {
                match woken.recv().await {
                    Ok(reply) => return Some((reply, woken)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }

    fn announce(&self, room: &str, connections: usize) {
        self.shared.rooms.set(room, connections);
    }

    async fn connections(&self, rooms: &[String]) -> Vec<usize> {
        let Some(mut connection) = self.shared.connection() else {
            return Vec::new();
        };
        let (names, scripts) = (&self.shared.names, &self.shared.scripts);
        let servers = names.servers();
        let mut counts = redis::pipe();
        for room in rooms {
            counts.add_command(scripts.count(&names.room(room), &servers, &self.shared.name, ALIVE_MS));
        }
        let counted = operation("connections", counts.query_async(&mut connection));
        counted.await.unwrap_or_default()
    }
}
