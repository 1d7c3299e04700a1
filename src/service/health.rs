//! How each part of the server does. A probe is answered within [`ANSWER_WAIT_MAX`] whatever the store does, and any
//! number of probes together ask the store once at a time and at most once in [`FRESH_FOR`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Service;
use crate::engine::BotHealth;
use crate::store::Store;
use crate::telemetry;

/// How long a probe waits for the store. One that takes longer is not available.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// How long the store's answer stands.
pub const FRESH_FOR: Duration = Duration::from_secs(1);

/// How the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the store can be read and written. Without it nothing can be served.
    pub is_store_up: bool,
    /// Whether the feed carries events. Without it followers on other servers learn late, from the store.
    pub is_feed_up: bool,
    /// How the bot has done lately.
    pub bot: BotHealth,
}

/// Asks the store whether it is there, once at a time.
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

    /// Asks once, on a task of its own: whoever wanted to know may be gone before the store has answered.
    async fn ask(self) {
        // However this ends, the next probe asks again.
        let mut asked = Asked(self.beat, false);
        match self.store.ping().await {
            Ok(()) => asked.1 = true,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the store is not available");
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
    /// How the server does, within a second and a half.
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
