//! Date-times as the documented socket writes them: ISO 8601 without a zone.

use chrono::{DateTime, Utc};

/// `2026-01-31T08:45:51.120345`: the UTC time, without saying so. A fraction of zero is left out.
pub fn naive(micros: i64) -> String {
    let time = moment(micros);
    let format = match micros.rem_euclid(1_000_000) {
        0 => "%Y-%m-%dT%H:%M:%S",
        _ => "%Y-%m-%dT%H:%M:%S%.6f",
    };
    time.format(format).to_string()
}

/// `08:45`, in UTC.
pub fn minute(micros: i64) -> String {
    moment(micros).format("%H:%M").to_string()
}

fn moment(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_has_no_zone_and_drops_a_fraction_of_zero() {
        assert_eq!(naive(1_769_849_151_120_345), "2026-01-31T08:45:51.120345");
        assert_eq!(naive(1_769_849_151_000_040), "2026-01-31T08:45:51.000040");
        assert_eq!(naive(1_769_849_151_000_000), "2026-01-31T08:45:51");
        assert_eq!(minute(1_769_849_151_000_000), "08:45");
    }
}
