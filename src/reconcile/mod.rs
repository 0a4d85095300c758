//! From check files to Postgres.

pub mod apply;
