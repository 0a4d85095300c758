//! The program `discord_hook`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lokahi::hooks::discord_hook()
}
