//! What is due, earliest first.
//!
//! Entries are not removed when a check is: whoever takes one out compares it
//! with the check's own idea of when it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use time::OffsetDateTime;

use crate::cadence::Micros;
use crate::model::id::CheckNo;

/// A queue of moments.
#[derive(Debug, Default)]
pub(super) struct DueQueue {
    heap: BinaryHeap<Reverse<(Micros, CheckNo)>>,
}

impl DueQueue {
    pub(super) fn push(&mut self, due: Micros, check: CheckNo) {
        self.heap.push(Reverse((due, check)));
    }

    /// The next entry that is not later than `now`.
    pub(super) fn pop(&mut self, now: Micros) -> Option<(Micros, CheckNo)> {
        if self.first()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// When the earliest entry is due.
    pub(super) fn first(&self) -> Option<Micros> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }
}

/// Microseconds since 1970.
pub(super) fn micros(at: OffsetDateTime) -> Micros {
    Micros(i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX))
}

/// The moment of so many.
pub(super) fn moment(at: Micros) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
