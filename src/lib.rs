//! lokahi
pub mod clock;
pub mod files;
pub mod runtime;
pub mod services;
