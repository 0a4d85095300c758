//! Moments as messages.

use prost_types::Timestamp;
use time::OffsetDateTime;

/// A moment, to the nanosecond.
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    // Nanoseconds of a second always fit.
    let nanos = i32::try_from(at.nanosecond()).unwrap_or(0);
    Timestamp {
        seconds: at.unix_timestamp(),
        nanos,
    }
}
