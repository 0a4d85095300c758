//! Keeping what is live equal to what is declared: `watch` says when to look,
//! `load` looks, `apply` writes, `root` does that for one project, and `run` for all of a
//! folder, again and again.

pub mod load;
pub mod watch;

pub mod error;
pub mod propose;
pub mod history;
pub mod apply;
mod root;
pub mod run;
