//! The program `lokahid`, and the guard of its servers.

use std::process::ExitCode;

use lokahi::daemon::{self, Threads};
use lokahi::services::guard::Guard;

fn main() -> ExitCode {
    Guard::requested(std::env::args_os()).map_or_else(
        || daemon::run(Threads::Cores, std::env::args_os(), daemon::lokahid::run),
        Guard::run,
    )
}
