//! Which checks are in maintenance, for whoever records their probes: the probes are marked, so
//! that no uptime counts them.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::model::check::CheckSpec;
use crate::model::maintenance::{Maintenance, When, holds_in};
use crate::spec;
use crate::store::maintenance::StoredMaintenance;
use crate::store::shard::ShardCheck;

/// Everything that is declared or made, as it was read last.
#[derive(Debug, Default)]
pub(super) struct Maintained {
    /// Another number, another list.
    version: i64,
    all: Vec<Work>,
}

/// Which of them mean a check, by their places in the list of this version.
#[derive(Clone, Debug, Default)]
pub(super) struct Meant {
    version: i64,
    places: Box<[usize]>,
}

#[derive(Debug)]
struct Work {
    project: Option<String>,
    maintenance: Maintenance,
    known: Option<Known>,
}

/// From when to when it is open, or is not.
#[derive(Clone, Copy, Debug)]
struct Known {
    from: OffsetDateTime,
    until: Option<OffsetDateTime>,
    open: bool,
}

impl Maintained {
    pub(super) fn new(version: i64, all: Vec<StoredMaintenance>) -> Self {
        let work = |stored: StoredMaintenance| Work {
            project: stored.project,
            maintenance: stored.maintenance,
            known: None,
        };
        Self {
            version,
            all: all.into_iter().map(work).collect(),
        }
    }

    pub(super) fn version(&self) -> i64 {
        self.version
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a check is in maintenance at a moment. What means it is looked for once.
    pub(super) fn holds(
        &mut self,
        meant: &mut Meant,
        check: &ShardCheck,
        encoded: &Arc<[u8]>,
        at: OffsetDateTime,
    ) -> bool {
        if meant.version != self.version {
            meant.version = self.version;
            meant.places = match self.all.is_empty() {
                true => Box::default(),
                false => self.places(check, encoded),
            };
        }
        let mut works = meant.places.iter();
        works.any(|place| {
            self.all
                .get_mut(*place)
                .is_some_and(|work| work.is_open(at))
        })
    }

    fn places(&self, check: &ShardCheck, encoded: &Arc<[u8]>) -> Box<[usize]> {
        let mut spec: Option<CheckSpec> = None;
        let mut means = |work: &Work| {
            if !holds_in(work.project.as_deref(), &check.project) {
                return false;
            }
            let selector = &work.maintenance.selector;
            if !selector.labels.is_empty() && spec.is_none() {
                spec = spec::decode_check(encoded).ok();
            }
            let labels = spec.as_ref().map(|spec| &spec.labels);
            let label = |key: &str| labels?.get(key).map(String::as_str);
            selector.matches(&check.address, label)
        };
        let all = self.all.iter().enumerate();
        let places = all.filter(|(_, work)| means(work)).map(|(place, _)| place);
        places.collect()
    }
}

impl Work {
    /// The clock of a zone is asked once a window.
    fn is_open(&mut self, at: OffsetDateTime) -> bool {
        let when: &When = &self.maintenance.when;
        if let Some(Known { from, until, open }) = self.known
            && from <= at
            && until.is_none_or(|until| at < until)
        {
            return open;
        }
        let known = match when.open_at(at) {
            Some((from, until)) => Known {
                from,
                until: Some(until),
                open: true,
            },
            None => Known {
                from: at,
                until: when.next_after(at),
                open: false,
            },
        };
        self.known = Some(known);
        known.open
    }
}
