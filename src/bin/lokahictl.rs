//! The program `lokahictl`.

fn main() {}
