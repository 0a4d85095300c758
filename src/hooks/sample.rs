//! sample_hook: what a receiver hears, a line for each event on stdout.

use std::io::Write as _;
use std::sync::Arc;

use clap::Parser;
use futures_util::FutureExt as _;

use super::event;
use super::listen::{Listen, parse};
use super::receiver::{self, NotPassedOn};
use crate::proto::lokahi::CheckStatus;

/// Prints a line for each event that it receives
#[derive(Debug, Parser)]
#[command(
    name = "sample_hook",
    version,
    after_help = "\
Examples:
  sample_hook --port 9001
  lokahictl create -u https://example.com/ -w http://localhost:9001/ --webhook-format json"
)]
struct Settings {
    #[command(flatten)]
    listen: Listen,
}

pub(super) async fn run() -> anyhow::Result<()> {
    let settings: Settings = parse();
    let handle = |event: CheckStatus| async move { print(&event) }.boxed();
    settings
        .listen
        .serve(receiver::router(Arc::new(handle)))
        .await
}

fn print(event: &CheckStatus) -> Result<(), NotPassedOn> {
    let Some(line) = event::line(event) else {
        // One that a later lokahi sends.
        return Ok(());
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| NotPassedOn {
            why: format!("printing: {error}"),
            status: 502,
            retry_after: None,
        })
}
