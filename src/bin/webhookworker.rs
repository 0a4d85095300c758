//! The program `webhookworker`.

use std::process::ExitCode;

use lokahi::daemon;

fn main() -> ExitCode {
    daemon::run(std::env::args_os(), daemon::webhookworker::run)
}
