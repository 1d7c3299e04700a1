//! The clock that all processes of the benchmark share.

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since this machine started.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000).unwrap()
}
