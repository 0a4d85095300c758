//! `webhook replay`: what was delivered or given up is sent again.

use std::time::Duration;

use clap::Args;

use super::receivers::{Called, called};
use super::request_id;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::overlay::lasting;
use crate::cli::ask::approved;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::client::{Client, ClientError};
use crate::clock;
use crate::plan::text::counted;
use crate::proto::lokahi::{ReplayOpts, ReplayResult};
use crate::proto::moment::timestamp;
use crate::proto::twirp::TwirpError;

/// As many as one call sends.
const MOST: i32 = 10_000;
/// How many ids of new deliveries are named.
const NAMED: usize = 5;

#[derive(Debug, Args)]
pub(in crate::cli) struct Replay {
    /// What to send again: deliveries by their ids, or events by theirs
    #[arg(value_name = "ID", conflicts_with = "since")]
    ids: Vec<String>,
    /// What came since so long ago, as 30m, 2h, 1d
    #[arg(long, value_name = "DURATION", value_parser = lasting)]
    since: Option<Duration>,
    /// With --since: only what is in this state [default: delivered and dead]
    #[arg(long, requires = "since", value_parser = ["delivered", "dead", "superseded"])]
    state: Option<String>,
    /// Only to this receiver, by its name, PROJECT/NAME, or its id
    #[arg(long, value_name = "NAME")]
    receiver: Option<Called>,
    /// Only to the receivers of this project
    #[arg(long)]
    project: Option<String>,
    /// Do not ask, however many they are
    #[arg(long)]
    yes: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOutput,
}

pub(super) async fn replay(
    client: &Client,
    what: Replay,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if what.ids.is_empty() && what.since.is_none() {
        let message = "what is to be sent again? Name it by its id, or give --since 2h";
        return Err(Failure::new(Exit::Usage, message));
    }
    let (project, receiver) = called(what.receiver, what.project)?;
    let mut opts = ReplayOpts {
        ids: what.ids,
        since: what.since.map(|ago| timestamp(clock::now() - ago)),
        state: what.state.unwrap_or_default(),
        project,
        receiver,
        most: if what.yes { MOST } else { 0 },
        request_id: request_id()?,
    };
    let result = match send(client, &opts).await {
        Err(ClientError::Refused(refusal)) if is_many(&refusal) => {
            let many = refusal.meta.get("deliveries").cloned().unwrap_or_default();
            let question = format!("{many} deliveries would be sent again.");
            if !approved(&question, console).await? {
                let failure = Failure::new(Exit::Declined, "Nothing was sent again.");
                return Err(match console.answers {
                    true => failure,
                    false => failure.hint(format!(
                        "these are {many} deliveries: without a terminal to ask on, --yes is needed"
                    )),
                });
            }
            // Not more than what was agreed to.
            opts.most = many.parse().unwrap_or(MOST);
            send(client, &opts).await?
        }
        other => other?,
    };
    if what.output == TextOutput::Json {
        console.json(&result)?;
        return Ok(Exit::Ok);
    }
    if result.deliveries == 0 {
        writeln!(
            console.words,
            "Nothing is to be sent again: what was sent again counts by how that ended, and left out are \
             tests, what a removed receiver was to get, and alerts of what is so no more."
        )?;
        return Ok(Exit::Ok);
    }
    writeln!(console.out, "{}", words(&result))?;
    for id in result.ids.iter().take(NAMED) {
        writeln!(console.words, "lokahictl webhook deliveries {id}")?;
    }
    Ok(Exit::Ok)
}

/// An answer that did not come is asked for again: the id makes that the same call.
async fn send(client: &Client, opts: &ReplayOpts) -> Result<ReplayResult, ClientError> {
    match client.replay(opts).await {
        Err(error) if error.may_have_happened() => client.replay(opts).await,
        other => other,
    }
}

fn is_many(refusal: &TwirpError) -> bool {
    refusal
        .meta
        .get("reason")
        .is_some_and(|it| it == "too_many")
}

/// `2 events are sent again to 1 receiver`.
fn words(result: &ReplayResult) -> String {
    let count = |n: i32| usize::try_from(n).unwrap_or(0);
    let are = if result.events == 1 { "is" } else { "are" };
    format!(
        "{} {are} sent again to {}: {}",
        counted(count(result.events), "event"),
        counted(count(result.receivers), "receiver"),
        match result.deliveries {
            1 => "1 delivery".to_owned(),
            many => format!("{many} deliveries"),
        }
    )
}
