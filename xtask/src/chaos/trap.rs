//! Kills or stops processes at a moment that somebody else sees come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[derive(Debug, Clone)]
pub(super) struct Trap {
    signal: Signal,
    pids: Vec<u32>,
    sprung: Arc<AtomicBool>,
}

impl Trap {
    /// Ends these with `kill -9` when it springs; there may be none.
    pub(super) fn killing(pids: Vec<u32>) -> Self {
        Self {
            signal: Signal::SIGKILL,
            pids,
            sprung: Arc::default(),
        }
    }

    /// Freezes these.
    pub(super) fn freezing(pids: Vec<u32>) -> Self {
        Self {
            signal: Signal::SIGSTOP,
            ..Self::killing(pids)
        }
    }

    pub(super) fn spring(&self) {
        for pid in &self.pids {
            // It may have ended by itself.
            if kill(Pid::from_raw(pid.cast_signed()), self.signal).is_err() {
                thread::yield_now();
            }
        }
        self.sprung.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_sprung(&self) -> bool {
        self.sprung.load(Ordering::SeqCst)
    }
}
