//! The health state of a check: a pure fold over what its probes saw.

mod flapping;
mod fold;
#[cfg(test)]
mod slow;

pub use fold::{Seen, Step, fold};
