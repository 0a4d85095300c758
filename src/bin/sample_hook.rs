//! The program `sample_hook`.

fn main() {}
