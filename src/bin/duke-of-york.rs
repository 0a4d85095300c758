//! The program `duke-of-york`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lokahi::hooks::duke_of_york()
}
