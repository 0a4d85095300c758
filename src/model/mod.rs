//! The nouns: values and their invariants. No I/O, no serialisation.

pub mod quoted;
pub mod id;
pub mod name;
pub mod value;
pub mod secret;
pub mod pattern;
pub mod glob;
pub mod zone;
pub mod cron;
pub mod duration;
pub mod maintenance;
pub mod scalar;
pub mod json;

pub mod dial;
pub mod tls;
pub mod auth;
pub mod check;
pub mod webhook;

pub mod health;
pub mod observation;
pub mod probe;
pub mod overlay;

pub mod ownership;
pub mod scope;
pub mod token;

pub mod change;
pub mod desired;
