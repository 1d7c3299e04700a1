//! Retries: how long to wait in between, and how to look for a write that a store did not confirm.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::store::StoreError;

/// Waits that grow from attempt to attempt, up to a bound. Jitter at most doubles each, so that not all callers return
/// at once.
pub struct Waits {
    builder: ExponentialBuilder,
    next: ExponentialBackoff,
    longest: Duration,
}

impl Waits {
    /// For a store that is unavailable: from a tenth of a second to two.
    pub fn for_store() -> Self {
        Self::between(Duration::from_millis(100), Duration::from_secs(2))
    }

    /// Waits from `shortest` to `longest`, before jitter.
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

/// How long to look for an unconfirmed write, at most.
const LOOKED_FOR: Duration = Duration::from_secs(30);

/// Looks repeatedly for a write that a store may have carried out without confirming it, until `is_final` accepts what
/// it saw. Looks for half a minute while the store is unavailable, and for at most `settled_after` once it answers: by
/// then it has carried out everything that it received. Returns what it saw last; `None` if the store never answered.
/// Any error other than [`StoreError::Unavailable`] is returned at once.
pub async fn look_for<'a, T>(
    settled_after: Duration,
    is_final: impl Fn(&T) -> bool,
    look: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<Option<T>, StoreError> {
    let mut waits = Waits::for_store();
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
