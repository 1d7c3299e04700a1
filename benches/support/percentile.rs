//! The sample that most others do not exceed.

use std::time::Duration;

/// The sample that `percent` of all samples do not exceed.
pub fn percentile(samples: &[Duration], percent: usize) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1]
}
