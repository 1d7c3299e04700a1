//! One figure beside another.

use std::time::Duration;

/// How many times `base` goes into `figure`.
pub fn ratio(figure: Duration, base: Duration) -> f64 {
    figure.as_secs_f64() / base.as_secs_f64()
}
