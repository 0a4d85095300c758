//! `cargo xtask test`: every test of the workspace, after making sure that the programs which
//! they start can be found: lokahi's servers, and strangers to be probed. Each test run has
//! servers of its own; nothing of the machine's is used but the programs. In the end everything is
//! broken for five minutes, always in the same way.

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::{chaos, peers, strangers, watched, wheels, workspace};

/// What the property tests start from.
const SEED: &str = "1";

/// The longest test takes a tenth of it on two slow cores.
const PATIENCE: Duration = Duration::from_mins(15);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`, such as `-- NAME` or `--release`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    peers::ensure()?;
    strangers::ensure(&[])?;
    wheels::ensure()?;
    let seed = env::var("PROPTEST_RNG_SEED").unwrap_or_else(|_| SEED.to_owned());
    let mut command = workspace::cargo();
    command
        .args(["test", "--locked", "--workspace"])
        .args(&arguments.rest)
        .env("CACHE_DIR", workspace::cache_dir()?)
        // The same texts each time; another seed in the environment looks for others.
        .env("PROPTEST_RNG_SEED", seed)
        // A test that reached for the developer's own servers would be a mistake.
        .env_remove("DATABASE_URL")
        .env_remove("NATS_URL");
    watched::run(&mut command, PATIENCE)?;
    // Whoever wants some tests only does not want to wait for it.
    if !arguments.rest.is_empty() {
        return Ok(());
    }
    let mut last = Command::new(env::current_exe()?);
    last.args(["chaos", "--minutes", "5", "--seed"]);
    workspace::run(last.arg(chaos::SEED.to_string()))
}
