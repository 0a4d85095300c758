//! The health state of a check: a pure fold over what its probes saw. Beside it, whether what a
//! worker sees fail is its own fault.

mod flapping;
mod fold;
mod hosts;
pub mod impaired;
mod reminder;
#[cfg(test)]
mod slow;

pub use fold::{Retracted, Seen, Step, fold};
pub use hosts::Kin;
pub use reminder::remind;
