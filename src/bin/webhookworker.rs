//! The program `webhookworker`.

fn main() {}
