//! Every use case and every permission check, once, for all APIs.

mod chat_locks;
mod chats;
mod error;
mod health;
mod input;
mod legacy;
mod legacy_clients;
mod messages;
mod pages;
mod prompts;
mod rates;
mod replies;
mod revocations;
mod rooms;
mod search;
mod sessions;
mod streams;
mod typing;
mod unconfirmed;
mod usage;

pub mod follow;

use std::sync::Arc;

use crate::auth::Authenticator;
use crate::config::Limits;
use crate::domain::{Clock, IdSource};
use crate::engine::Engine;
use crate::feed::{Feed, KeptContents};
use crate::store::Store;
use crate::telemetry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use chat_locks::ChatLocks;
use health::Pulse;
use rates::{Rates, Tallies};
use rooms::Rooms;
use sessions::Entrance;

pub use crate::engine::{BotHealth, ReplyUpdate};
pub use chats::NewChat;
pub use error::{Error, Subject};
pub use follow::{ChatFollower, ChatUpdate};
pub use health::Health;
pub use legacy::{MessageEdit, Numbered, NumberedPage};
pub use messages::NewMessage;
pub use pages::PageArguments;
pub use prompts::{Manner, Prompt, Regeneration, Sent};
pub use rates::StreamShare;
pub use replies::{ReplyFollower, StopOutcome, StopReceipt, Stopped};
pub use rooms::Seat;
pub use sessions::Session;
pub use streams::{RETRY_AFTER_SECONDS, StreamKind, StreamPlace};
pub use usage::{UsagePeriod, UsageReport};

/// The use cases. Cheap to clone: each API has its own, with its own limits.
#[derive(Clone)]
pub struct Service {
    store: Arc<dyn Store>,
    feed: Arc<dyn Feed>,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    ids: Arc<IdSource>,
    limits: Limits,
    streams: Arc<Semaphore>,
    rooms: Rooms,
    entrance: Entrance,
    rates: Rates,
    tallies: Tallies,
    pulse: Pulse,
    chat_locks: ChatLocks,
    /// What was read for events that came without their content.
    contents: Arc<KeptContents>,
    /// Changes that began and have not finished.
    changes: TaskTracker,
    /// Set when no change begins any more.
    leaves: CancellationToken,
    /// Tasks that look what became of changes that the store did not confirm.
    unconfirmed: TaskTracker,
}

impl Service {
    /// The use cases over a store and an engine, for callers whose tokens `authenticator` accepts; without one, for
    /// everybody.
    pub fn new(
        store: Arc<dyn Store>,
        feed: Arc<dyn Feed>,
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        ids: IdSource,
        limits: Limits,
        authenticator: Option<Authenticator>,
    ) -> Self {
        telemetry::streams::allowed(limits.streams_max);
        Self {
            rooms: Rooms::new(feed.fleet()),
            entrance: Entrance::new(authenticator),
            rates: Rates::new(&limits),
            tallies: Tallies::default(),
            pulse: Pulse::new(store.clone()),
            chat_locks: ChatLocks::default(),
            contents: Arc::default(),
            changes: TaskTracker::new(),
            leaves: CancellationToken::new(),
            unconfirmed: TaskTracker::new(),
            store,
            feed,
            engine,
            clock,
            ids: Arc::new(ids),
            streams: Arc::new(Semaphore::new(limits.streams_max)),
            limits,
        }
    }

    /// Runs a change to its end even if its caller goes away: otherwise a change could be stored and never published.
    /// This covers one change, for every API; GraphQL also runs the other root fields of a mutation to their end, and
    /// only these tasks are counted for [`Service::changes_published`].
    async fn to_its_end<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let leaves = self.leaves.clone();
        let change = async move {
            // Looked at within the task, so that what begins before is waited for.
            match leaves.is_cancelled() {
                true => Err(Error::ShuttingDown),
                false => change.await,
            }
        };
        match self.changes.spawn(change.in_current_span()).await {
            Ok(done) => done,
            Err(panic) => Err(Error::Panicked(panic)),
        }
    }

    /// Waits for a moment at which every change that began has finished.
    pub async fn changes_finished(&self) {
        self.changes.close();
        self.changes.wait().await;
    }

    /// Waits until every change that began has finished and is published to all servers, if they can be reached. More
    /// can begin after that: call this again to wait for them.
    /// Returns whether that is so: not if the servers could not be reached, or if what became of a change is not known.
    pub async fn changes_published(&self) -> bool {
        self.changes_finished().await;
        self.feed.flush().await && self.unconfirmed.is_empty()
    }

    /// The last of a server that ends: lets no more changes begin, waits as [`Service::changes_published`], and tells the
    /// other servers that they miss nothing, if that is so.
    pub async fn leave(&self) {
        self.leaves.cancel();
        if self.changes_published().await {
            self.feed.leave().await;
        }
    }

    /// The same use cases over the same store and engine, with other limits.
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self {
            limits,
            ..self.clone()
        }
    }

    /// The bounds on what callers may ask for.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The present moment in microseconds since the Unix epoch, for frames and answers that name it.
    pub fn now_micros(&self) -> i64 {
        self.clock.now_micros()
    }
}
