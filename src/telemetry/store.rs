//! Operations of the store, in figures and spans.

use std::time::Instant;

use metrics::{counter, histogram};
use tracing::Instrument;

use super::names::{STORE_ERRORS, STORE_OPERATION};
use super::spans;

/// Runs one operation of the store; `kind_of` names its error.
pub async fn operation<T, E>(
    name: &'static str,
    work: impl Future<Output = Result<T, E>>,
    kind_of: impl FnOnce(&E) -> &'static str,
) -> Result<T, E> {
    let begun = Instant::now();
    let done = work.instrument(spans::store(name)).await;
    histogram!(STORE_OPERATION, "operation" => name).record(begun.elapsed().as_secs_f64());
    if let Err(error) = &done {
        counter!(STORE_ERRORS, "operation" => name, "kind" => kind_of(error)).increment(1);
    }
    done
}
