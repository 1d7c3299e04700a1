//! A time in which Redis is unavailable, or refuses commands: how long to wait before each attempt, and when
//! subscribers receive a gap.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How long an outage may last before subscribers receive a gap.
const BLINK: Duration = Duration::from_secs(1);
/// How often they receive one.
const GAPS_EVERY: Duration = Duration::from_secs(5);
/// The shortest and the longest wait between two attempts, before jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));
/// How long everything has to work before an outage is over. A failure before that belongs to the same outage, whose
/// waits continue to grow.
const OVER_AFTER: Duration = Duration::from_secs(10);

/// One outage.
pub(super) struct Outage {
    waits: ExponentialBackoff,
    /// Ticks whenever subscribers are to receive a gap.
    pub(super) gaps: Interval,
    is_logged: bool,
}

impl Outage {
    /// An outage that begins now.
    pub(super) fn new() -> Self {
        let (wait, wait_max) = BACKOFF;
        let mut gaps = interval_at(Instant::now() + BLINK, GAPS_EVERY);
        gaps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            waits: ExponentialBuilder::default()
                .with_min_delay(wait)
                .with_max_delay(wait_max)
                .with_jitter()
                .without_max_times()
                .build(),
            gaps,
            is_logged: false,
        }
    }

    /// The outage that begins now, after everything worked for this long.
    pub(super) fn after(self, worked: Duration) -> Self {
        match worked >= OVER_AFTER {
            true => Self::new(),
            false => self,
        }
    }

    /// How long to wait before the next attempt.
    pub(super) fn wait(&mut self) -> Duration {
        self.waits.next().unwrap_or(BACKOFF.1)
    }

    /// Whether nothing of it was logged yet. Each outage is logged once.
    pub(super) fn is_to_be_logged(&mut self) -> bool {
        !std::mem::replace(&mut self.is_logged, true)
    }
}
