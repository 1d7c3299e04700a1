//! Whether an expired lease means that its owner is dead.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::LEASE;
use crate::domain::{Clock, Timestamp};

/// How often a server notes that it runs.
pub(super) const NOTE_EVERY: Duration = Duration::from_millis(500);
/// A server that noted nothing for longer than this was paused. A shorter pause expires no lease: `LEASE` is six seconds
/// longer than the time after which it is renewed.
const PAUSE_MIN: Duration = Duration::from_secs(2);

/// Since when the store has answered reads and writes without a break, and this server has run without a pause. During a
/// break no server can renew a lease, so an expired lease means nothing until all was well for the length of a lease: by
/// then every server that lives has renewed its leases. A pause of this server counts, because whatever paused it may
/// have paused the others: a machine that was suspended, or a container engine.
pub(super) struct LeaseJudge {
    clock: Arc<dyn Clock>,
    times: Mutex<Times>,
}

struct Times {
    sound_since: Instant,
    noted: Instant,
    /// By the wall clock, which advances while the machine is suspended; [`Instant`] need not.
    noted_by_wall: Timestamp,
}

impl LeaseJudge {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let now = Instant::now();
        let times = Times {
            sound_since: now,
            noted: now,
            noted_by_wall: clock.now(),
        };
        Self {
            clock,
            times: Mutex::new(times),
        }
    }

    /// Whether an expired lease means that its owner is dead. [`LeaseJudge::note_running`] must be called every
    /// [`NOTE_EVERY`]: otherwise each call finds a pause, and it never does.
    pub(super) fn may_judge(&self) -> bool {
        self.note_running();
        self.change(|times| times.sound_since.elapsed() >= LEASE)
    }

    /// Notes that this server runs.
    pub(super) fn note_running(&self) {
        let (now, by_wall) = (Instant::now(), self.clock.now());
        self.change(|times| {
            let millis = by_wall.millis() - times.noted_by_wall.millis();
            let by_wall_clock = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
            if now.duration_since(times.noted).max(by_wall_clock) > PAUSE_MIN {
                times.sound_since = now;
            }
            (times.noted, times.noted_by_wall) = (now, by_wall);
        });
    }

    /// Notes that the store was unavailable until now.
    pub(super) fn note_unavailable(&self) {
        self.change(|times| times.sound_since = Instant::now());
    }

    fn change<T>(&self, change: impl FnOnce(&mut Times) -> T) -> T {
        change(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tokio::time::advance;

    use super::*;

    /// A wall clock that is moved by hand.
    struct Wall(AtomicI64);

    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    struct Running {
        judge: LeaseJudge,
        wall: Arc<Wall>,
    }

    impl Running {
        fn new() -> Self {
            let wall = Arc::new(Wall(AtomicI64::new(1_000_000)));
            let judge = LeaseJudge::new(wall.clone());
            Self { judge, wall }
        }

        /// Runs for a lease.
        async fn run(&self) {
            let mut left = LEASE;
            while left > Duration::ZERO {
                self.pass(NOTE_EVERY, NOTE_EVERY).await;
                self.judge.note_running();
                left -= NOTE_EVERY;
            }
        }

        /// Time passes without a note: by its own clock, and by the wall clock.
        async fn pass(&self, own: Duration, by_wall: Duration) {
            advance(own).await;
            let millis = i64::try_from(by_wall.as_millis()).unwrap();
            self.wall.0.fetch_add(millis, Ordering::SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_judges_after_a_lease_without_a_break() {
        let running = Running::new();
        assert!(!running.judge.may_judge());
        running.run().await;
        assert!(running.judge.may_judge());
        running.judge.note_unavailable();
        assert!(!running.judge.may_judge());
        running.run().await;
        assert!(running.judge.may_judge());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_by_either_clock_is_a_break() {
        let long = PAUSE_MIN + Duration::from_millis(1);
        let pauses = [(long, long), (long, Duration::ZERO), (Duration::ZERO, long)];
        for (own, by_wall) in pauses {
            let running = Running::new();
            running.run().await;
            running.pass(own, by_wall).await;
            assert!(!running.judge.may_judge(), "{own:?}, {by_wall:?}");
            // Nor is it forgotten when it was noted.
            assert!(!running.judge.may_judge(), "{own:?}, {by_wall:?}");
            running.run().await;
            assert!(running.judge.may_judge(), "{own:?}, {by_wall:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn neither_a_short_pause_nor_a_wall_clock_that_is_set_back_is_a_break() {
        let running = Running::new();
        running.run().await;
        running.pass(PAUSE_MIN, PAUSE_MIN).await;
        assert!(running.judge.may_judge());
        running.wall.0.fetch_sub(3_600_000, Ordering::SeqCst);
        assert!(running.judge.may_judge());
    }
}
