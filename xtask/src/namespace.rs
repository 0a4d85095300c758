//! This program once more in namespaces of its own: what is mounted or filtered in there goes with
//! its last process.

use std::env;
use std::process::Command;

use anyhow::{Context as _, Result};

/// The command that runs this program with its arguments in new namespaces, by unshare's flags;
/// `None` where this machine does not allow it.
pub(crate) fn again(flags: &[&str]) -> Option<Result<Command>> {
    // As ourselves, since Postgres does not run as root.
    let user = ["--user", "--map-current-user", "--keep-caps"];
    let ways = [&[], user.as_slice()];
    let allowed = ways.into_iter().find(|way| {
        let mut tried = Command::new("unshare");
        tried.args(*way).args(flags).arg("true");
        tried.output().is_ok_and(|output| output.status.success())
    })?;
    let mut again = Command::new("unshare");
    again.args(allowed).args(flags);
    let program = env::current_exe().context("where is this program?");
    Some(program.map(|program| {
        again.arg(program).args(env::args_os().skip(1));
        again
    }))
}
