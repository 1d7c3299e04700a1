//! Time, cut to the millisecond that the store keeps.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// Milliseconds since the Unix epoch, UTC. BSON dates hold exactly this, so a timestamp survives a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A timestamp from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment moved by `millis`, which may be negative.
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Reads an RFC 3339 date-time, cut to the millisecond; `None` if it is not one.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| Self(time.timestamp_millis()))
    }
}

/// A span of time in whole milliseconds, as it is added to timestamps.
pub fn whole_millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The first and the last second of the years that RFC 3339 can write, in milliseconds.
const WRITABLE: [i64; 2] = [-62_135_596_800_000, 253_402_300_799_000];

/// RFC 3339 in UTC with milliseconds: `2026-01-31T08:45:51.120Z`. A moment outside the years 1 to 9999, which only a
/// damaged document holds, is the nearest of them.
impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, last] = WRITABLE;
        let time = DateTime::<Utc>::from_timestamp_millis(self.0.clamp(first, last)).unwrap_or_default();
        out.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Tells the time. Handed in through constructors, so that tests can hold it still.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// The present moment in microseconds since the Unix epoch, for what is shown and not kept.
    fn now_micros(&self) -> i64 {
        self.now().millis().saturating_mul(1_000)
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_millis())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the other place that reads the machine's clock"
    )]
    fn now_micros(&self) -> i64 {
        Utc::now().timestamp_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_utc_with_milliseconds_and_reads_any_offset() {
        let time = Timestamp::parse_rfc3339("2026-01-31T14:15:51.120999+05:30").unwrap();
        assert_eq!(time.to_string(), "2026-01-31T08:45:51.120Z");
        assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Some(time));
        let [first, last] = [i64::MIN, i64::MAX].map(|millis| Timestamp(millis).to_string());
        assert_eq!(
            (first.as_str(), last.as_str()),
            ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z")
        );
    }
}
