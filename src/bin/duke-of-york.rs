//! The program `duke-of-york`.

fn main() {}
