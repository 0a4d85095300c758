//! The program `webhookworker`.

use std::process::ExitCode;

use lokahi::daemon::{self, Threads};

fn main() -> ExitCode {
    daemon::run(
        Threads::One,
        std::env::args_os(),
        daemon::webhookworker::run,
    )
}
