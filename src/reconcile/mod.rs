//! Keeping what is live equal to what a folder declares: `watch` says when to
//! look, `load` looks, `apply` writes.

pub mod load;
pub mod watch;
pub mod apply;
