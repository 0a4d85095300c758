//! The program `slack_hook`.

fn main() {}
