//! Writes down which probes were due and left no observation, as the board counts them.
//!
//! Once a minute and at the end: while no worker is there these are as many as the probes. What
//! was counted and not written when lokahid is killed is not known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::board::Board;
use super::rollup::late_hours;
use crate::clock;
use crate::model::id::CheckNo;
use crate::store::error::StoreError;
use crate::store::rollup::{Gap, gap_add, late_note};
use crate::store::{Store, bounded};

const EVERY: Duration = Duration::from_secs(60);
/// The most that one statement writes.
const ROWS: usize = 10_000;
/// The most that waits while Postgres is away; what is counted beyond it is not written.
const MOST: usize = 1_000_000;

/// How many probes of a check were missed in an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Missed {
    pub(super) skipped: u32,
    pub(super) lost: u32,
}

/// What was missed, by hour and check.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    missed: BTreeMap<(OffsetDateTime, CheckNo), Missed>,
}

impl Gaps {
    pub(super) fn add(&mut self, hour: OffsetDateTime, check: CheckNo, missed: Missed) {
        let key = (hour, check);
        if self.missed.len() >= MOST && !self.missed.contains_key(&key) {
            return;
        }
        let all = self.missed.entry(key).or_default();
        all.skipped = all.skipped.saturating_add(missed.skipped);
        all.lost = all.lost.saturating_add(missed.lost);
    }
}

pub(super) async fn run(store: Store, board: Arc<Board>, token: CancellationToken) {
    loop {
        tokio::select! {
            () = token.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
        write(&store, &board).await;
    }
    write(&store, &board).await;
}

async fn write(store: &Store, board: &Board) {
    let gaps = board.take_gaps().missed.into_iter();
    let gaps: Vec<Gap> = gaps
        .map(|((hour, check), missed)| Gap {
            check,
            hour,
            skipped: missed.skipped,
            lost: missed.lost,
        })
        .collect();
    for (number, part) in gaps.chunks(ROWS).enumerate() {
        if let Err(error) = bounded(store_gaps(store, part)).await {
            debug!(
                error = &error as &dyn std::error::Error,
                "what was not probed is not written down; trying again"
            );
            let rest = gaps.iter().skip(number * ROWS);
            return rest.for_each(|gap| board.put_back(gap));
        }
    }
}

async fn store_gaps(store: &Store, gaps: &[Gap]) -> Result<(), StoreError> {
    let now = clock::now();
    let mut tx = store.begin().await?;
    gap_add(&mut tx, gaps).await?;
    // Of an hour that has just ended some may be from its last moment.
    let last = time::Duration::HOUR - time::Duration::MICROSECOND;
    let counted = gaps.iter().map(|gap| (gap.check, gap.hour + last));
    let late = late_hours(counted, now);
    if !late.is_empty() {
        late_note(&mut tx, &late).await?;
    }
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit what was not probed",
        source,
    })
}
