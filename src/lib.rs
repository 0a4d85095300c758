//! lokahi
