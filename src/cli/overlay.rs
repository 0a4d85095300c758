//! `pause`, `mute` and `ack`: what is set on checks while they run, on one or on all that are
//! meant by a pattern or labels.

pub(super) mod words;

use std::time::Duration;

use self::words::{What, line, summary};
use super::arguments::TextOutput;
use super::arguments::overlay::{Ack, Chosen, Mute, Pause};
use super::chosen::ids;
use super::exit::{Exit, Failure};
use super::output::{Console, progress};
use crate::client::Client;
use crate::proto::lokahi::check::State;
use crate::proto::lokahi::{OverlayOpts, OverlayResult};

/// How many checks go in one call: some hundred entries of the audit.
const BATCH: usize = 200;
/// How many checks are named one by one.
const NAMED: usize = 20;

pub(super) async fn pause(
    client: &Client,
    what: Pause,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    run(client, What::Pause, &what.chosen, what.lasts, console).await
}

pub(super) async fn mute(
    client: &Client,
    what: Mute,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    run(client, What::Mute, &what.chosen, what.lasts, console).await
}

pub(super) async fn ack(
    client: &Client,
    what: Ack,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    run(client, What::Ack, &what.chosen, None, console).await
}

async fn run(
    client: &Client,
    what: What,
    chosen: &Chosen,
    lasts: Option<Duration>,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let states = match what {
        // Of many those are meant that something is wrong with.
        What::Ack => vec![State::Down.into(), State::Error.into()],
        What::Pause | What::Mute => Vec::new(),
    };
    let ids = ids(client, chosen, states).await?;
    if ids.is_empty() {
        if matches!(what, What::Ack) {
            writeln!(console.words, "Nothing is down among these checks.")?;
            return Ok(Exit::Ok);
        }
        // A script that is wrong about a name must not believe that something is muted.
        let message = "there is no such check; lokahictl list shows what there is";
        return Err(Failure::new(Exit::Refused, message.to_owned()));
    }
    let bar = progress(ids.len() as u64);
    let mut all = OverlayResult::default();
    for batch in ids.chunks(BATCH) {
        let opts = OverlayOpts {
            ids: batch.to_vec(),
            for_seconds: lasts.map_or(0, |lasts| {
                i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX)
            }),
            reason: chosen.reason.clone().unwrap_or_default(),
            end: chosen.end,
        };
        let done = match what {
            What::Pause => client.pause(&opts).await,
            What::Mute => client.mute(&opts).await,
            What::Ack => client.acknowledge(&opts).await,
        };
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                bar.finish_and_clear();
                let (before, of) = (all.checks.len(), ids.len());
                if before > 0 {
                    let words = format!("{before} of {of} checks are done, the others are not:");
                    writeln!(console.words, "{words}")?;
                }
                return Err(error.into());
            }
        };
        all.changed += done.changed;
        all.checks.extend(done.checks);
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    if chosen.output == TextOutput::Json {
        console.json(&all)?;
        return Ok(Exit::Ok);
    }
    for check in all.checks.iter().take(NAMED) {
        writeln!(console.out, "{}", line(what, check))?;
    }
    if all.checks.len() > NAMED {
        let more = all.checks.len() - NAMED;
        writeln!(console.out, "... and {more} more")?;
    }
    if all.checks.len() > 1 || chosen.end {
        writeln!(console.words, "{}", summary(what, chosen.end, &all))?;
    }
    Ok(Exit::Ok)
}
