//! Date-times as the documented system writes them.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::Timestamp;

/// How date-times are written: `YYYY-MM-DDTHH:MM:SS.ffffff` in UTC, the fraction left out when it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateFormat {
    /// Whether a `Z` says that it is UTC. The documented form has no zone, which a browser takes for its own.
    pub has_utc_suffix: bool,
}

/// The first second of the years that documented clients can read.
const SECONDS_MIN: i64 = -62_135_596_800;
/// The last second of them.
const SECONDS_MAX: i64 = 253_402_300_799;

impl DateFormat {
    /// A moment of the store as text: its last three digits are zeros.
    pub fn millis(self, time: Timestamp) -> String {
        self.micros(time.millis().saturating_mul(1_000))
    }

    /// A moment in microseconds since the Unix epoch as text. One outside the years 1 to 9999, which only a damaged
    /// document holds, is the nearest of them.
    pub fn micros(self, micros: i64) -> String {
        let time = moment(micros);
        let form = match time.timestamp_subsec_nanos() {
            0 => SecondsFormat::Secs,
            _ => SecondsFormat::Micros,
        };
        let mut text = time.to_rfc3339_opts(form, true);
        if !self.has_utc_suffix {
            // The zone, which is always there.
            text.pop();
        }
        text
    }
}

/// `08:45`, in UTC.
pub fn minute(micros: i64) -> String {
    moment(micros).format("%H:%M").to_string()
}

fn moment(micros: i64) -> DateTime<Utc> {
    let micros = micros.clamp(SECONDS_MIN * 1_000_000, SECONDS_MAX * 1_000_000);
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_has_six_digits_or_none_and_no_zone_unless_told() {
        let text =
            |millis, has_utc_suffix| DateFormat { has_utc_suffix }.millis(Timestamp::from_millis(millis));
        assert_eq!(text(1_732_524_351_007, false), "2024-11-25T08:45:51.007000");
        assert_eq!(text(1_732_524_351_000, false), "2024-11-25T08:45:51");
        assert_eq!(text(1_732_524_351_120, true), "2024-11-25T08:45:51.120000Z");
        assert_eq!(text(-1, false), "1969-12-31T23:59:59.999000");
        assert_eq!(text(i64::MIN, false), "0001-01-01T00:00:00");
        assert_eq!(text(i64::MAX, false), "9999-12-31T23:59:59");
    }

    #[test]
    fn a_frame_has_its_microseconds() {
        let format = DateFormat::default();
        assert_eq!(format.micros(1_769_849_151_120_345), "2026-01-31T08:45:51.120345");
        assert_eq!(format.micros(1_769_849_151_000_040), "2026-01-31T08:45:51.000040");
        assert_eq!(format.micros(1_769_849_151_000_000), "2026-01-31T08:45:51");
        assert_eq!(minute(1_769_849_151_000_000), "08:45");
    }
}
