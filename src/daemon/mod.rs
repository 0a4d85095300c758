//! The long-running programs: settings in, everything built, an orderly end.
//!
//! The only place that knows all engines; they do not know one another.

pub mod settings;
mod listen;

mod connect;
mod metrics;
mod probes;
mod untaken;
mod parts;
mod reconcile;

pub mod lokahid;
pub mod healthworker;
pub mod webhookworker;
mod program;

pub use self::program::{Threads, run};
