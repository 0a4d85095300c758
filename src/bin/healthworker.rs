//! The program `healthworker`.

fn main() {}
