//! From expressions to values. Pure and bounded: no clock, no chance, no network, and an end.

pub mod value;
