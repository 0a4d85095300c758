//! `watch`: validates and plans on each change of the files, until it is stopped.

use std::time::Duration;

use super::roots::roots;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::{Allow, Scope, Watch};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::client::Client;
use crate::clock;
use crate::plan::text::moment;
use crate::reconcile::watch::{Pace, Watch as Hints};

/// How often it looks although nothing told of a change.
const INTERVAL: Duration = Duration::from_secs(60);

/// Shows, after each change, what an apply would do. Writes nothing.
pub(in crate::cli) async fn watch(
    client: &Client,
    what: &Watch,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let scope = Scope {
        no_prune: false,
        targets: Vec::new(),
        adopt: Vec::new(),
        quiet_start: false,
        allow: Allow::default(),
    };
    let mut hints = Hints::new(&what.path, Pace::every(INTERVAL));
    let mut last = String::new();
    loop {
        hints.dirty().await;
        let mut text = String::new();
        for root in roots(&what.path, &what.inputs, TextOutput::Human, console)? {
            let form = ("plan", TextOutput::Human);
            match root.plan(client, &scope, false, form, console).await {
                Ok(planned) => text.push_str(&planned.human()),
                Err(failure) => {
                    failure.report(console.words);
                }
            }
        }
        // The same again says nothing.
        if text != last && !text.is_empty() {
            writeln!(console.words, "-- {}", moment(clock::now()))?;
            console.out.write_all(text.as_bytes())?;
            console.out.flush()?;
        }
        last = text;
    }
}
