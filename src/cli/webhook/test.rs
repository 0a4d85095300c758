//! `webhook test`: a receiver is sent an event as any other is, and what it answers is shown.

use std::time::Duration;

use clap::Args;

use super::receivers::{self, Called, called};
use super::{answer, request_id};
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::overlay::lasting;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::cli::table::printable;
use crate::client::Client;
use crate::clock;
use crate::proto::lokahi::{DeliveriesOpts, Delivery, DeliveryAttempt, TestOpts};
use crate::proto::moment::time_of;

/// How often it is asked how it went.
const ASK: Duration = Duration::from_millis(200);
/// Among how many that wait others for the same host are looked for: as many as a page has.
const MANY: i32 = 1_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The receiver, by its name, PROJECT/NAME, or its id
    #[arg(value_name = "NAME")]
    name: Called,
    /// Its project, where several have a receiver of that name
    #[arg(long)]
    project: Option<String>,
    /// How long to wait for the outcome
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = lasting)]
    timeout: Duration,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOutput,
}

pub(super) async fn test(
    client: &Client,
    what: Test,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let (project, receiver) = called(Some(what.name), what.project)?;
    let opts = TestOpts {
        project,
        receiver,
        request_id: request_id()?,
    };
    let mut sent = match client.receiver_test(&opts).await {
        Err(error) if error.may_have_happened() => client.receiver_test(&opts).await?,
        other => other?,
    };
    let name = receivers::receiver(&sent.project, &sent.receiver);
    writeln!(
        console.words,
        "A test for {name} at {} is on its way, with the webhook-id {}.",
        sent.host, sent.event_id
    )?;
    let asked = DeliveriesOpts {
        ids: vec![sent.id.clone()],
        attempts: true,
        ..DeliveriesOpts::default()
    };
    let started = clock::monotonic();
    while sent.state == "pending" && started.elapsed() < what.timeout {
        tokio::time::sleep(ASK).await;
        let page = client.deliveries(&asked).await?;
        sent = page.deliveries.into_iter().next().unwrap_or(sent);
    }
    if what.output == TextOutput::Json {
        console.json(&sent)?;
    }
    let came = printable(&outcome(&sent));
    match sent.state.as_str() {
        "delivered" => {
            if what.output == TextOutput::Human {
                writeln!(console.out, "{name} took it: {came}")?;
                excerpt(&sent, console)?;
            }
            Ok(Exit::Ok)
        }
        "pending" => Err(waits(client, &sent, &name, what.timeout).await?),
        _ => {
            if what.output == TextOutput::Human {
                excerpt(&sent, console)?;
            }
            let message = match sent.status {
                // Whether it has got it nobody knows.
                0 => format!("the test for {name} failed: {came}"),
                _ => format!("{name} did not take it: {came}"),
            };
            Err(Failure::new(Exit::Refused, message))
        }
    }
}

/// `it answered 200 after 12 ms; signed`.
fn outcome(sent: &Delivery) -> String {
    let signed = match (sent.status, sent.signed) {
        // Who knows whether it went out.
        (0, _) => "",
        (_, true) => "; signed",
        (_, false) => "; not signed",
    };
    let Some(last) = sent.tried.last() else {
        return match sent.reason.as_str() {
            "" => "nothing was tried".to_owned(),
            reason => reason.to_owned(),
        };
    };
    let answer = answer(last.status, &last.error);
    match took(last) {
        Some(took) => format!("{answer}, after {} ms{signed}", took.whole_milliseconds()),
        None => format!("{answer}{signed}"),
    }
}

fn took(attempt: &DeliveryAttempt) -> Option<time::Duration> {
    let (started, finished) = (&attempt.started_at, &attempt.finished_at);
    Some(time_of(finished.as_ref()?) - time_of(started.as_ref()?))
}

/// The beginning of what it answered.
fn excerpt(sent: &Delivery, console: &mut Console<'_>) -> Result<(), Failure> {
    let lines = sent.excerpt.lines().take(10);
    for line in lines.filter(|line| !line.trim().is_empty()) {
        writeln!(console.out, "  {}", printable(line))?;
    }
    Ok(())
}

/// Why there is no outcome yet.
async fn waits(
    client: &Client,
    sent: &Delivery,
    name: &str,
    patience: Duration,
) -> Result<Failure, Failure> {
    let (id, host) = (&sent.id, &sent.host);
    let look = format!("lokahictl webhook deliveries {id} says how it goes on");
    if sent.attempts > 0 {
        let message = format!("{name} has not answered within {patience:?}");
        return Ok(Failure::new(Exit::Refused, message).hint(look));
    }
    let message = format!("nobody has sent it to {name} within {patience:?}");
    let pending = DeliveriesOpts {
        state: "pending".to_owned(),
        count: MANY,
        ..DeliveriesOpts::default()
    };
    let pending = client.deliveries(&pending).await?.deliveries;
    let others = pending.iter().any(|it| it.id != *id && it.host == *host);
    let hint = match others {
        true => format!(
            "more waits for {host}: it is busy, or no webhookworker runs. lokahictl webhook \
             deliveries --state pending shows what waits; {look}"
        ),
        false => format!("does a webhookworker run? It is sent when one does; {look}"),
    };
    Ok(Failure::new(Exit::Server, message).hint(hint))
}
