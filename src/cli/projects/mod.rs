//! The commands about projects. `roots` reads check files, `upload` brings them to the server,
//! `planned` asks for the plan; `show` prints it, `doing` asks the user and applies it; the
//! other files have a command or two each.

mod roots;
mod upload;
mod planned;
mod probed;
mod document;
mod saved;
mod wait;
mod doing;

pub(super) mod plan;
pub(super) mod apply;
pub(super) mod past;
pub(super) mod standing;
pub(super) mod export;
mod drift;
pub(super) mod explain;
pub(super) mod watch;
