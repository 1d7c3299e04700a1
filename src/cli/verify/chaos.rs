//! What befalls the servers, and when: decided by a seed alone.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use tokio_util::sync::CancellationToken;

use super::fleet::{Fleet, Order};

/// Something that befalls a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// `kill -9`, and a new start after a while.
    Kill,
    /// `SIGTERM`, and a new start after its end.
    Terminate,
    /// A pause that its store does not notice.
    Freeze,
    /// A pause so long that others take it for dead.
    LongFreeze,
    /// Every line to it is cut.
    Cut,
}

/// Each of these befalls somebody before any does again.
const ROUND: [Blow; 8] = [
    Blow::Kill,
    Blow::Cut,
    Blow::Freeze,
    Blow::Kill,
    Blow::Terminate,
    Blow::Kill,
    Blow::Cut,
    Blow::Freeze,
];
/// Every so many rounds a freeze is a long one.
const LONG_FREEZE_EVERY: usize = 2;

/// What befalls the servers, without end.
pub struct Schedule {
    rng: Rng,
    is_alone: bool,
    round: VecDeque<Blow>,
    rounds: usize,
}

impl Schedule {
    /// The schedule of a seed; one server that is alone is left more time to do something.
    pub fn new(rng: Rng, is_alone: bool) -> Self {
        Self {
            rng,
            is_alone,
            round: VecDeque::new(),
            rounds: 0,
        }
    }

    /// How long all is quiet, and what comes then.
    pub fn next(&mut self) -> (Duration, Blow) {
        if self.round.is_empty() {
            let mut round = ROUND;
            self.rng.shuffle(&mut round);
            self.round = round.into();
            self.rounds += 1;
            let is_long = self.rounds.is_multiple_of(LONG_FREEZE_EVERY) && !self.is_alone;
            if let Some(freeze) = self
                .round
                .iter_mut()
                .find(|blow| **blow == Blow::Freeze && is_long)
            {
                *freeze = Blow::LongFreeze;
            }
        }
        let quiet = if self.is_alone { 2_000..4_500 } else { 300..1_500 };
        let quiet = Duration::from_millis(self.rng.u64(quiet));
        // A round is never empty.
        (quiet, self.round.pop_front().unwrap_or(Blow::Cut))
    }

    /// A time up to some seconds.
    fn time(&mut self, ms: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(ms))
    }
}

/// Makes trouble until there is enough.
pub async fn make_trouble(fleet: &Fleet, mut schedule: Schedule, enough: &CancellationToken) {
    loop {
        let (quiet, blow) = schedule.next();
        if enough
            .run_until_cancelled(tokio::time::sleep(quiet))
            .await
            .is_none()
        {
            return;
        }
        let victim = fleet.someone_to_spare(&mut schedule.rng);
        let order = match blow {
            Blow::Kill => Order::Kill(schedule.time(0..1_000)),
            Blow::Terminate => Order::Terminate(schedule.time(0..500)),
            Blow::Freeze => Order::Freeze(schedule.time(200..3_000)),
            Blow::LongFreeze => Order::Freeze(schedule.time(9_000..13_000)),
            Blow::Cut => {
                if let Some(victim) = victim {
                    victim.cut_lines();
                }
                continue;
            }
        };
        if let Some(victim) = victim {
            victim.order(order).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything_and_everything_happens() {
        let take = |seed, is_alone| {
            let mut schedule = Schedule::new(Rng::with_seed(seed), is_alone);
            (0..16).map(|_| schedule.next()).collect::<Vec<_>>()
        };
        assert_eq!(take(7, false), take(7, false));
        assert_ne!(take(7, false), take(8, false));
        let blows = take(7, false)
            .into_iter()
            .map(|(_, blow)| blow)
            .collect::<Vec<_>>();
        for blow in [
            Blow::Kill,
            Blow::Terminate,
            Blow::Freeze,
            Blow::LongFreeze,
            Blow::Cut,
        ] {
            assert!(blows.contains(&blow), "{blow:?}");
        }
        assert!(take(7, true).iter().all(|(_, blow)| *blow != Blow::LongFreeze));
    }
}
