//! The owner of shards: schedules the probes of its checks, folds what they
//! saw into their health, and records it.
//!
//! Seven loops share one board: `lease` keeps the shards and loads their
//! checks, `scheduler` sends out what is due, `recorder` writes what came back,
//! `gaps` what did not, `stale` tells of it, `impaired` of what came and is not believed, and
//! `housekeeping` makes room for it; `rollup`, `holding`, `suspect` and `failing` need no board.
//! Memory advances only after a commit, so that Postgres is the truth at every moment.

pub mod tally;
mod board;
mod entry;
mod voices;
mod due;
mod paused;
mod maintained;
mod event;
mod ledger;
mod sent;
pub mod withheld;
mod unanswered;

mod failing;
mod gaps;
mod holding;
pub mod suspect;
mod tell;
pub mod rollup;
mod housekeeping;
mod lease;
mod recorder;
pub mod unknown;
pub mod stale;
pub mod impaired;
mod scheduler;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

pub use self::board::{Board, Seen};
pub use self::entry::LastSeen;
pub use self::sent::{Place, Silence};
use crate::bus::Bus;
use crate::runtime::supervisor::Tasks;
use crate::store::Store;
use crate::store::shard::LeaseOwner;

/// Who we are to other owners.
#[derive(Clone, Debug)]
pub struct ShardSettings {
    pub owner: LeaseOwner,
    /// Where probes go that name no location.
    pub location: String,
    /// How many bytes observations may take on disk before the oldest day is dropped.
    pub observations_size: u64,
}

/// Starts the loops; what they know can be read from the board.
pub fn start(tasks: &Tasks, store: &Store, bus: &Bus, settings: ShardSettings) -> Arc<Board> {
    let board = Arc::new(Board::default());
    let reply_to = Bus::report_subject();
    // A check that is watched no more waits here for the recorder to write it.
    let (ended, ends) = mpsc::channel(1024);
    let loaded = Arc::new(Notify::new());
    let lease = lease::Lease {
        store: store.clone(),
        bus: bus.clone(),
        board: Arc::clone(&board),
        settings: settings.clone(),
        ended,
        loaded: Arc::clone(&loaded),
    };
    let scheduler = scheduler::Scheduler {
        bus: bus.clone(),
        board: Arc::clone(&board),
        location: settings.location.clone(),
        reply_to: reply_to.clone(),
        loaded,
    };
    let recorder = recorder::Recorder::new(
        store.clone(),
        bus.clone(),
        Arc::clone(&board),
        settings.owner.clone(),
        ends,
    );
    let stale = stale::Stale {
        store: store.clone(),
        bus: bus.clone(),
        board: Arc::clone(&board),
        owner: settings.owner.clone(),
        location: settings.location.clone(),
    };
    let impaired = impaired::Impaired {
        store: store.clone(),
        bus: bus.clone(),
        board: Arc::clone(&board),
        owner: settings.owner.clone(),
        read: BTreeSet::new(),
        stored: BTreeMap::new(),
    };
    tasks.spawn("stale", stale.run(tasks.token()));
    tasks.spawn("impaired", impaired.run(tasks.token()));
    tasks.spawn("lease", lease.run(tasks.token()));
    tasks.spawn("scheduler", scheduler.run(tasks.token()));
    tasks.spawn("recorder", recorder.run(reply_to, tasks.token()));
    tasks.spawn(
        "gaps",
        gaps::run(store.clone(), Arc::clone(&board), tasks.token()),
    );
    tasks.spawn(
        "holding",
        holding::run(store.clone(), bus.clone(), tasks.token()),
    );
    tasks.spawn(
        "suspect",
        suspect::run(store.clone(), bus.clone(), tasks.token()),
    );
    tasks.spawn(
        "failing",
        failing::run(store.clone(), bus.clone(), tasks.token()),
    );
    tasks.spawn("rollup", rollup::run(store.clone(), tasks.token()));
    tasks.spawn(
        "housekeeping",
        housekeeping::run(store.clone(), settings.observations_size, tasks.token()),
    );
    board
}
