//! The one connection to Redis: opened, kept, lost and opened again, and everything that is done in order over it.
//!
//! While Redis is unavailable, events reach the subscribers of this server only. They receive gaps again and again,
//! because events of other servers do not arrive; and the chats of events that the other servers missed are remembered,
//! so that their streams are reset when Redis is back. The same happens while Redis refuses commands, for example
//! because its memory is full; then the connection is kept.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, RedisResult,
    ServerErrorKind, Value,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::RETAINED_MS;
use super::missed_chats::MissedChats;
use super::outage::Outage;
use super::presence::{HEARTBEAT_EVERY, IDLE_FOR};
use super::run::KnownRun;
use super::shared::Shared;
use super::wire::{self, encode};
use crate::domain::{ChatEvent, ChatId, MessageId, Typing};
use crate::feed::{CONTENT_WAIT_MAX, EVENTS_MAX};
use crate::telemetry::feed::{failed, operation};

/// How long connecting to Redis may take.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long Redis may take to answer. After that the connection is given up.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// The most commands of one batch.
pub(super) const BATCH_MAX: usize = 256;

/// An operation. They are done in the order in which they were requested.
pub(super) enum Op {
    /// Publishes an event, which was handed in at this time.
    Publish(ChatId, ChatEvent, Instant),
    /// Sends a typing state to current subscribers.
    Typing(ChatId, Typing),
    /// Subscribes to a chat, and brings its ring in sync.
    Open(ChatId, oneshot::Sender<()>),
    /// Subscribes to the text of a reply.
    Hear(MessageId, oneshot::Sender<()>),
    /// Answers when every earlier event is in Redis, or its stream was reset.
    Flush(oneshot::Sender<()>),
    /// Removes the heartbeat of this server. The next one would count it again.
    Leave(oneshot::Sender<()>),
}

/// The task that keeps the connection.
pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Client,
    pub(super) ops: mpsc::Receiver<Op>,
    /// The chats of events that the other servers missed.
    pub(super) missed: MissedChats,
    /// Flushes that wait until Redis is back.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    pub(super) run: KnownRun,
}

impl Link {
    /// Keeps the connection until the feed is dropped.
    pub(super) async fn keep(mut self) {
        let mut outage = Outage::new();
        let mut wait = Duration::ZERO;
        while let Some((connection, lost)) = self.connected(wait, &mut outage).await {
            self.run.reconnected();
            let (again, served) = self.serve(connection, &lost, outage).await;
            self.shared.set_connection(None);
            outage = again;
            match served {
                Ok(()) => break,
                Err(error) => {
                    if outage.is_to_be_logged() {
                        tracing::warn!(error = %describe(&error), "the connection to Redis is lost: events do not reach other servers");
                    }
                }
            }
            wait = outage.wait();
        }
        self.shared.set_connection(None);
    }

    /// A new connection, and a token that is cancelled when it is lost. Until there is one, operations are handled
    /// offline.
    async fn connected(
        &mut self,
        mut wait: Duration,
        outage: &mut Outage,
    ) -> Option<(MultiplexedConnection, CancellationToken)> {
        loop {
            // Nothing is subscribed to without a connection.
            self.shared.rings.remove_idle(IDLE_FOR);
            let (shared, client) = (self.shared.clone(), self.client.clone());
            let attempt = async move {
                shared.pause(wait).await;
                connect(shared, client).await
            };
            match self.meanwhile(attempt, outage).await? {
                Ok(made) => return Some(made),
                Err(error) if outage.is_to_be_logged() => {
                    tracing::warn!(error = %describe(&error), "Redis cannot be reached; trying again until it can");
                }
                Err(_) => {}
            }
            wait = outage.wait();
        }
    }

    /// Waits for something, and handles operations offline meanwhile. `None` once the feed is dropped.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>, outage: &mut Outage) -> Option<T> {
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                awaited = &mut awaited => return Some(awaited),
                op = self.ops.recv() => self.handle_offline(op?),
                _ = outage.gaps.tick() => {
                    for (_, ring) in self.shared.rings.all() {
                        ring.reset_local(self.shared.local_position());
                    }
                }
            }
        }
    }

    fn handle_offline(&mut self, op: Op) {
        match op {
            Op::Publish(chat, event, _) => self.publish_locally(chat, event),
            Op::Typing(chat, typing) => self.show_typing(chat, typing),
            // The caller, if it still waits, continues without Redis.
            Op::Open(_, done) | Op::Hear(_, done) | Op::Leave(done) => drop(done.send(())),
            // Nothing waits to be carried.
            Op::Flush(done) if self.missed.is_empty() => drop(done.send(())),
            Op::Flush(done) => self.await_flush(done),
        }
    }

    /// Publishes an event to the subscribers of this server. Subscribers of other servers receive a gap later.
    fn publish_locally(&mut self, chat: ChatId, event: ChatEvent) {
        failed("publish");
        self.missed.add(chat);
        if let Some(ring) = self.shared.rings.find(chat) {
            if ring.is_in_sync() {
                ring.reset_local(self.shared.local_position());
            }
            ring.push(event);
        }
    }

    /// Sends a typing state to the subscribers of this server.
    fn show_typing(&self, chat: ChatId, typing: Typing) {
        if let Some(ring) = self.shared.rings.find(chat) {
            ring.show_typing(typing);
        }
    }

    /// Runs operations until the connection is lost, which is an error, or the feed is dropped, which is not. While
    /// Redis refuses commands, tries again over the same connection. Also returns the current outage.
    async fn serve(
        &mut self,
        mut connection: MultiplexedConnection,
        lost: &CancellationToken,
        mut outage: Outage,
    ) -> (Outage, RedisResult<()>) {
        loop {
            let mut begun = None;
            let served = self.serve_well(&mut connection, lost, &mut begun).await;
            self.shared.set_connection(None);
            outage = outage.after(begun.map_or(Duration::ZERO, |begun: Instant| begun.elapsed()));
            match served {
                Err(error) if error.code() == Some("STALE") => {
                    tracing::info!("another run has begun: all streams are read again");
                }
                Err(error) if is_refusal(&error) => {
                    if outage.is_to_be_logged() {
                        tracing::warn!(error = %describe(&error), "Redis refuses commands: events do not reach other servers");
                    }
                }
                served => return (outage, served),
            }
            let (shared, wait) = (self.shared.clone(), outage.wait());
            let waited = async {
                tokio::select! {
                    () = lost.cancelled() => Err(loss()),
                    () = shared.pause(wait) => Ok(()),
                }
            };
            match self.meanwhile(waited, &mut outage).await {
                Some(Ok(())) => {}
                Some(Err(error)) => return (outage, Err(error)),
                None => return (outage, Ok(())),
            }
        }
    }

    /// Runs operations until one fails. Sets `begun` once everything works.
    async fn serve_well(
        &mut self,
        connection: &mut MultiplexedConnection,
        lost: &CancellationToken,
        begun: &mut Option<Instant>,
    ) -> RedisResult<()> {
        self.catch_up(connection).await?;
        tracing::info!("connected to Redis");
        self.answer_flushes();
        *begun = Some(Instant::now());
        self.shared.set_connection(Some(connection.clone()));
        let mut heartbeats = interval(HEARTBEAT_EVERY);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number = 0;
        loop {
            tokio::select! {
                () = lost.cancelled() => return Err(loss()),
                op = self.ops.recv() => match op {
                    None => return Ok(()),
                    Some(op) => self.run_batch(op, connection).await?,
                },
                () = self.shared.backfill_requested.notified() => {
                    self.backfill(&self.shared.take_backfills(), connection).await?;
                }
                () = self.shared.rooms.changed() => self.send_rooms(connection).await?,
                _ = heartbeats.tick() => {
                    self.heartbeat(number, connection).await?;
                    number += 1;
                }
            }
        }
    }

    /// After time without Redis: subscribes again, reads what was missed, and resets the streams that others missed an
    /// event of.
    pub(super) async fn catch_up(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let shared = self.shared.clone();
        for script in shared.scripts.all() {
            script.load_async(connection).await?;
        }
        self.run.learn(&shared, connection).await?;
        let rings = shared.rings.all();
        // Events that arrive from now on wait for the backfill of those before them.
        rings.iter().for_each(|(_, ring)| ring.mark_stale());
        let mut channels = vec![shared.names.server(&shared.name)];
        channels.extend(rings.iter().map(|(chat, _)| shared.names.chat(*chat)));
        channels.extend(shared.listened().map(|reply| shared.names.reply(reply)));
        for channels in channels.chunks(BATCH_MAX) {
            connection.subscribe(channels).await?;
        }
        self.reset_missed_streams(connection).await?;
        let chats: Vec<_> = rings.iter().map(|(chat, _)| *chat).collect();
        drop(rings);
        self.backfill(&chats, connection).await?;
        shared.mark_listeners_missed();
        shared.rooms.resend_all();
        Ok(())
    }

    /// Runs an operation, and those in the queue, in one batch.
    async fn run_batch(&mut self, op: Op, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut batch = vec![op];
        while batch.len() < BATCH_MAX {
            match self.ops.try_recv() {
                Ok(op) => batch.push(op),
                Err(_) => break,
            }
        }
        let done = operation("publish", self.try_batch(&batch, connection)).await;
        for op in batch {
            match op {
                // The batch may be partly applied, so the other servers receive a gap: a needless gap is harmless, a
                // lost event is not.
                Op::Publish(chat, event, _) if done.is_err() => self.publish_locally(chat, event),
                Op::Typing(chat, typing) if done.is_err() => self.show_typing(chat, typing),
                Op::Publish(..) | Op::Typing(..) => {}
                Op::Open(_, asker) | Op::Hear(_, asker) | Op::Leave(asker) => drop(asker.send(())),
                Op::Flush(asker) => self.await_flush(asker),
            }
        }
        done?;
        if !self.flushes.is_empty() {
            self.reset_missed_streams(connection).await?;
            self.answer_flushes();
        }
        Ok(())
    }

    /// Keeps a flush until it can be answered. Those whose callers gave up are dropped.
    fn await_flush(&mut self, flush: oneshot::Sender<()>) {
        self.flushes.retain(|flush| !flush.is_closed());
        self.flushes.push(flush);
    }

    fn answer_flushes(&mut self) {
        for flush in self.flushes.drain(..) {
            // Its caller may have given up.
            let _ = flush.send(());
        }
    }

    async fn try_batch(&self, batch: &[Op], connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let names = &self.shared.names;
        let is_stale = |chat| {
            self.shared
                .rings
                .find(chat)
                .is_some_and(|ring| !ring.is_in_sync())
        };
        let channels: Vec<_> = batch
            .iter()
            .filter_map(|op| match op {
                Op::Publish(..) | Op::Typing(..) | Op::Flush(_) | Op::Leave(_) => None,
                Op::Open(chat, _) => is_stale(*chat).then(|| names.chat(*chat)),
                Op::Hear(reply, _) => Some(names.reply(*reply)),
            })
            .collect();
        if !channels.is_empty() {
            connection.subscribe(channels).await?;
        }
        let mut commands = Pipeline::new();
        let key = names.run();
        let mut opened = Vec::new();
        for op in batch {
            match op {
                Op::Publish(chat, event, at) => {
                    let stream = names.chat(*chat);
                    // The message may be deleted by now, and the deletion published: subscribers read the store.
                    let event = match at.elapsed() > CONTENT_WAIT_MAX {
                        true => &event.without_content(),
                        false => event,
                    };
                    let (scripts, run) = (&self.shared.scripts, self.run.with_key(&key));
                    let publish = scripts.publish(&stream, run, &encode(event), EVENTS_MAX, RETAINED_MS);
                    commands.add_command(publish).ignore();
                }
                Op::Typing(chat, typing) => {
                    // Not kept, so that it takes no event's place and is not received again.
                    commands
                        .publish(names.chat(*chat), wire::encode_typing(typing))
                        .ignore();
                }
                Op::Open(chat, _) if is_stale(*chat) => {
                    commands.add_command(self.open(*chat, &key));
                    opened.push(*chat);
                }
                Op::Leave(_) => {
                    commands.zrem(names.servers(), &self.shared.name).ignore();
                }
                Op::Open(..) | Op::Hear(..) | Op::Flush(_) => {}
            }
        }
        if commands.is_empty() {
            return Ok(());
        }
        let found: Vec<Value> = commands.query_async(connection).await?;
        for (chat, entries) in opened.into_iter().zip(found) {
            self.fill(chat, entries)?;
        }
        Ok(())
    }
}

async fn connect(
    shared: Arc<Shared>,
    client: Client,
) -> RedisResult<(MultiplexedConnection, CancellationToken)> {
    let lost = CancellationToken::new();
    let loss = lost.clone();
    let listen = move |push: PushInfo| {
        match push.kind {
            PushKind::Disconnection => loss.cancel(),
            PushKind::Message => shared.receive(&push.data),
            _ => {}
        }
        Ok::<(), std::convert::Infallible>(())
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WAIT_MAX))
        .set_response_timeout(Some(ANSWER_WAIT_MAX))
        .set_push_sender(listen);
    let made = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    Ok((made, lost))
}

fn loss() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
}

/// Whether Redis answered with an error. A read-only Redis does not count: the connection is closed, because another
/// server may be the primary by now.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    let is_answer = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
    is_answer && error.kind() != ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// An error for the log. Redis may quote what it was sent, so of its message only the code is logged.
pub(super) fn describe(error: &redis::RedisError) -> String {
    match error.code() {
        Some(code) => format!("Redis answered {code}"),
        None if error.is_timeout() => "Redis does not answer".to_owned(),
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}
