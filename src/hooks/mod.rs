//! The little programs around lokahi: receivers that print or pass on what they
//! hear, and a site that is up and down by turns.

mod listen;
mod event;
mod receiver;
mod sample;
mod chat;
mod duke;

use std::process::ExitCode;

use tracing::error;

use crate::runtime::telemetry;

/// sample_hook: prints a line for each event.
pub fn sample_hook() -> ExitCode {
    run(sample::run)
}

/// slack_hook: posts each event to a Slack webhook.
pub fn slack_hook() -> ExitCode {
    run(|| chat::run(chat::Service::Slack))
}

/// discord_hook: posts each event to a Discord webhook.
pub fn discord_hook() -> ExitCode {
    run(|| chat::run(chat::Service::Discord))
}

/// duke-of-york: when he is up he is up, and when he is down he is down.
pub fn duke_of_york() -> ExitCode {
    run(duke::run)
}

fn run<F: Future<Output = anyhow::Result<()>>>(program: impl FnOnce() -> F) -> ExitCode {
    let done = telemetry::init()
        .map_err(anyhow::Error::from)
        .and_then(|()| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(program())
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{failure:#}");
            ExitCode::FAILURE
        }
    }
}
