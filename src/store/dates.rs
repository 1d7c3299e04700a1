//! Days, and the latest moments that a store reckons with.

use crate::domain::Timestamp;

/// The end of the year 9999, in milliseconds. A message that is dated later says nothing about the order.
pub(super) const MILLIS_MAX: i64 = 253_402_300_799_999;

/// The latest moment that the next one comes after: a day later, so that moments still rise after a message of the last
/// moment of that year.
pub(super) const MOMENT_MAX: Timestamp = Timestamp::from_millis(MILLIS_MAX + DAY_MILLIS);

/// A day, in milliseconds.
pub(super) const DAY_MILLIS: i64 = 86_400_000;

/// The first moment of a moment's UTC day.
pub(super) fn day_of(moment: Timestamp) -> Timestamp {
    moment.plus_millis(-moment.millis().rem_euclid(DAY_MILLIS))
}
