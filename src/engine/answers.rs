//! Whether an expired lease means that its owner is dead.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::LEASE;
use crate::domain::{Clock, Timestamp};

/// How often a server notes that it runs.
pub(super) const PULSE_EVERY: Duration = Duration::from_millis(500);
/// A server that notes nothing for longer than this stood still. Shorter than what is left of a lease that was not
/// renewed just now: what held this server up for less has cost no other its lease.
const STILL_MAX: Duration = Duration::from_secs(2);

/// Since when the store has answered reads and writes without a break, and this server has run without one. During a
/// break no server can renew a lease, so an expired lease means nothing until all was well for the length of a lease: by
/// then every server that lives has renewed its leases. A break of this server counts, because whatever paused it may
/// have paused the others: a machine that was suspended, or a container engine.
pub(super) struct Answers {
    clock: Arc<dyn Clock>,
    times: Mutex<Times>,
}

struct Times {
    since: Instant,
    pulse: Instant,
    /// The same on the wall, whose clock goes on while a suspended machine's own stands still.
    pulse_on_the_wall: Timestamp,
}

impl Answers {
    pub(super) fn since_now(clock: Arc<dyn Clock>) -> Self {
        let now = Instant::now();
        let times = Times {
            since: now,
            pulse: now,
            pulse_on_the_wall: clock.now(),
        };
        Self {
            clock,
            times: Mutex::new(times),
        }
    }

    /// Whether an expired lease means that its owner is dead.
    pub(super) fn may_judge(&self) -> bool {
        self.pulse();
        self.change(|times| times.since.elapsed() >= LEASE)
    }

    /// Notes that this server runs.
    pub(super) fn pulse(&self) {
        let (now, on_the_wall) = (Instant::now(), self.clock.now());
        self.change(|times| {
            let millis = on_the_wall.millis() - times.pulse_on_the_wall.millis();
            let stood_still = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
            if now.duration_since(times.pulse).max(stood_still) > STILL_MAX {
                times.since = now;
            }
            (times.pulse, times.pulse_on_the_wall) = (now, on_the_wall);
        });
    }

    /// Notes that the store was unavailable until now.
    pub(super) fn restart(&self) {
        self.change(|times| times.since = Instant::now());
    }

    fn change<T>(&self, change: impl FnOnce(&mut Times) -> T) -> T {
        change(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
