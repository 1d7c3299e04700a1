//! How long to wait before the same is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

/// Waits that grow from try to try, up to a bound; chance doubles each at most, so that not all come back at once.
pub struct Waits {
    builder: ExponentialBuilder,
    next: ExponentialBackoff,
    longest: Duration,
}

impl Waits {
    /// From `shortest` to `longest`, before chance.
    pub fn between(shortest: Duration, longest: Duration) -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(shortest)
            .with_max_delay(longest)
            .without_max_times()
            .with_jitter();
        Self {
            builder,
            next: builder.build(),
            longest,
        }
    }

    /// Begins with the shortest one again.
    pub fn reset(&mut self) {
        self.next = self.builder.build();
    }

    /// Waits.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next.next().unwrap_or(self.longest)).await;
    }
}

/// How long it is looked whether something happened of which the store did not say so.
const LOOKED_FOR: Duration = Duration::from_secs(30);
/// The first and the longest wait between two looks, before chance.
const LOOKED_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Looks at a store that did not say whether something happened: for half a minute, and not for long any more once it
/// answers that nothing has.
pub struct Looks {
    waits: Waits,
    until: Instant,
    /// How much longer it is looked from the first such answer on: what was sent to the store is carried out by then.
    on_for: Duration,
    has_answered: bool,
}

impl Looks {
    /// Looks that go on for so long where the store answers that nothing has happened.
    pub fn that_go_on_for(on_for: Duration) -> Self {
        let (wait_min, wait_max) = LOOKED_AFTER;
        Self {
            waits: Waits::between(wait_min, wait_max),
            until: Instant::now() + LOOKED_FOR,
            on_for,
            has_answered: false,
        }
    }

    /// Waits for the next look; whether there is one.
    pub async fn next(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        self.waits.wait().await;
        true
    }

    /// The store answers, and nothing has happened yet.
    pub fn saw_nothing(&mut self) {
        if !self.has_answered {
            self.has_answered = true;
            self.until = self.until.min(Instant::now() + self.on_for);
            self.waits.reset();
        }
    }
}
