//! What the probes of a check came to over time: counts, uptime, percentiles. Pure; what is
//! stored comes from `store::rollup` and `store::observation`.

pub mod counts;
pub mod day;
pub mod window;
