//! Moments as messages.

use prost_types::Timestamp;
use time::OffsetDateTime;

/// The moment of a timestamp; 1970 for one that is none.
pub fn time_of(at: &Timestamp) -> OffsetDateTime {
    let nanoseconds = i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A moment, to the nanosecond.
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    // Nanoseconds of a second always fit.
    let nanos = i32::try_from(at.nanosecond()).unwrap_or(0);
    Timestamp {
        seconds: at.unix_timestamp(),
        nanos,
    }
}
