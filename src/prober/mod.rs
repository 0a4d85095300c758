//! The prober: asks sites, and says what it saw. It knows nothing of schedules, states or
//! stores; a worker is told what to probe over the bus and answers there.
//!
//! A site that fails is a value. What is our own fault (no file descriptor, no name server,
//! a panic) is an `Unknown` observation and says nothing of the site.

pub mod probe;
pub mod prepare;
mod proxy;
mod hop;
mod ask;
mod grant;
pub mod evidence;
pub mod judge;
mod condition;
pub mod failure;
mod connect;
mod tls;
mod trust;
mod exchange;
mod http2;
mod timed;
mod reading;
mod pool;
mod search;
pub mod close;
pub mod worker;
mod ahead;
mod batch;
mod sentinel;
mod single;
mod spec_cache;
mod gate;
pub mod limit;
pub mod stats;
