//! The program `lokahid`.

use std::process::ExitCode;

use lokahi::services::guard::Guard;

fn main() -> ExitCode {
    Guard::requested(std::env::args_os()).map_or(ExitCode::SUCCESS, Guard::run)
}
