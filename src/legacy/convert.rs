//! Date-times as the documented system writes them.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::domain::Timestamp;

/// How date-times are written: `YYYY-MM-DDTHH:MM:SS.mmm000` in UTC, the fraction left out when it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateFormat {
    /// Whether a `Z` says that it is UTC. The documented form has no zone, which a browser takes for its own.
    pub has_utc_suffix: bool,
}

/// The last second of the years that documented clients can read.
const SECONDS_MAX: i64 = 253_402_300_799;
/// The first second of them.
const SECONDS_MIN: i64 = -62_135_596_800;

impl DateFormat {
    /// A moment as text. One outside the years 1 to 9999, which only a damaged document holds, is the nearest of them.
    pub fn text(self, time: Timestamp) -> String {
        let millis = time.millis().clamp(SECONDS_MIN * 1000, SECONDS_MAX * 1000);
        let time = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default();
        let form = match millis.rem_euclid(1000) {
            0 => "%Y-%m-%dT%H:%M:%S",
            _ => "%Y-%m-%dT%H:%M:%S%.6f",
        };
        let time: NaiveDateTime = time.naive_utc();
        let zone = if self.has_utc_suffix { "Z" } else { "" };
        format!("{}{zone}", time.format(form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_has_six_digits_or_none_and_no_zone_unless_told() {
        let text = |millis, has_utc_suffix| {
            let format = DateFormat { has_utc_suffix };
            format.text(Timestamp::from_millis(millis))
        };
        assert_eq!(text(1_732_524_351_007, false), "2024-11-25T08:45:51.007000");
        assert_eq!(text(1_732_524_351_000, false), "2024-11-25T08:45:51");
        assert_eq!(text(1_732_524_351_120, true), "2024-11-25T08:45:51.120000Z");
        assert_eq!(text(-1, false), "1969-12-31T23:59:59.999000");
        assert_eq!(text(i64::MIN, false), "0001-01-01T00:00:00");
        assert_eq!(text(i64::MAX, false), "9999-12-31T23:59:59");
    }
}
