//! What every program does around its work: log, parse, run, exit code.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing::{error, info};

use crate::runtime::supervisor::Supervisor;
use crate::runtime::{arguments, telemetry};

/// The exit code of a usage error, from sysexits.h.
const USAGE: u8 = 64;

/// How many threads a program wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    /// Much that is short and waits for the network: handing it from thread to
    /// thread costs more than doing it. Whoever needs more starts more workers.
    One,
    /// One for each core.
    Cores,
}

/// Parses the settings and runs a program with them, on a runtime of its own.
pub fn run<S, F>(
    threads: Threads,
    words: impl IntoIterator<Item = OsString>,
    program: impl FnOnce(S) -> F,
) -> ExitCode
where
    S: Parser,
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    let parsed = arguments::command::<S>()
        .try_get_matches_from(words)
        .and_then(|matches| S::from_arg_matches(&matches));
    let settings = match parsed {
        Ok(settings) => settings,
        Err(error) => {
            let printed = error.print();
            let code = if error.use_stderr() { USAGE } else { 0 };
            return if printed.is_ok() {
                ExitCode::from(code)
            } else {
                ExitCode::FAILURE
            };
        }
    };
    if let Err(error) = telemetry::init() {
        return complain(&error.into());
    }
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Cores => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let ended = runtime.block_on(program(settings));
    // A thread that waits for the disk or for git is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(code) => code,
        Err(failure) => {
            error!("{failure:#}");
            ExitCode::FAILURE
        }
    }
}

/// Before there is a log.
fn complain(error: &anyhow::Error) -> ExitCode {
    // Where stderr is closed nobody can be told.
    writeln!(std::io::stderr(), "error: {error:#}")
        .map_or(ExitCode::FAILURE, |()| ExitCode::FAILURE)
}

/// Waits for a signal, or for a loop that ends by itself, then for the loops.
pub(super) async fn until_stopped(
    supervisor: Supervisor,
    stop: impl Future<Output = &'static str>,
    deadline: Duration,
) -> anyhow::Result<()> {
    let token = supervisor.token();
    if let Some(signal) = token.run_until_cancelled(stop).await {
        info!("{signal}: stopping");
        token.cancel();
    }
    Ok(supervisor.join(deadline).await?)
}
