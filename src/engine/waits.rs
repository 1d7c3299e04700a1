//! Trying again: how long to wait in between, and looking for what a store did not confirm.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::store::StoreError;

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

/// The longest time that an unconfirmed write is looked for.
const LOOKED_FOR: Duration = Duration::from_secs(30);
/// The first and the longest wait between two looks, before chance doubles them at most.
const LOOKED_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Looks, again and again, for what a store may have written without saying so, until `is_final` says that nothing else can
/// come. Returns the last that was seen; `None` if the store never answered. Once it answers this ends after
/// `settled_after`: whatever was sent to it is carried out by then. Until it does, half a minute is waited. Any other error
/// than that it is not available ends it at once.
pub async fn look_for<'a, T>(
    settled_after: Duration,
    is_final: impl Fn(&T) -> bool,
    look: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<Option<T>, StoreError> {
    let (wait_min, wait_max) = LOOKED_AFTER;
    let mut waits = Waits::between(wait_min, wait_max);
    let mut until = Instant::now() + LOOKED_FOR;
    let mut last_seen = None;
    while Instant::now() < until {
        waits.wait().await;
        match look().await {
            Ok(seen) if is_final(&seen) => return Ok(Some(seen)),
            Ok(seen) => {
                if last_seen.replace(seen).is_none() {
                    until = until.min(Instant::now() + settled_after);
                    waits.reset();
                }
            }
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(last_seen)
}
