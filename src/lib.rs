//! lokahi: HTTP uptime checks that live in git.
//!
//! The modules stand in layers, lowest first; each uses only what stands above
//! it here. ARCHITECTURE.md is the map, `cargo xtask tidy` holds the layers.

pub mod model;

pub mod proto;
pub mod spec;
pub mod manifest;
pub mod plan;
pub mod health;
pub mod cadence;
pub mod histogram;
pub mod history;
pub mod hold;
pub mod backoff;
pub mod signature;

pub mod clock;
pub mod files;
pub mod runtime;
pub mod store;
pub mod bus;
pub mod egress;
pub mod serve;
pub mod services;

pub mod reconcile;
pub mod shard;
pub mod prober;
pub mod delivery;
pub mod canary;

pub mod api;
pub mod client;
pub mod cli;
pub mod hooks;

pub mod daemon;
