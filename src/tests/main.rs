//! The one integration binary: stories over real servers.
#![expect(
    clippy::unwrap_used,
    reason = "a story that cannot go on ends in a panic; the exception for tests does not see helpers"
)]

mod support;

mod services;
mod store;
mod history;
mod prober;
mod webhook;
mod tls;
mod idle;
mod api;
mod cli;
mod hold;
mod hooks;
mod outbox;
mod pipeline;
mod projects;
mod compose;
mod docs;
mod examples;
mod fuzz;
mod settings;
