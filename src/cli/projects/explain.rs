//! `explain`: why a check is in its state, since when, which line and revision made it so, and
//! who was told.

use time::OffsetDateTime;

use super::planned::revision;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::Explain;
use crate::cli::exit::{Exit, Failure};
use crate::cli::naming;
use crate::cli::output::Console;
use crate::cli::overlay::words;
use crate::cli::table::{age, printable};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::model::ownership::Owner;
use crate::model::quoted::shell;
use crate::plan::text::moment;
use crate::proto::json::{self, JsonStyle};
use crate::proto::lokahi::{Check, Deleted, DeliveryStatus, Evidence, Explanation, Told, check};
use crate::proto::moment::time_of;
use crate::proto::twirp::Code;

/// Tells all that is known of one check.
pub(in crate::cli) async fn explain(
    client: &Client,
    what: &Explain,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let found = match naming::id(client, &what.id).await {
        Ok(id) => client.explain(&id).await?,
        // One that was deleted has no name any more that a list would know.
        Err(failure) if failure.message.starts_with("not_found") => {
            match client.explain(&what.id).await {
                Err(ClientError::Refused(refusal)) if refusal.code == Code::NotFound => {
                    return Err(failure);
                }
                found => found?,
            }
        }
        Err(failure) => return Err(failure),
    };
    if what.output == TextOutput::Json {
        writeln!(console.out, "{}", json::to_json(&found, JsonStyle::Cli)?)?;
        return Ok(Exit::Ok);
    }
    console
        .out
        .write_all(text(&found, &what.id, clock::now()).as_bytes())?;
    Ok(Exit::Ok)
}

fn text(found: &Explanation, asked: &str, now: OffsetDateTime) -> String {
    let status = found.status.clone().unwrap_or_default();
    let check = status.check.clone().unwrap_or_default();
    let mut lines = Vec::new();
    let mut say = |text: String| lines.push(printable(&text));
    say(format!("{}  {}", called(&check), check.url));
    if let Some(deleted) = &found.deleted {
        ended(deleted, &check).into_iter().for_each(&mut say);
        past(&found.told, &mut say);
        return lines.join("\n") + "\n";
    }
    let asked = asked.split_once('/').map_or(asked, |(_, name)| name);
    if asked != check.id && asked != check.name {
        say(format!("  was called {asked} before"));
    }
    let namesake = &found.deleted_namesake;
    if !namesake.is_empty() {
        say(format!(
            "  another check was called {asked} and is deleted: lokahictl explain {namesake}"
        ));
    }
    let up = check.state() == check::State::Up && !check.degraded;
    let reason = match check.reason.as_str() {
        "" => String::new(),
        // What could not look is shown below.
        _ if up && !check.unknown.is_empty() => String::new(),
        // It takes more than one to believe it.
        reason if up => format!("; its newest probe: {reason}"),
        reason => format!(": {reason}"),
    };
    let since = age(check.since, now);
    let degraded = if check.degraded { ", degraded" } else { "" };
    let flapping = if check.flapping { ", flapping" } else { "" };
    match (check.disabled, &check.paused) {
        (true, _) => say("  is DISABLED: nobody probes it".to_owned()),
        (false, Some(_)) => say("  is PAUSED: nobody probes it for now".to_owned()),
        (false, None) => say(format!(
            "  is {} since {since}{degraded}{flapping}{reason}",
            name(check.state())
        )),
    }
    if check.state() == check::State::Init
        && !check.disabled
        && check.paused.is_none()
        && status.evidence.is_empty()
    {
        say("  nobody has looked at it yet: it is new, or no health worker is there".to_owned());
    }
    if !found.locations.is_empty() {
        say(format!("  is probed from {}", found.locations.join(", ")));
    }
    for text in words::all(&check, now) {
        say(format!("  {text}"));
    }
    if let Some(by) = &check.suppressed {
        let (by, since) = (&by.by, age(by.since, now));
        say(format!("  suppressed by {by}, which is down since {since}"));
    }
    if check.stale {
        say("  nobody has looked at it for two periods: no health worker is there".to_owned());
    }
    if let [first, ..] = found.silent_locations.as_slice() {
        let (silent, distinct) = (found.silent_locations.join(", "), found.distinct);
        say(format!(
            "  cannot go down: {distinct} locations must see it fail, and from {silent} nothing \
             comes. Does a healthworker run with LOCATION={first}, and reach NATS?"
        ));
    }
    let evidence = status.evidence.iter().rev();
    let is_rested = check.disabled || check.paused.is_some();
    let unknown = evidence.clone().find(|seen| seen.outcome == "unknown");
    if let Some(unknown) = unknown.filter(|_| !check.unknown.is_empty() && !is_rested) {
        say(format!(
            "  nothing is known of it now: seen {}",
            seen(unknown, now)
        ));
    }
    if up || is_rested {
        // What is of use of a check that is up, or that nobody probes, is how it failed last.
        let is_failure = |seen: &&Evidence| !matches!(seen.outcome.as_str(), "up" | "unknown");
        if let Some(failure) = evidence.clone().find(is_failure) {
            let (last, failure) = (age(check.last_probe, now), seen(failure, now));
            say(format!(
                "  probed {last} ago; the last failure was seen {failure}"
            ));
        }
    } else if let Some(newest) = evidence
        .clone()
        .find(|seen| seen.outcome != "unknown" || check.unknown.is_empty())
    {
        say(format!("  seen {}", seen(newest, now)));
    }
    if !found.file.is_empty() {
        let made = found.generation.as_ref();
        let from = made.and_then(|it| it.revision.as_ref()).map(revision);
        let n = made.map_or(0, |it| it.generation);
        let by = made.map_or("", |it| it.actor.as_str());
        let line = format!(
            "  declared at {}:{} of {} since generation {n}, by {by}  {}",
            found.file,
            found.line,
            check.project,
            from.unwrap_or_default()
        );
        say(line.trim_end().to_owned());
    }
    if let Some(drift) = &found.drift {
        let at = drift.at.as_ref().map(|at| moment(time_of(at)));
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
    past(&found.told, &mut say);
    lines.join("\n") + "\n"
}

/// Who was told of what.
fn past(told: &[Told], say: &mut impl FnMut(String)) {
    for told in told {
        say(transition(told));
        for delivery in &told.deliveries {
            say(format!("      {}", told_of(delivery)));
        }
        if told.r#type == "check.reminder" && told.deliveries.is_empty() {
            say("      told to nobody: somebody works on it, or it has no receiver".to_owned());
        }
    }
}

/// Who deleted it, when and why, and how it comes back.
fn ended(deleted: &Deleted, check: &Check) -> Vec<String> {
    let at = |at: &Option<prost_types::Timestamp>| at.as_ref().map(time_of).map(moment);
    let when = at(&deleted.at).unwrap_or_default();
    let by = match deleted.by.as_str() {
        "" => String::new(),
        by => format!(" by {by}"),
    };
    let why = match deleted.reason.as_str() {
        "" => String::new(),
        reason => format!(", because: {reason}"),
    };
    let is_declared = check.owner == Owner::Declared.name();
    let how = match &deleted.generation {
        Some(made) => {
            let n = made.generation;
            let from = made.revision.as_ref().map(revision).unwrap_or_default();
            format!("with generation {n} of {}{by}  {from}", check.project)
        }
        None if is_declared => format!("past the files{by}{why}"),
        None => format!("over the API{by}{why}"),
    };
    let first = format!("  was deleted at {when} {how}");
    let Some(until) = at(&deleted.restorable_until) else {
        let last = "  it cannot be brought back any more; the id of its history is";
        return vec![first.trim_end().to_owned(), format!("{last} {}", check.id)];
    };
    let project = &check.project;
    let name = match is_declared {
        true => shell(&check.name),
        false => check.id.clone(),
    };
    let mut command = format!("lokahictl restore {project} {name}");
    let declared = match deleted.name_taken_by.as_str() {
        "" if is_declared => ", or an apply of files that declare it",
        "" => "",
        _ => {
            command.push_str(" --as NAME");
            ""
        }
    };
    let mut all = vec![
        first.trim_end().to_owned(),
        format!("  until {until} it comes back, with its history, by: {command}{declared}"),
    ];
    if !deleted.name_taken_by.is_empty() {
        let other = &deleted.name_taken_by;
        all.push(format!("  its name has another check by now, {other}"));
    }
    all
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
    let at = told.at.as_ref().map(|at| moment(time_of(at)));
    let sha: String = told.revision.chars().take(7).collect();
    let what = match (told.r#type.as_str(), told.resolved) {
        ("check.degraded", false) => "DEGRADED".to_owned(),
        ("check.degraded", true) => "no longer DEGRADED".to_owned(),
        ("check.deleted", _) => format!("{} -> deleted", name(told.previous())),
        ("check.flapping", false) => format!("FLAPPING, {} now", name(told.next())),
        ("check.flapping", true) => format!("no longer FLAPPING, {}", name(told.next())),
        ("check.reminder", _) => format!("still {}", name(told.next())),
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
    let (receiver, state) = (&delivery.receiver, &delivery.state);
    match state.as_str() {
        "held" => format!("{receiver} not told yet{why}"),
        "superseded" if !delivery.superseded_by.is_empty() => format!(
            "{receiver}{why}: {}, {}",
            delivery.superseded_by, delivery.superseded_state
        ),
        "superseded" => format!("{receiver} not told{why}"),
        state => format!("{receiver} {state} after {times}{why}"),
    }
}
