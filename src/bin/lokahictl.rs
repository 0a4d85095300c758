//! The program `lokahictl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lokahi::cli::main()
}
