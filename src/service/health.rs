//! The health of each part of the server. A probe is answered within [`ANSWER_WAIT_MAX`] even if the store hangs, and
//! all probes together ask the store at most once in [`FRESH_FOR`], one call at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Service;
use crate::engine::BotHealth;
use crate::store::Store;
use crate::telemetry;
use crate::telemetry::causes::causes;

/// How long a probe waits for the store. A store that takes longer counts as unavailable.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// How long an answer of the store is reused.
pub const FRESH_FOR: Duration = Duration::from_secs(1);

/// The health of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the store can be read and written. Without it nothing can be served.
    pub is_store_up: bool,
    /// Whether the feed publishes events. Without it, subscribers on other servers receive them late, from the store.
    pub is_feed_up: bool,
    /// The bot's recent health.
    pub bot: BotHealth,
}

/// Asks the store whether it answers, one call at a time.
#[derive(Clone)]
pub(super) struct Pulse {
    store: Arc<dyn Store>,
    beat: Arc<Beat>,
}

struct Beat {
    last: Mutex<Last>,
    /// Signals that an answer came.
    answers: watch::Sender<()>,
}

#[derive(Default)]
struct Last {
    /// What the store answered, and when.
    answer: Option<(bool, Instant)>,
    /// Since when an answer is waited for.
    asked_at: Option<Instant>,
}

impl Pulse {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let beat = Arc::new(Beat {
            last: Mutex::default(),
            answers: watch::Sender::new(()),
        });
        Self { store, beat }
    }

    /// Whether the store answers.
    async fn is_up(&self) -> bool {
        let mut answers = self.beat.answers.subscribe();
        let asked_at = {
            let mut last = self.beat.last();
            if let Some((is_up, _)) = last.answer.filter(|(_, at)| at.elapsed() < FRESH_FOR) {
                return is_up;
            }
            match last.asked_at {
                Some(asked_at) => asked_at,
                None => {
                    let now = Instant::now();
                    last.asked_at = Some(now);
                    tokio::spawn(self.clone().ask());
                    now
                }
            }
        };
        // The sender lives in `self`, so it cannot be gone.
        let answered = tokio::time::timeout_at(asked_at + ANSWER_WAIT_MAX, answers.changed()).await;
        answered.is_ok() && self.beat.last().answer.is_some_and(|(is_up, _)| is_up)
    }

    /// Asks once, on a task of its own, because the probe may be gone before the store answers.
    async fn ask(self) {
        // Dropped even after a panic, so that the next probe asks again.
        let mut asked = Asked(self.beat, false);
        match self.store.ping().await {
            Ok(()) => asked.1 = true,
            Err(error) => {
                tracing::warn!(error = %causes(&error), "the store is not available");
            }
        }
    }
}

/// A question, and whether the answer is yes.
struct Asked(Arc<Beat>, bool);

impl Drop for Asked {
    fn drop(&mut self) {
        *self.0.last() = Last {
            answer: Some((self.1, Instant::now())),
            asked_at: None,
        };
        self.0.answers.send_replace(());
    }
}

impl Beat {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// The health of the server, within [`ANSWER_WAIT_MAX`].
    pub async fn health(&self) -> Health {
        let health = Health {
            is_store_up: self.pulse.is_up().await,
            is_feed_up: self.feed.is_up(),
            bot: self.engine.bot_health(),
        };
        telemetry::health::feed_up(health.is_feed_up);
        health
    }
}
