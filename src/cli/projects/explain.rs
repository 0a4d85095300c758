//! `explain`: why a check is in its state, since when, which line and revision made it so, and
//! who was told.

use time::OffsetDateTime;

use super::planned::revision;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::Explain;
use crate::cli::exit::{Exit, Failure};
use crate::cli::naming;
use crate::cli::output::Console;
use crate::cli::table::{age, printable};
use crate::client::Client;
use crate::clock;
use crate::plan::text::moment;
use crate::plan::wire;
use crate::proto::json::{self, JsonStyle};
use crate::proto::lokahi::{Check, DeliveryStatus, Evidence, Explanation, Told, check};

/// Tells all that is known of one check.
pub(in crate::cli) async fn explain(
    client: &Client,
    what: &Explain,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let id = naming::id(client, &what.id).await?;
    let found = client.explain(&id).await?;
    if what.output == TextOutput::Json {
        writeln!(console.out, "{}", json::to_json(&found, JsonStyle::Cli)?)?;
        return Ok(Exit::Ok);
    }
    console
        .out
        .write_all(text(&found, clock::now()).as_bytes())?;
    Ok(Exit::Ok)
}

fn text(found: &Explanation, now: OffsetDateTime) -> String {
    let status = found.status.clone().unwrap_or_default();
    let check = status.check.clone().unwrap_or_default();
    let mut lines = Vec::new();
    let mut say = |text: String| lines.push(printable(&text));
    say(format!("{}  {}", called(&check), check.url));
    let reason = match check.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let since = age(check.since, now);
    let degraded = if check.degraded { ", degraded" } else { "" };
    say(format!(
        "  is {} since {since}{degraded}{reason}",
        name(check.state())
    ));
    if check.stale {
        say("  nobody has looked at it for two periods: no health worker is there".to_owned());
    }
    if let Some(evidence) = status.evidence.last() {
        say(format!("  seen {}", seen(evidence, now)));
    }
    if !found.file.is_empty() {
        let made = found.generation.as_ref();
        let from = made.and_then(|it| it.revision.as_ref()).map(revision);
        let n = made.map_or(0, |it| it.generation);
        let by = made.map_or("", |it| it.actor.as_str());
        say(format!(
            "  declared at {}:{} of {} since generation {n}, by {by}  {}",
            found.file,
            found.line,
            check.project,
            from.unwrap_or_default()
        ));
    }
    if let Some(drift) = &found.drift {
        let at = drift.at.as_ref().map(|at| moment(wire::moment(at)));
        let at = at.unwrap_or_default();
        say(format!(
            "  ! changed past the files by {} at {at}: {}",
            drift.by, drift.reason
        ));
    }
    match check.receivers.is_empty() && check.webhook_url.is_empty() {
        true => say("  it tells nobody".to_owned()),
        false => {
            let bare = Some(check.webhook_url.clone()).filter(|url| !url.is_empty());
            let all: Vec<String> = check.receivers.iter().cloned().chain(bare).collect();
            say(format!("  it tells {}", all.join(", ")));
        }
    }
    for told in &found.told {
        say(transition(told));
        for delivery in &told.deliveries {
            say(format!("      {}", told_of(delivery)));
        }
    }
    lines.join("\n") + "\n"
}

fn called(check: &Check) -> String {
    match check.name.as_str() {
        "" => check.id.clone(),
        name => format!("{}/{name}", check.project),
    }
}

fn name(state: check::State) -> &'static str {
    state.as_str_name()
}

fn seen(evidence: &Evidence, now: OffsetDateTime) -> String {
    let mut text = format!(
        "{} ago from {}",
        age(evidence.scheduled_at, now),
        evidence.location
    );
    for (what, value) in [
        ("outcome", &evidence.outcome),
        ("class", &evidence.error_class),
        ("address", &evidence.address),
    ] {
        if !value.is_empty() {
            text.push_str(&format!(", {what} {value}"));
        }
    }
    match evidence.detail.as_str() {
        "" => text,
        detail => format!("{text}: {detail}"),
    }
}

fn transition(told: &Told) -> String {
    let at = told.at.as_ref().map(|at| moment(wire::moment(at)));
    let sha: String = told.revision.chars().take(7).collect();
    let what = match (told.r#type.as_str(), told.resolved) {
        ("check.degraded", false) => "DEGRADED".to_owned(),
        ("check.degraded", true) => "no longer DEGRADED".to_owned(),
        _ => format!("{} -> {}", name(told.previous()), name(told.next())),
    };
    format!(
        "  {} {what}  event {} {sha}",
        at.unwrap_or_default(),
        told.event_id,
    )
    .trim_end()
    .to_owned()
}

fn told_of(delivery: &DeliveryStatus) -> String {
    let times = match delivery.attempts {
        1 => "1 attempt".to_owned(),
        n => format!("{n} attempts"),
    };
    let why = match delivery.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!(
        "{} {} after {times}{why}",
        delivery.receiver, delivery.state
    )
}
