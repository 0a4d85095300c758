//! Keeping what is live equal to what is declared: `watch` says when to look,
//! `load` looks, `apply` writes, and `run` does all of it again and again.

pub mod load;
pub mod watch;

pub mod apply;
pub mod run;
