//! The only clock. Pure code takes `now` as a parameter; whoever calls it asks here.

use std::time::Instant;

use time::OffsetDateTime;

/// The wall clock, in UTC. It may jump: use it for what is stored or shown, never to measure.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the door that the lint points to"
)]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The monotonic clock, for durations and deadlines. It means nothing in another process.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the door that the lint points to"
)]
pub fn monotonic() -> Instant {
    Instant::now()
}
