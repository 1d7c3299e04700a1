//! Operations of a feed outside this process, in figures. The one within it has none.

use std::time::Instant;

use metrics::{counter, histogram};

use super::names::{FEED_ERRORS, FEED_OPERATION};

/// Runs one operation of the feed. What waits for something to happen is none: its time says nothing about the feed.
pub async fn operation<T, E>(name: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let begun = Instant::now();
    let done = work.await;
    histogram!(FEED_OPERATION, "operation" => name).record(begun.elapsed().as_secs_f64());
    if done.is_err() {
        failed(name);
    }
    done
}

/// An operation of the feed failed that was not run by [`operation`].
pub fn failed(name: &'static str) {
    counter!(FEED_ERRORS, "operation" => name).increment(1);
}
