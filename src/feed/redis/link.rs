//! The one connection to Redis: made, kept, lost and made again, and everything that has to happen in order over it.
//!
//! While it is away, events reach the followers of this server alone, who are told of a gap again and again, because
//! what happens on other servers is not heard; and which chats the others missed something of is remembered, so that
//! they are told of a gap when it is back. The same while Redis refuses what it is asked, as one does whose memory is
//! full; then the connection is kept.
//!
//! A Redis that comes back may have gone back in time: a replica that lagged took over, or an older dump was loaded.
//! Its data does not show it, but Redis has another `run_id` or `master_replid` then. The two are its *run*. It is asked
//! for with each connection and each beat, all servers agree on it under a key, and a stream of another run begins anew.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, PushInfo, PushKind, RedisError,
    RedisResult, ServerErrorKind, Value,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::outage::Outage;
use super::probe::field;
use super::scripts::Run;
use super::untold::Untold;
use super::wire::{self, encode};
use super::{ALIVE_MS, RETAINED_MS, Shared};
use crate::domain::{ChatEvent, ChatId, FeedPosition, MessageId, Typing};
use crate::feed::ring::{EVENTS_MAX, lock};
use crate::telemetry::feed::{failed, operation};

/// How long the connection may take to be made, and Redis to answer.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long Redis may take to answer. One that takes longer is taken for dead.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often Redis is told that this server lives, which also shows that Redis does.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// How long a chat is heard that nobody follows any more.
const IDLE_FOR: Duration = Duration::from_secs(10);
/// How often the streams that somebody follows are kept from expiring, in beats: a third of what they are kept for.
const BEATS_PER_RENEWAL: u64 = RETAINED_MS / 3 / BEAT_EVERY.as_millis() as u64;
/// How often the figures of all rooms are told again, in beats: half of what they are kept for.
const BEATS_PER_ROLL_CALL: u64 = ROOM_KEPT_SECONDS / 2 * 1_000 / BEAT_EVERY.as_millis() as u64;
/// How long a room's figures are kept, in seconds, should all servers die.
const ROOM_KEPT_SECONDS: u64 = 7_200;
/// How long an event may have waited and still be told with its content.
const CONTENT_WAIT_MAX: Duration = Duration::from_millis(500);
/// What is asked in one go.
const BATCH_MAX: usize = 256;

/// What is done in the order in which it was asked for.
pub(super) enum Op {
    /// Tells an event, published at this time.
    Publish(ChatId, ChatEvent, Instant),
    /// Sends a typing state to current subscribers.
    Typing(ChatId, Typing),
    /// Sees to it that a chat's ring is whole, and heard.
    Open(ChatId, oneshot::Sender<()>),
    /// Sees to it that a reply is heard.
    Hear(MessageId, oneshot::Sender<()>),
}

/// The task that keeps the connection.
pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Client,
    pub(super) ops: mpsc::Receiver<Op>,
    pub(super) untold: Untold,
    /// The run of Redis that this server knows.
    pub(super) run: String,
}

impl Link {
    /// Keeps the connection until nobody can ask for anything any more.
    pub(super) async fn keep(mut self) {
        let mut outage = Outage::new();
        let mut wait = Duration::ZERO;
        while let Some((connection, lost)) = self.connected(wait, &mut outage).await {
            let (again, served) = self.serve(connection, &lost, outage).await;
            self.shared.set_connection(None);
            outage = again;
            match served {
                Ok(()) => break,
                Err(error) => {
                    if outage.is_to_be_logged() {
                        tracing::warn!(error = %describe(&error), "the connection to Redis is lost: other servers hear nothing");
                    }
                }
            }
            wait = outage.wait();
        }
        self.shared.set_connection(None);
    }

    /// A new connection, and what tells that it is lost. Until there is one, what is asked is done without.
    async fn connected(
        &mut self,
        mut wait: Duration,
        outage: &mut Outage,
    ) -> Option<(MultiplexedConnection, CancellationToken)> {
        loop {
            let (shared, client) = (self.shared.clone(), self.client.clone());
            let attempt = async move {
                tokio::time::sleep(wait).await;
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

    /// Waits for something, and does without Redis what is asked meanwhile. `None` once nobody can ask any more.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>, outage: &mut Outage) -> Option<T> {
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                awaited = &mut awaited => return Some(awaited),
                op = self.ops.recv() => self.do_without(op?),
                _ = outage.gaps.tick() => {
                    for (_, ring) in self.shared.rings.all() {
                        ring.begin_alone_at(self.shared.place_of_our_own());
                    }
                }
            }
        }
    }

    fn do_without(&mut self, op: Op) {
        match op {
            Op::Publish(chat, event, _) => self.tell_ourselves(chat, event),
            Op::Typing(chat, typing) => self.show_typing(chat, typing),
            // Whoever waits for it does without as well; nobody may wait any more.
            Op::Open(_, done) | Op::Hear(_, done) => drop(done.send(())),
        }
    }

    /// The event reaches this server's followers; the others' are to be told of a gap.
    fn tell_ourselves(&mut self, chat: ChatId, event: ChatEvent) {
        failed("publish");
        self.untold.add(chat);
        if let Some(ring) = self.shared.rings.find(chat) {
            if ring.is_whole() {
                ring.begin_alone_at(self.shared.place_of_our_own());
            }
            ring.push(event);
        }
    }

    /// The typing state reaches this server's subscribers.
    fn show_typing(&self, chat: ChatId, typing: Typing) {
        if let Some(ring) = self.shared.rings.find(chat) {
            ring.show_typing(typing);
        }
    }

    /// Does what is asked until the connection is lost, or nobody is left to ask, which is no error. What Redis refuses
    /// is no loss of the connection: it is tried again over the same one. Also the outage, as it is by then.
    async fn serve(
        &mut self,
        mut connection: MultiplexedConnection,
        lost: &CancellationToken,
        mut outage: Outage,
    ) -> (Outage, RedisResult<()>) {
        let mut is_new = true;
        loop {
            let mut begun = None;
            let served = self.serve_well(&mut connection, lost, is_new, &mut begun).await;
            is_new = false;
            self.shared.set_connection(None);
            outage = outage.after(begun.map_or(Duration::ZERO, |begun: Instant| begun.elapsed()));
            match served {
                Err(error) if is_refusal(&error) => {
                    if outage.is_to_be_logged() {
                        tracing::warn!(error = %describe(&error), "Redis refuses what it is asked: other servers hear nothing");
                    }
                }
                served => return (outage, served),
            }
            let wait = outage.wait();
            let waited = async {
                tokio::select! {
                    () = lost.cancelled() => Err(loss()),
                    () = tokio::time::sleep(wait) => Ok(()),
                }
            };
            match self.meanwhile(waited, &mut outage).await {
                Some(Ok(())) => {}
                Some(Err(error)) => return (outage, Err(error)),
                None => return (outage, Ok(())),
            }
        }
    }

    /// Does what is asked until something fails; `begun` is when all was well.
    async fn serve_well(
        &mut self,
        connection: &mut MultiplexedConnection,
        lost: &CancellationToken,
        is_new: bool,
        begun: &mut Option<Instant>,
    ) -> RedisResult<()> {
        self.catch_up(is_new, connection).await?;
        tracing::info!("connected to Redis");
        *begun = Some(Instant::now());
        self.shared.set_connection(Some(connection.clone()));
        let mut beats = interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat = 0;
        loop {
            tokio::select! {
                () = lost.cancelled() => return Err(loss()),
                op = self.ops.recv() => match op {
                    None => return Ok(()),
                    Some(op) => self.run(op, connection).await?,
                },
                () = self.shared.hole_found.notified() => self.fill_holes(connection).await?,
                () = self.shared.rooms.changed() => self.tell_rooms(connection).await?,
                _ = beats.tick() => {
                    self.beat(beat, connection).await?;
                    beat += 1;
                }
            }
        }
    }

    /// Learns the run of Redis, and has the other servers learn it. Where Redis does not say it, each connection counts
    /// as another run, because it may be.
    async fn learn_run(&mut self, is_new: bool, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let told = ask_for_run(connection).await?;
        let keeps_known = told.is_none() && !is_new;
        let run = told.unwrap_or_else(|| {
            let place = self.shared.place_of_our_own();
            format!("{}-{}", self.shared.name, place.epoch)
        });
        let run = Run {
            key: &self.shared.names.run(),
            name: &run,
        };
        let adopt = self.shared.scripts.adopt(run, keeps_known, RETAINED_MS);
        self.run = adopt.query_async(connection).await?;
        Ok(())
    }

    /// After a time away: hears everything again, learns what was missed, and tells the others what they missed.
    async fn catch_up(&mut self, is_new: bool, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        for script in self.shared.scripts.all() {
            script.load_async(connection).await?;
        }
        self.learn_run(is_new, connection).await?;
        let shared = &self.shared;
        let rings = shared.rings.all();
        // What is heard from now on waits until what came before it is brought.
        rings.iter().for_each(|(_, ring)| ring.lose_touch());
        let mut channels = vec![shared.names.server(&shared.name)];
        channels.extend(rings.iter().map(|(chat, _)| shared.names.chat(*chat)));
        channels.extend(shared.listened().map(|reply| shared.names.reply(reply)));
        for channels in channels.chunks(BATCH_MAX) {
            connection.subscribe(channels).await?;
        }
        self.tell_untold(connection).await?;
        let chats: Vec<_> = rings.iter().map(|(chat, _)| *chat).collect();
        drop(rings);
        for chats in chats.chunks(BATCH_MAX) {
            operation("bring", self.bring(chats, connection)).await?;
        }
        self.shared.tell_listeners_that_they_missed();
        self.shared.rooms.tell_all();
        Ok(())
    }

    /// Begins the streams anew in which something is missing, so that everybody is told of a gap.
    async fn tell_untold(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let (names, scripts) = (&self.shared.names, &self.shared.scripts);
        let key = names.run();
        let mut streams: Vec<String> = self.untold.chats().map(|chat| names.chat(chat)).collect();
        if self.untold.is_everything() {
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
                renewals.add_command(scripts.renew(stream, self.known_run(&key), RETAINED_MS));
            }
            renewals.ignore().query_async::<()>(connection).await?;
        }
        self.untold = Untold::default();
        Ok(())
    }

    /// Fills rings with what their streams hold.
    async fn bring(&self, chats: &[ChatId], connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut opens = redis::pipe();
        let key = self.shared.names.run();
        for chat in chats {
            opens.add_command(self.open(*chat, &key));
        }
        let found: Vec<Value> = opens.query_async(connection).await?;
        for (chat, entries) in chats.iter().zip(found) {
            self.fill(*chat, entries)?;
        }
        Ok(())
    }

    fn known_run<'a>(&'a self, key: &'a str) -> Run<'a> {
        Run { key, name: &self.run }
    }

    fn open(&self, chat: ChatId, key: &str) -> redis::Cmd {
        let stream = self.shared.names.chat(chat);
        self.shared
            .scripts
            .open(&stream, self.known_run(key), RETAINED_MS)
    }

    fn fill(&self, chat: ChatId, entries: Value) -> RedisResult<()> {
        let Some(ring) = self.shared.rings.find(chat) else {
            return Ok(());
        };
        let entries: Vec<(String, Vec<String>)> = FromRedisValue::from_redis_value(entries)?;
        let (start, events) = behind_the_last_gap(entries, || self.shared.place_of_our_own());
        if !ring.bring(start, events) {
            self.shared.note_hole(chat);
        }
        Ok(())
    }

    async fn fill_holes(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let chats = self.shared.take_holes();
        for chats in chats.chunks(BATCH_MAX) {
            operation("bring", self.bring(chats, connection)).await?;
        }
        Ok(())
    }

    /// Does what was asked, and whatever else is waiting, in one go.
    async fn run(&mut self, op: Op, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut batch = vec![op];
        while batch.len() < BATCH_MAX {
            match self.ops.try_recv() {
                Ok(op) => batch.push(op),
                Err(_) => break,
            }
        }
        let done = operation("publish", self.try_run(&batch, connection)).await;
        for op in batch {
            match op {
                // It is not known what of it was done: it may be told once more than needed, but not once less.
                Op::Publish(chat, event, _) if done.is_err() => self.tell_ourselves(chat, event),
                Op::Typing(chat, typing) if done.is_err() => self.show_typing(chat, typing),
                Op::Publish(..) | Op::Typing(..) => {}
                Op::Open(_, asker) | Op::Hear(_, asker) => drop(asker.send(())),
            }
        }
        done
    }

    async fn try_run(&self, batch: &[Op], connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let names = &self.shared.names;
        let is_missing = |chat| self.shared.rings.find(chat).is_some_and(|ring| !ring.is_whole());
        let channels: Vec<_> = batch
            .iter()
            .filter_map(|op| match op {
                Op::Publish(..) | Op::Typing(..) => None,
                Op::Open(chat, _) => is_missing(*chat).then(|| names.chat(*chat)),
                Op::Hear(reply, _) => Some(names.reply(*reply)),
            })
            .collect();
        if !channels.is_empty() {
            connection.subscribe(channels).await?;
        }
        let mut asked = Pipeline::new();
        let key = names.run();
        let mut opened = Vec::new();
        for op in batch {
            match op {
                Op::Publish(chat, event, at) => {
                    let stream = names.chat(*chat);
                    // By now the message may be deleted, and its deletion told: followers look for it in the store.
                    let event = match at.elapsed() > CONTENT_WAIT_MAX {
                        true => &event.without_content(),
                        false => event,
                    };
                    let (scripts, run) = (&self.shared.scripts, self.known_run(&key));
                    let publish = scripts.publish(&stream, run, &encode(event), EVENTS_MAX, RETAINED_MS);
                    asked.add_command(publish).ignore();
                }
                Op::Typing(chat, typing) => {
                    // Not kept, so that it takes no event's place and is not received again.
                    asked
                        .publish(names.chat(*chat), wire::encode_typing(typing))
                        .ignore();
                }
                Op::Open(chat, _) if is_missing(*chat) => {
                    asked.add_command(self.open(*chat, &key));
                    opened.push(*chat);
                }
                Op::Open(..) | Op::Hear(..) => {}
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let found: Vec<Value> = asked.query_async(connection).await?;
        for (chat, entries) in opened.into_iter().zip(found) {
            self.fill(chat, entries)?;
        }
        Ok(())
    }

    async fn tell_rooms(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        loop {
            let rooms = self.shared.rooms.take_untold(BATCH_MAX);
            if rooms.is_empty() {
                return Ok(());
            }
            let mut figures = redis::pipe();
            for (room, connections) in rooms {
                let key = self.shared.names.room(&room);
                match connections {
                    0 => figures.hdel(&key, &self.shared.name),
                    _ => figures.hset(&key, &self.shared.name, connections),
                };
                figures.expire(&key, ROOM_KEPT_SECONDS.cast_signed());
            }
            figures.ignore().query_async::<()>(connection).await?;
        }
    }

    async fn beat(&mut self, beat: u64, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let shared = self.shared.clone();
        let (names, scripts) = (&shared.names, &shared.scripts);
        if ask_for_run(connection).await?.is_some_and(|run| run != self.run) {
            return Err((ErrorKind::Extension, "this is another run of Redis").into());
        }
        let key = names.run();
        let run = self.known_run(&key);
        let alive = scripts.beat(&names.servers(), run, RETAINED_MS, &shared.name, ALIVE_MS);
        let was_alive: bool = operation("beat", alive.query_async(connection)).await?;
        if !was_alive {
            // Its figures may have been taken for those of a dead one.
            shared.rooms.tell_all();
        }
        let mut silent: Vec<_> = shared
            .rings
            .put_away(IDLE_FOR)
            .into_iter()
            .map(|chat| names.chat(chat))
            .collect();
        silent.extend(
            shared
                .put_listeners_away()
                .into_iter()
                .map(|reply| names.reply(reply)),
        );
        for channels in silent.chunks(BATCH_MAX) {
            connection.unsubscribe(channels).await?;
        }
        if beat % BEATS_PER_RENEWAL == BEATS_PER_RENEWAL - 1 {
            for chats in shared.rings.followed().chunks(BATCH_MAX) {
                let mut renewals = redis::pipe();
                for chat in chats {
                    renewals.pexpire(names.chat(*chat), RETAINED_MS.cast_signed());
                }
                renewals.ignore().query_async::<()>(connection).await?;
            }
        }
        if beat % BEATS_PER_ROLL_CALL == BEATS_PER_ROLL_CALL - 1 {
            shared.rooms.tell_all();
        }
        self.untold.take(&mut lock(&shared.overrun));
        if !self.untold.is_empty() {
            self.tell_untold(connection).await?;
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
            PushKind::Message => shared.heard(&push.data),
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

/// The run of Redis, if it says it: it is another after whatever may have cost it what it knew.
async fn ask_for_run(connection: &mut MultiplexedConnection) -> RedisResult<Option<String>> {
    let mut asked = redis::pipe();
    asked.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let told: (String, String) = match asked.query_async(connection).await {
        Ok(told) => told,
        // Not everybody may ask.
        Err(error) if is_refusal(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (server, replication) = (field(&told.0, "run_id:"), field(&told.1, "master_replid:"));
    Ok(server
        .zip(replication)
        .map(|(run, replication)| format!("{run:.16}{replication:.16}")))
}

fn loss() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
}

/// Whether Redis answered, and the answer is an error. One that is no primary (any more) is left: another may be by now.
fn is_refusal(error: &RedisError) -> bool {
    let is_answer = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
    is_answer && error.kind() != ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// The events of a stream behind the last that says nothing this version understands, and the place before them.
fn behind_the_last_gap(
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

/// An error for the log. Redis may quote what it was sent, so of its own words only the code is told.
pub(super) fn describe(error: &redis::RedisError) -> String {
    match error.code() {
        Some(code) => format!("Redis answered {code}"),
        None if error.is_timeout() => "Redis does not answer".to_owned(),
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}
