//! `create_load`: many checks of one site, at once.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::arguments::CreateLoad;
use super::exit::{Exit, Failure};
use super::output::{Console, progress};
use crate::client::Client;
use crate::clock;
use crate::proto::lokahi::CreateOpts;

/// Creates them, and prints how many in which time. The first refusal ends it.
pub(super) async fn create_load(
    client: &Client,
    what: CreateLoad,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let opts = CreateOpts {
        url: what.target,
        webhook_url: what.webhook_url,
        every: what.every,
        playbook_url: what.playbook_url,
        ..CreateOpts::default()
    };
    let progress = progress(what.count.into());
    let begun = clock::monotonic();
    let mut calls = stream::iter(0..what.count)
        .map(|_| client.create(&opts))
        .buffer_unordered(what.concurrency.into());
    let mut created = 0;
    let mut refused = None;
    while let Some(made) = calls.next().await {
        match made {
            Ok(_) => created += 1,
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
        progress.inc(1);
    }
    drop(calls);
    progress.finish_and_clear();
    let took: Duration = begun.elapsed();
    let summary = serde_json::json!({
        "created": created,
        "elapsed_milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    });
    writeln!(console.out, "{summary:#}")?;
    match refused {
        None => Ok(Exit::Ok),
        Some(error) => {
            let failure = Failure::from(error);
            let message = format!("after {created} of {}: {}", what.count, failure.message);
            Err(Failure { message, ..failure })
        }
    }
}
