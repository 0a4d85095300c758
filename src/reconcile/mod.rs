//! Keeping what is live equal to what is declared. `propose` says what an apply would do,
//! `warning` what beside it a person should know, `apply` does it, `history` makes wishes of a
//! project's past. `load` reads check files, `source` where they come from, `watch` when to look;
//! `root` brings one project to its files, and `run` all of a source, again and again.

pub mod error;
mod coherent;
pub mod propose;
mod warning;
mod unbound;
mod trial;
pub mod apply;
pub mod history;

pub mod load;
pub mod watch;
pub mod source;
mod specs;
mod event;
mod tell;
mod drift;
mod said;
mod settled;
mod root;
mod gone;
pub mod run;
