//! Figures out of samples.

use std::time::Duration;

/// The sample that `percent` of all samples do not exceed.
pub fn percentile(samples: &[Duration], percent: usize) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1]
}

/// How many times `base` goes into `figure`.
pub fn ratio(figure: Duration, base: Duration) -> f64 {
    figure.as_secs_f64() / base.as_secs_f64()
}
