//! What is due, earliest first.
//!
//! Entries are not removed when a check is: whoever takes one out compares it
//! with the check's own idea of when it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
