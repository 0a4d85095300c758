//! How projects stand, their generations, and what people say about their reconcilers.

use time::OffsetDateTime;

use super::planned::revision;
use crate::cli::arguments::ListOutput;
use crate::cli::arguments::projects::{Approve, History, Status, Suspend};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::cli::table::{age, printable, table};
use crate::cli::{history, naming};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::model::id::CheckId;
use crate::plan::text::{counted, moment, past_the_files};
use crate::proto::json::{self, JsonStyle};
use crate::proto::lokahi::{
    ApproveRequest, Condition, Generation, HistoryRequest, HistoryResult, ProjectRequest,
    ProjectStatus, ProjectsRequest, SuspendRequest,
};
use crate::proto::moment::time_of;
use crate::proto::twirp::Code;

/// The condition that no probes come from a location.
const STALE: &str = "Stale";
/// How many generations are listed.
const GENERATIONS: i32 = 30;

/// How one project stands, or every one.
pub(in crate::cli) async fn status(
    client: &Client,
    what: &Status,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let asked = ProjectsRequest {
        project: what.project.clone().unwrap_or_default(),
        brief: false,
    };
    let found = client.projects(&asked).await?;
    if form(what.output, console) == ListOutput::Json {
        writeln!(console.out, "{}", json::to_json(&found, JsonStyle::Cli)?)?;
        return Ok(Exit::Ok);
    }
    if found.projects.is_empty() {
        writeln!(console.words, "no project was applied yet: lokahictl apply")?;
    }
    let now = clock::now();
    for (number, project) in found.projects.iter().enumerate() {
        if number > 0 {
            writeln!(console.out)?;
        }
        console.out.write_all(standing(project, now).as_bytes())?;
    }
    Ok(Exit::Ok)
}

fn standing(project: &ProjectStatus, now: OffsetDateTime) -> String {
    let mut lines = vec![format!("{}", project.project)];
    let mut line = |name: &str, text: String| {
        lines.push(format!("  {name:<12} {}", printable(&text)));
    };
    let from = project.revision.as_ref().map(revision).unwrap_or_default();
    let applied = match project.generation {
        0 => "0: nothing was applied yet".to_owned(),
        n => {
            let by = &project.applied_by;
            let ago = age(project.applied_at, now);
            format!("{n}, applied by {by} {ago} ago  {from}")
                .trim_end()
                .to_owned()
        }
    };
    line("generation", applied);
    let n = |n: i32| usize::try_from(n).unwrap_or(0);
    let (checks, webhooks) = (n(project.checks), n(project.webhooks));
    let (up, down, disabled) = (project.up, project.down, project.disabled);
    let new = match project.checks - up - down - disabled {
        new @ 1.. => format!("{new} not probed yet, "),
        _ => String::new(),
    };
    let unknown = match project.unknown {
        0 => String::new(),
        n => format!("; of {n} nothing is known now"),
    };
    let mut conditions = project.conditions.iter();
    let stale = conditions.find(|it| it.r#type == STALE && it.status);
    let old = stale.map_or(String::new(), |stale| {
        format!("; some of that is old, since {}", age(stale.since, now))
    });
    line(
        "declares",
        format!(
            "{} ({up} up, {down} down, {new}{disabled} disabled{unknown}{old}), {}",
            counted(checks, "check"),
            counted(webhooks, "webhook")
        ),
    );
    let (paused, muted) = (project.paused, project.muted);
    if paused + muted > 0 {
        line("set on them", format!("{paused} paused, {muted} muted"));
    }
    if project.drifted > 0 {
        let deleted = project.drifted_deleted;
        let of = |count: i32, what: &str| match n(count) {
            0 => None,
            n => Some(past_the_files(n, what)),
        };
        let all = [
            of(project.drifted - deleted, "changed"),
            of(deleted, "deleted"),
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        line("drift", all.join(", "));
    }
    let limits = limits(project).map(|(name, limit)| format!("{name} = {limit}"));
    let limits: Vec<String> = limits.collect();
    if !limits.is_empty() {
        line("limits", limits.join(", "));
    }
    if !project.operators.is_empty() {
        line("operators", project.operators.join(", "));
    }
    if !project.reconciler.is_empty() {
        let observes = match project.observed {
            true => " (it observes, and applies nothing)",
            false => "",
        };
        line("reconciler", format!("{}{observes}", project.reconciler));
    }
    if let Some(suspended) = &project.suspended {
        let ago = age(suspended.since, now);
        let (by, why) = (&suspended.by, &suspended.reason);
        line("suspended", format!("since {ago}, by {by}: {why}"));
    }
    if !project.approved_by.is_empty() {
        let by = &project.approved_by;
        line("approved", format!("by {by}: the next round does it"));
    }
    if let Some(suspect) = &project.suspect {
        let (ago, n) = (age(suspect.since, now), suspect.generation);
        let (failed, changed, down) = (suspect.failed, suspect.changed, suspect.down);
        line(
            "suspect",
            format!(
                "generation {n}, since {ago}: {failed} of {changed} changed checks failed, {down} are down"
            ),
        );
        let until = suspect.until.as_ref().map(|at| moment(time_of(at)));
        let (name, until) = (&project.project, until.unwrap_or_default());
        let before = n - 1;
        line(
            "",
            format!("what they would tell is held until {until}, or lokahictl approve {name}"),
        );
        line(
            "",
            format!("to undo the change: lokahictl rollback {name} {before}"),
        );
    }
    for condition in &project.conditions {
        if shown(condition) {
            let since = match condition.since {
                None => String::new(),
                since => format!(", since {}", age(since, now)),
            };
            let status = if condition.status { "yes" } else { "no" };
            let reason = &condition.reason;
            line(&condition.r#type, format!("{status}{since}: {reason}"));
            let message = condition.message.trim_end();
            let held = !condition.digest.is_empty();
            if held {
                line("", format!("digest {}", condition.digest));
            }
            let repeated = condition.r#type == "Ready" && reason == "Held";
            for text in message.lines().filter(|_| !repeated) {
                line("", text.to_owned());
            }
        }
    }
    lines.join("\n") + "\n"
}

/// The limits of the guards that the root gives, by attribute.
pub(super) fn limits(project: &ProjectStatus) -> impl Iterator<Item = (&'static str, u32)> {
    let all = [
        ("max_deletes", project.max_deletes),
        ("max_silence", project.max_silence),
        ("max_changes", project.max_changes),
    ];
    all.into_iter()
        .filter_map(|(name, limit)| Some((name, limit?)))
}

/// What is as it should be needs no line, but that it is ready.
fn shown(condition: &Condition) -> bool {
    condition.status || condition.r#type == "Ready"
}

/// A project's generations, newest first; or what the probes of a check came to.
pub(in crate::cli) async fn history(
    client: &Client,
    what: &History,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let as_text = form(what.output, console) == ListOutput::Table;
    let a_check = what.since.is_some() || what.exact || what.name.contains('/');
    if !a_check && what.name.parse::<CheckId>().is_err() {
        let asked = HistoryRequest {
            project: what.name.clone(),
            count: what.count.unwrap_or(GENERATIONS),
            before: 0,
        };
        match client.history(&asked).await {
            Err(ClientError::Refused(refusal)) if refusal.code == Code::NotFound => {}
            found => {
                generations(&found?, as_text, console)?;
                return Ok(Exit::Ok);
            }
        }
    }
    let id = naming::id(client, &what.name).await.map_err(|failure| {
        match a_check || !failure.message.starts_with("not_found") {
            true => failure,
            false => {
                let message = format!(
                    "not_found: there is no project and no check {:?}",
                    what.name
                );
                Failure::new(failure.exit, message).hint("lokahictl status and list show names")
            }
        }
    })?;
    history::check(client, id, what, as_text, console).await?;
    Ok(Exit::Ok)
}

fn generations(
    found: &HistoryResult,
    as_text: bool,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    if !as_text {
        return console.json(found);
    }
    let heading = ["GENERATION", "KIND", "AT", "BY", "REVISION", "CHANGES"];
    let rows = found.generations.iter().map(row);
    let rows: Vec<Vec<String>> = rows.collect();
    console.out.write_all(table(&heading, &rows).as_bytes())?;
    Ok(())
}

fn row(generation: &Generation) -> Vec<String> {
    let summary = generation.summary.unwrap_or_default();
    let mut changes = format!(
        "+{} ~{} -{}",
        summary.create + summary.revive,
        summary.update,
        summary.delete
    );
    for (count, what) in [
        (summary.rename, "renamed"),
        (summary.adopt, "adopted"),
        (summary.release, "released"),
        (summary.drifted, "changed or deleted past the files before"),
    ] {
        if count > 0 {
            changes.push_str(&format!(", {count} {what}"));
        }
    }
    vec![
        generation.generation.to_string(),
        generation.kind.clone(),
        generation
            .at
            .as_ref()
            .map(|at| moment(time_of(at)))
            .unwrap_or_default(),
        generation.actor.clone(),
        generation
            .revision
            .as_ref()
            .map(revision)
            .unwrap_or_default(),
        changes,
    ]
}

/// Stops a project's reconciler.
pub(in crate::cli) async fn suspend(
    client: &Client,
    what: &Suspend,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let asked = SuspendRequest {
        project: what.project.clone(),
        reason: what.reason.clone(),
    };
    let project = client.suspend(&asked).await?;
    told(&project, console)?;
    if let Some(first) = &project.suspended
        && first.reason != asked.reason
    {
        let name = &project.project;
        writeln!(
            console.words,
            "It was suspended before, and stays so for that reason. To give another one: \
             lokahictl resume {name}, and suspend it again."
        )?;
    }
    if project.reconciler.is_empty() {
        let name = &project.project;
        writeln!(
            console.words,
            "No lokahid reconciles {name} now: this stops one that begins to, and no \
             lokahictl apply. lokahictl resume {name} ends it."
        )?;
    }
    Ok(Exit::Ok)
}

/// Lets it go on.
pub(in crate::cli) async fn resume(
    client: &Client,
    project: String,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let done = client.resume(&ProjectRequest { project }).await?;
    let name = &done.project;
    match done.reconciler.as_str() {
        "" => {
            told(&done, console)?;
            writeln!(
                console.words,
                "Resumed, and no lokahid reconciles {name} now: the next one that begins to goes on."
            )?;
        }
        owner => looks(console, "Resumed: the", owner, name)?,
    }
    Ok(Exit::Ok)
}

/// What the status says is from before: the round that comes is what counts.
fn looks(console: &mut Console<'_>, what: &str, owner: &str, name: &str) -> Result<(), Failure> {
    writeln!(
        console.words,
        "{what} reconciler of {owner} looks at {name} now. What comes of it: lokahictl status {name}"
    )?;
    Ok(())
}

/// Makes it look now.
pub(in crate::cli) async fn reconcile(
    client: &Client,
    project: String,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let done = client.reconcile(&ProjectRequest { project }).await?;
    match &done.suspended {
        Some(_) => told(&done, console)?,
        None => looks(console, "The", &done.reconciler, &done.project)?,
    }
    Ok(Exit::Ok)
}

/// Lets it do what it holds.
pub(in crate::cli) async fn approve(
    client: &Client,
    what: &Approve,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let project = what.project.clone();
    let asked = ProjectsRequest {
        project: project.clone(),
        brief: true,
    };
    let found = client.projects(&asked).await?.projects.into_iter().next();
    let suspect = found.as_ref().and_then(|project| project.suspect.clone());
    if let (Some(suspect), None) = (suspect, &what.digest) {
        return release(client, project, suspect.generation, console).await;
    }
    let conditions = found.map(|project| project.conditions).unwrap_or_default();
    let held = conditions
        .into_iter()
        .find(|it| it.r#type == "Held" && it.status);
    let digest = held.map(|condition| condition.digest).unwrap_or_default();
    if let Some(wanted) = &what.digest
        && !digest.starts_with(&wanted.to_lowercase())
    {
        let message = format!("what is held of {project} has another digest");
        return Err(Failure::new(Exit::Stale, message).hint(format!(
            "lokahictl status {project} shows it; look at it again"
        )));
    }
    let asked = ApproveRequest {
        project,
        digest,
        suspect: 0,
    };
    let done = client.approve(&asked).await?;
    if done.suspended.is_some() || done.reconciler.is_empty() {
        told(&done, console)?;
    }
    let name = &done.project;
    let words = match (&done.suspended, done.reconciler.as_str()) {
        (Some(_), _) => format!(
            "Approved, and {name} is suspended: its reconciler does it after lokahictl resume {name}."
        ),
        (None, "") => format!(
            "Approved, and no lokahid reconciles {name} now: the next one that begins to does it."
        ),
        (None, owner) => format!(
            "Approved: the reconciler of {owner} does exactly this in its next round, which begins \
             now; what a folder lost less than 10 s ago waits for that long. If the files say \
             something else by then, that is held anew. lokahictl status {name} shows it."
        ),
    };
    writeln!(console.words, "{words}")?;
    Ok(Exit::Ok)
}

/// Has the checks of a suspect generation tell what they have to.
async fn release(
    client: &Client,
    project: String,
    suspect: i64,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let asked = ApproveRequest {
        project,
        digest: String::new(),
        suspect,
    };
    let done = client.approve(&asked).await?;
    writeln!(
        console.words,
        "Approved: what the checks that generation {suspect} changed have to tell is sent now."
    )?;
    let mut conditions = done.conditions.iter();
    if conditions.any(|it| it.r#type == "Held" && it.status) {
        let name = &done.project;
        writeln!(
            console.words,
            "What its reconciler holds waits still: lokahictl approve {name} again, for that."
        )?;
    }
    Ok(Exit::Ok)
}

fn told(project: &ProjectStatus, console: &mut Console<'_>) -> Result<(), Failure> {
    console
        .out
        .write_all(standing(project, clock::now()).as_bytes())?;
    Ok(())
}

fn form(output: Option<ListOutput>, console: &Console<'_>) -> ListOutput {
    output.unwrap_or(match console.out_is_terminal {
        true => ListOutput::Table,
        false => ListOutput::Json,
    })
}
