//! How long to wait before the same is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

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
