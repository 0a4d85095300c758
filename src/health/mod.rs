//! The health state of a check: a pure fold over what its probes saw.

mod fold;

pub use fold::{Seen, Step, fold};
