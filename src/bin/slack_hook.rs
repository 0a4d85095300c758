//! The program `slack_hook`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lokahi::hooks::slack_hook()
}
