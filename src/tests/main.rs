//! The one integration binary: stories over real servers.
#![expect(
    clippy::unwrap_used,
    reason = "a story that cannot go on ends in a panic; the exception for tests does not see helpers"
)]

mod support;

mod compose;
mod docs;
mod pipeline;
mod prober;
mod services;
mod webhook;
