//! The world of a run: one store, one feed, the servers, their clocks, and chance.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bot::SimulatedBot;
use super::fault::{Fault, is_put_back};
use super::fleet_feed::{Broker, FleetFeed};
use super::history::{Effect, Entry, Note, ServerRun};
use super::plan::{Plan, Weather};
use super::proxy::StoreProxy;
use crate::config::{EngineConfig, Limits};
use crate::domain::{Clock, IdSource, Message, MessageId, Timestamp};
use crate::drain::Drain;
use crate::engine::Engine;
use crate::service::Service;
use crate::store::{Claim, MemoryStore};

/// The moment at which every run begins: 2026-01-01.
const EPOCH_MS: i64 = 1_767_225_600_000;

/// A clock in virtual time, so far ahead of the store's.
struct SkewedClock {
    origin: Instant,
    skew: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.origin.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(EPOCH_MS + elapsed + self.skew)
    }
}

pub struct World {
    origin: Instant,
    rng: Mutex<Rng>,
    history: Mutex<Vec<Entry>>,
    weather: Mutex<Weather>,
    had_good_store: bool,
    skews: Vec<i64>,
    servers: Mutex<Vec<Arc<Server>>>,
    runs: Mutex<usize>,
    calls: Mutex<usize>,
    /// What was named by whoever regenerated with a key first: sent again, the wish is the same.
    regenerated: Mutex<BTreeMap<usize, MessageId>>,
    pub store: Arc<MemoryStore>,
    pub broker: Arc<Broker>,
}

/// One run of a server.
pub struct Server {
    pub gate: Arc<Gate>,
    pub service: Arc<Service>,
    pub engine: Arc<Engine>,
    pub drain: Drain,
    /// The calls of clients that it has not answered. It takes none once this is closed.
    pub calls: TaskTracker,
    /// A shutdown signal that comes while it shuts down.
    pub again: Notify,
}

/// What stands between a server and everything outside. A server that is killed never passes it again, so nothing that
/// it still does is seen: that is what death looks like from outside.
pub struct Gate {
    pub run: ServerRun,
    dead: CancellationToken,
    until: Mutex<Until>,
    begun: Instant,
    /// Whether a flush of the feed was asked for and has not succeeded.
    is_flushing: AtomicBool,
    /// Whether it told the others that they miss nothing.
    has_left: AtomicBool,
}

/// How long a server is hurt in each way.
#[derive(Clone, Copy)]
struct Until {
    frozen: Instant,
    without_store: Instant,
    without_feed: Instant,
}

pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub fn new(plan: &Plan) -> Arc<Self> {
        let origin = Instant::now();
        let clock = Arc::new(SkewedClock { origin, skew: 0 });
        let world = Arc::new(Self {
            origin,
            rng: Mutex::new(Rng::with_seed(plan.chance ^ 0x5eed)),
            history: Mutex::default(),
            weather: Mutex::new(plan.weather),
            had_good_store: plan.weather.has_good_store(),
            skews: plan.skews.clone(),
            servers: Mutex::default(),
            runs: Mutex::default(),
            calls: Mutex::default(),
            regenerated: Mutex::default(),
            store: Arc::new(MemoryStore::new(clock)),
            broker: Arc::new(Broker::default()),
        });
        for slot in 0..plan.skews.len() {
            let server = world.start(slot);
            lock(&world.servers).push(server);
        }
        world
    }

    /// Something that chance decides.
    pub fn roll<T>(&self, roll: impl FnOnce(&mut Rng) -> T) -> T {
        roll(&mut lock(&self.rng))
    }

    pub fn weather(&self) -> Weather {
        *lock(&self.weather)
    }

    /// Whether the store was reliable from the beginning on.
    pub fn had_good_store(&self) -> bool {
        self.had_good_store
    }

    /// Whether it comes to something that happens so many times in a thousand.
    pub fn happens(&self, per_mille: u32) -> bool {
        per_mille > 0 && self.roll(|rng| rng.u32(0..1_000) < per_mille)
    }

    pub fn note(&self, note: Note) {
        let at = u64::try_from(self.origin.elapsed().as_millis()).unwrap();
        lock(&self.history).push(Entry { at, note });
    }

    /// A message as it was stored, whether or not it still is.
    pub fn stored(&self, id: Option<MessageId>) -> Option<Message> {
        let history = lock(&self.history);
        history.iter().find_map(|entry| match &entry.note {
            Note::Did {
                effect: Effect::Stored { message, .. },
                ..
            } if Some(message.id) == id => Some(Message::clone(message)),
            _ => None,
        })
    }

    /// The history so far, which is taken away.
    pub fn take_history(&self) -> Vec<Entry> {
        std::mem::take(&mut lock(&self.history))
    }

    /// A number for a call of a client or of the bot.
    pub fn next_call(&self) -> usize {
        let mut calls = lock(&self.calls);
        *calls += 1;
        *calls
    }

    /// The reply to regenerate with this key: this one, unless the key was used before.
    pub fn regenerated(&self, key: usize, reply: MessageId) -> MessageId {
        *lock(&self.regenerated).entry(key).or_insert(reply)
    }

    /// The time that something takes on its way.
    pub async fn travel(&self) {
        let instant = self.weather().instant;
        let millis = self.roll(|rng| match rng.u32(0..1_000) {
            dice if dice < instant => 0,
            dice if dice < 980 => rng.u64(1..4),
            _ => rng.u64(4..60),
        });
        match millis {
            0 => tokio::task::yield_now().await,
            millis => sleep(Duration::from_millis(millis)).await,
        }
    }

    /// The run of a server that is in this place now.
    pub fn server(&self, slot: usize) -> Arc<Server> {
        let servers = lock(&self.servers);
        servers[slot % servers.len()].clone()
    }

    /// Drops the servers, which hold the world that they run in.
    pub fn forget_servers(&self) {
        lock(&self.servers).clear();
    }

    pub fn server_count(&self) -> usize {
        self.skews.len()
    }

    /// A server that takes calls, this one if it does.
    pub fn server_up(&self, slot: usize) -> Option<Arc<Server>> {
        let slots = slot..slot + self.server_count();
        slots
            .map(|slot| self.server(slot))
            .find(|server| !server.gate.is_dead() && !server.calls.is_closed())
    }

    /// Ends the run of a server in this way, and begins another in its place after a while.
    pub async fn replace(self: &Arc<Self>, slot: usize, how: &str, down_for: Duration) {
        let gate = self.server(slot).gate.clone();
        gate.dead.cancel();
        self.note(Note::Server {
            server: gate.run,
            what: how.to_owned(),
        });
        // One that was killed, or ended without a word, took events along that nobody else knows.
        if !gate.has_left.load(Ordering::SeqCst) {
            let world = self.clone();
            tokio::spawn(async move { world.miss(gate.run).await });
        }
        sleep(down_for).await;
        let server = self.start(slot);
        let count = self.server_count();
        lock(&self.servers)[slot % count] = server;
    }

    /// The other servers miss one that died, as `src/feed/redis/presence.rs` does, and all logs begin anew.
    async fn miss(&self, dead: ServerRun) {
        let overdue = self.roll(|rng| rng.u64(8_000..=12_000));
        sleep(Duration::from_millis(overdue)).await;
        if !is_put_back(Fault::DeathUnnoticed) {
            self.note(Note::Missed { server: dead });
            self.broker.renew_all();
        }
    }

    /// Composes a server as `app::run_on` does.
    fn start(self: &Arc<Self>, slot: usize) -> Arc<Server> {
        let run = {
            let mut runs = lock(&self.runs);
            *runs += 1;
            *runs
        };
        let skew = self.skews[slot % self.skews.len()];
        self.note(Note::Server {
            server: run,
            what: format!("begins, its clock {skew} ms ahead"),
        });
        let gate = Arc::new(Gate::new(run));
        let clock = Arc::new(SkewedClock {
            origin: self.origin,
            skew,
        });
        let ids = IdSource::new(clock.clone(), self.roll(|rng| rng.u64(..)).to_be_bytes());
        let store = Arc::new(StoreProxy::new(self.clone(), gate.clone()));
        let feed = Arc::new(FleetFeed::new(self.clone(), gate.clone()));
        let bot = Arc::new(SimulatedBot::new(self.clone(), gate.clone()));
        let config = EngineConfig::default();
        let owner = format!("server {run}");
        let engine = Engine::new(store.clone(), feed.clone(), bot, clock.clone(), config, owner);
        engine.keep_recovering(Claim::Lapsed);
        engine.keep_sweeping();
        engine.watch_stop_requests();
        let limits = Limits {
            prompts_per_minute: 1_000_000,
            replies_per_viewer: 100_000,
            ..Limits::default()
        };
        let service = Service::new(store, feed, engine.clone(), clock, ids, limits, None);
        Arc::new(Server {
            gate,
            service: Arc::new(service),
            engine,
            drain: Drain::new(true),
            calls: TaskTracker::new(),
            again: Notify::new(),
        })
    }

    /// Everything works again, for as long as it takes to settle.
    pub fn heal(&self) {
        let mut weather = lock(&self.weather);
        *weather = Weather {
            refused: 0,
            answer_lost: 0,
            late: 0,
            late_effect: 0,
            half: 0,
            feed_lost: 0,
            feed_pause_max: 0,
            ..*weather
        };
        for server in lock(&self.servers).iter() {
            *lock(&server.gate.until) = Until::now();
        }
    }
}

impl Until {
    fn now() -> Self {
        let now = Instant::now();
        Self {
            frozen: now,
            without_store: now,
            without_feed: now,
        }
    }
}

impl Gate {
    fn new(run: ServerRun) -> Self {
        Self {
            run,
            dead: CancellationToken::new(),
            until: Mutex::new(Until::now()),
            begun: Instant::now(),
            is_flushing: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
        }
    }

    pub fn set_flushing(&self, is_flushing: bool) {
        self.is_flushing.store(is_flushing, Ordering::SeqCst);
    }

    pub fn leave(&self) {
        self.has_left.store(true, Ordering::SeqCst);
    }

    /// Whether the feed had no time to carry what the server published last.
    pub fn is_flushing(&self) -> bool {
        self.is_flushing.load(Ordering::SeqCst)
    }

    /// Whether the server was ever frozen or cut off from anything.
    pub fn was_hurt(&self) -> bool {
        let until = *lock(&self.until);
        [until.frozen, until.without_store, until.without_feed]
            .into_iter()
            .any(|until| until > self.begun)
    }

    pub fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Completes when the server is killed.
    pub async fn died(&self) {
        self.dead.cancelled().await;
    }

    /// Waits until something of this server can be seen outside: never, if it is dead.
    pub async fn pass(&self) {
        loop {
            if self.is_dead() {
                pending::<()>().await;
            }
            let frozen = lock(&self.until).frozen;
            if frozen <= Instant::now() {
                return;
            }
            // In steps, because it may thaw earlier.
            sleep_until(frozen.min(Instant::now() + Duration::from_millis(500))).await;
        }
    }

    pub fn freeze(&self, time: Duration) {
        lock(&self.until).frozen = Instant::now() + time;
    }

    pub fn cut_from_store(&self, time: Duration) {
        lock(&self.until).without_store = Instant::now() + time;
    }

    pub fn cut_from_feed(&self, time: Duration) {
        lock(&self.until).without_feed = Instant::now() + time;
    }

    pub fn has_store(&self) -> bool {
        lock(&self.until).without_store <= Instant::now()
    }

    pub fn has_feed(&self) -> bool {
        lock(&self.until).without_feed <= Instant::now()
    }

    /// Waits until the feed can be reached; whether it could not be.
    pub async fn feed_back(&self) -> bool {
        let mut was_away = false;
        loop {
            self.pass().await;
            if self.has_feed() {
                return was_away;
            }
            was_away = true;
            sleep(Duration::from_millis(50)).await;
        }
    }
}
