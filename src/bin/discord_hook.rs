//! The program `discord_hook`.

fn main() {}
