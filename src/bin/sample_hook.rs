//! The program `sample_hook`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lokahi::hooks::sample_hook()
}
