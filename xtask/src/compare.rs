//! `cargo xtask compare`: what lokahi and blackbox_exporter say of the same sites, written to
//! `docs/comparison.md`. The servers are those of the tests, so a story of theirs does it; this
//! chore fetches blackbox_exporter, without installing it, and asks for that story.

use anyhow::{Result, bail};

use crate::{peers, strangers, workspace};

const STORY: &str = "prober::peers::comparison::both_are_asked_and_the_page_is_written";

pub(crate) fn run() -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("it needs a network namespace, which only Linux has");
    }
    peers::ensure()?;
    strangers::ensure(&[strangers::BLACKBOX])?;
    let mut command = workspace::cargo();
    command
        .args(["test", "--locked", "--test", "lokahi"])
        .args(["--", "--exact", STORY, "--nocapture"])
        .env("CACHE_DIR", workspace::cache_dir()?)
        .env("LOKAHI_COMPARE", "1");
    workspace::run(&mut command)
}
