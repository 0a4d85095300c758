//! `cargo xtask test`: every test of the workspace, after making sure that the servers which
//! they start can be found. Each test run has servers of its own; nothing of the machine's
//! is used but the programs.

use anyhow::Result;

use crate::{peers, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`, such as `-- NAME` or `--release`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    peers::ensure()?;
    let mut command = workspace::cargo();
    command
        .args(["test", "--locked", "--workspace"])
        .args(&arguments.rest)
        .env("CACHE_DIR", workspace::cache_dir()?)
        // A test that reached for the developer's own servers would be a mistake.
        .env_remove("DATABASE_URL")
        .env_remove("NATS_URL");
    workspace::run(&mut command)
}
