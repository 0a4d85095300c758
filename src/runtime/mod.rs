//! What a long-running process needs around its loops: who owns them, when they stop, and
//! where their words go.

pub mod arguments;
mod memory;
pub mod signals;
pub mod supervisor;
pub mod telemetry;
pub mod counter;
pub mod chain;
