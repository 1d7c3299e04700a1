//! Whether this server is ready, in figures.

use metrics::gauge;

use super::names::{FEED_UP, READY};

/// Whether `/health/ready` answers 200.
pub fn ready(is_ready: bool) {
    gauge!(READY).set(f64::from(u8::from(is_ready)));
}

/// Whether the feed carries events.
pub fn feed_up(is_up: bool) {
    gauge!(FEED_UP).set(f64::from(u8::from(is_up)));
}
