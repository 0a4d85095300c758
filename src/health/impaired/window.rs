//! What a worker saw in the last 30 s, and whether so much of it failed at once that the worker
//! is suspected.

use std::collections::{HashSet, VecDeque};

use time::{Duration, OffsetDateTime};

use crate::health::hosts::{Kin, Unrelated};
use crate::model::id::CheckNo;

pub(super) const LENGTH: Duration = Duration::seconds(30);
/// The most probes that are remembered; of a busy worker they are fewer seconds.
const MOST: usize = 2048;
/// So many checks must fail, on so many unrelated hosts.
const CHECKS: usize = 10;
const HOSTS: usize = 5;

/// What a probe says of its worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// It was up.
    Well,
    /// It failed, and was not down before.
    Fails,
    /// It failed as it did before.
    Known,
}

/// What a worker saw of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probed {
    pub check: CheckNo,
    /// By the worker's clock.
    pub began: OffsetDateTime,
    pub kin: Kin,
    pub sight: Sight,
    /// By the worker's clock, when it ended, if it failed as it would without a network.
    pub cut_off_at: Option<OffsetDateTime>,
}

/// What failed at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Burst {
    /// When the first of its probes began, by the worker's clock.
    pub(super) began: OffsetDateTime,
    pub(super) checks: usize,
    pub(super) hosts: usize,
}

/// The probes of a worker in the order in which they ended, each with when we heard of it.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<(OffsetDateTime, Probed)>);

impl Window {
    pub(super) fn push(&mut self, probed: Probed, now: OffsetDateTime) {
        if probed.sight == Sight::Known {
            return;
        }
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((now, probed));
    }

    /// Whether there is a stretch of the window, up to now, of which over half failed. Each check
    /// counts as it was seen last.
    pub(super) fn burst(&mut self, now: OffsetDateTime) -> Option<Burst> {
        while let Some((at, _)) = self.0.front()
            && now - *at > LENGTH
        {
            self.0.pop_front();
        }
        let mut seen = HashSet::new();
        let mut hosts = Unrelated::default();
        let (mut failed, mut began, mut found) = (0, now, None);
        for (_, probed) in self.0.iter().rev() {
            if !seen.insert(probed.check) {
                continue;
            }
            if probed.sight == Sight::Fails {
                failed += 1;
                hosts.add(probed.kin);
                began = match failed {
                    1 => probed.began,
                    _ => began.min(probed.began),
                };
            }
            if failed >= CHECKS && hosts.count() >= HOSTS && failed * 2 > seen.len() {
                let first = found.map_or(began, |burst: Burst| burst.began);
                found = Some(Burst {
                    began: first,
                    checks: failed,
                    hosts: hosts.count(),
                });
            }
        }
        found
    }
}
