//! Ctrl-C and its like: a chore looks here, stops what it has started, and ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Whether somebody wants us to stop.
#[derive(Debug)]
pub(crate) struct Wish(Arc<AtomicBool>);

impl Wish {
    pub(crate) fn listen() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The second time nobody waits for us: the watchers and guards clear up.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&flag))?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    pub(crate) fn is_to_stop(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
