//! The original's commands on checks.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::arguments::{
    Clear, Create, Delete, Down, Filter, Format, List, ListOutput, Put, StateName,
};
use super::exit::{Exit, Failure};
use super::output::Console;
use super::{naming, table};
use crate::client::Client;
use crate::clock;
use crate::model::ownership::Owner;
use crate::model::quoted::shell;
use crate::proto::lokahi::check::State;
use crate::proto::lokahi::{
    Check, CheckId, ChecksPage, CreateOpts, ListOpts, ProjectsRequest, WebhookFormat,
};

/// How many `down` and a table show: as many as the server gives.
const MOST: i32 = 10_000;
/// How many JSON holds, as the original's did.
const PAGE: i32 = 30;

/// More than the server takes of a block, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The format's number on the wire.
pub(super) fn format_number(format: Option<Format>) -> i32 {
    match format {
        None | Some(Format::Protobuf) => WebhookFormat::Protobuf.into(),
        Some(Format::Json) => WebhookFormat::Json.into(),
        Some(Format::Alertmanager) => WebhookFormat::Alertmanager.into(),
    }
}

/// What a file says, or standard input.
fn block(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => {
            let input = io::stdin().lock();
            input.take(LONGEST).read_to_string(&mut text)
        }
        _ => File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text)),
    };
    read.map_err(|error| {
        let message = format!("cannot read {}: {error}", file.display());
        Failure::new(Exit::Refused, message)
    })?;
    match text.trim().is_empty() {
        true => {
            let message = format!("{} is empty: write a `check` block", file.display());
            Err(Failure::new(Exit::Refused, message))
        }
        false => Ok(text),
    }
}

pub(super) async fn create(
    client: &Client,
    what: Create,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let opts = match &what.file {
        Some(file) => CreateOpts {
            hcl: block(file)?,
            ..CreateOpts::default()
        },
        None => CreateOpts {
            url: what.url,
            webhook_url: what.webhook_url,
            every: what.every,
            playbook_url: what.playbook_url,
            webhook_format: format_number(what.webhook_format),
            name: what.name,
            ..CreateOpts::default()
        },
    };
    let made = client.create(&opts).await?;
    // What was asked for, and the id; `get` shows everything.
    console.json(&Check {
        id: made.id,
        url: made.url,
        webhook_url: made.webhook_url,
        every: made.every,
        playbook_url: made.playbook_url,
        webhook_format: made.webhook_format,
        name: made.name,
        ..Check::default()
    })?;
    Ok(Exit::Ok)
}

pub(super) async fn get(
    client: &Client,
    id: &str,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let id = naming::id(client, id).await?;
    console.json(&client.get(&id).await?)?;
    Ok(Exit::Ok)
}

/// Deletes each that can be deleted; the last failure decides how it ends.
pub(super) async fn delete(
    client: &Client,
    what: Delete,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Ok;
    for name in what.ids {
        let wanted = async {
            Ok::<_, Failure>(CheckId {
                id: naming::id(client, &name).await?,
                force: what.force.force,
                reason: what.force.reason.clone().unwrap_or_default(),
                ..CheckId::default()
            })
        };
        let deleted = async { Ok::<_, Failure>(client.delete(&wanted.await?).await?) };
        match deleted.await {
            Ok(check) => {
                console.json(&check)?;
                if check.owner == Owner::Declared.name() {
                    let name = format!("{}/{}", check.project, check.name);
                    let when = match reconciler(client, &check.project).await {
                        None => "the next apply of them brings it back".to_owned(),
                        Some(owner) => format!(
                            "the next round of the reconciler of {owner} brings it back where \
                             SELF_HEAL=restore is set there, else only lokahictl restore {} {}",
                            check.project,
                            shell(&check.name)
                        ),
                    };
                    writeln!(
                        console.words,
                        "Files declare {name} still: {when}. To keep it away, take its block out \
                         of them."
                    )?;
                }
            }
            Err(failure) => exit = failure.report(console.words),
        }
    }
    Ok(exit)
}

pub(super) async fn put(
    client: &Client,
    what: Put,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let mut fields: Vec<&str> = Vec::new();
    for (field, is_given) in [
        ("url", what.url.is_some()),
        ("webhook_url", what.webhook_url.is_some()),
        ("every", what.every.is_some()),
        ("playbook_url", what.playbook_url.is_some()),
        ("webhook_format", what.webhook_format.is_some()),
        ("disabled", what.enable || what.disable),
    ] {
        if is_given {
            fields.push(field);
        }
    }
    // A zero value is said by a mask only.
    let says_zero = what.enable || what.webhook_format == Some(Format::Protobuf);
    let masked = says_zero || !what.clear.is_empty();
    fields.extend(what.clear.iter().flat_map(|field| match field {
        // A format means nothing without a URL.
        Clear::WebhookUrl => &["webhook_url", "webhook_format"][..],
        Clear::PlaybookUrl => &["playbook_url"],
    }));
    let put = Check {
        id: naming::id(client, &what.id).await?,
        url: what.url.unwrap_or_default(),
        webhook_url: what.webhook_url.unwrap_or_default(),
        every: what.every.unwrap_or_default(),
        playbook_url: what.playbook_url.unwrap_or_default(),
        webhook_format: format_number(what.webhook_format),
        disabled: what.disable,
        hcl: match &what.file {
            Some(file) => block(file)?,
            None => String::new(),
        },
        expected_version: what.expected_version,
        update_mask: match masked {
            true => fields.into_iter().map(str::to_owned).collect(),
            false => Vec::new(),
        },
        force: what.force.force,
        force_reason: what.force.reason.unwrap_or_default(),
        ..Check::default()
    };
    let check = client.put(&put).await?;
    console.json(&check)?;
    if check.owner == Owner::Declared.name() {
        let name = format!("{}/{}", check.project, check.name);
        let when = match reconciler(client, &check.project).await {
            None => "the next apply of them undoes what is otherwise in them".to_owned(),
            Some(owner) => format!(
                "the next round of the reconciler of {owner} undoes what is otherwise in them \
                 where SELF_HEAL=restore is set there; else it stays until they say something new \
                 of the check. lokahictl suspend {} --reason WHY stops that reconciler",
                check.project
            ),
        };
        writeln!(
            console.words,
            "Files declare {name}: {when}. lokahictl export --drift {} prints the block that keeps it.",
            shell(&name)
        )?;
    }
    Ok(Exit::Ok)
}

/// The reconciler that applies this project, if one does. Whoever may not know is told what is
/// so without one.
async fn reconciler(client: &Client, project: &str) -> Option<String> {
    let asked = ProjectsRequest {
        project: project.to_owned(),
        brief: true,
    };
    let found = client.projects(&asked).await.ok()?.projects.into_iter();
    let mut acting = found.filter(|it| !it.observed && it.suspended.is_none());
    let owner = acting.next()?.reconciler;
    Some(owner).filter(|owner| !owner.is_empty())
}

pub(super) async fn list(
    client: &Client,
    what: List,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let states = what.states.iter().map(|state| match state {
        StateName::Init => State::Init,
        StateName::Up => State::Up,
        StateName::Down => State::Down,
        StateName::Error => State::Error,
    });
    let output = chosen(what.output, console);
    let count = what.count.unwrap_or(match output {
        ListOutput::Table => MOST,
        ListOutput::Json => PAGE,
    });
    // One more than is shown tells that there are more.
    let more = output == ListOutput::Table && (1..MOST).contains(&count);
    let mut page = client
        .list(&ListOpts {
            count: count + i32::from(more),
            offset: what.offset,
            include_status: what.status,
            states: states.map(i32::from).collect(),
            ..filtered(what.filter)
        })
        .await?;
    let shown = usize::try_from(count).unwrap_or(0);
    let cut = more && page.results.len() > shown;
    page.results.truncate(if more { shown } else { usize::MAX });
    show(&page, what.status, output, console)?;
    if cut {
        let next = what.offset.saturating_add(count);
        let words = format!("{count} shown, there are more: -c N shows N, -o {next} goes on");
        writeln!(console.words, "{words}")?;
    }
    Ok(Exit::Ok)
}

pub(super) async fn down(
    client: &Client,
    what: Down,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let page = client
        .list(&ListOpts {
            count: MOST,
            include_status: true,
            states: vec![State::Down.into(), State::Error.into()],
            ..filtered(what.filter)
        })
        .await?;
    let output = chosen(what.output, console);
    if page.results.is_empty() && console.out_is_terminal {
        warn(&page, console)?;
        writeln!(console.words, "Nothing is down.")?;
        note(&page, console)?;
        return Ok(Exit::Ok);
    }
    show(&page, true, output, console)
}

pub(super) fn filtered(filter: Filter) -> ListOpts {
    ListOpts {
        labels: filter.labels.into_iter().collect(),
        owner: filter.owner.unwrap_or_default(),
        project: filter.project.unwrap_or_default(),
        ..ListOpts::default()
    }
}

/// What the server says of all states at once.
fn warn(page: &ChecksPage, console: &mut Console<'_>) -> Result<(), Failure> {
    if !page.warning.is_empty() {
        let warning = table::printable(&page.warning);
        writeln!(console.words, "warning: states may be old: {warning}")?;
    }
    untold(&page.untold, console)
}

/// What the server says of all messages at once.
pub(super) fn untold(words: &str, console: &mut Console<'_>) -> Result<(), Failure> {
    if !words.is_empty() {
        writeln!(console.words, "warning: {}", table::printable(words))?;
    }
    Ok(())
}

pub(super) fn chosen(output: Option<ListOutput>, console: &Console<'_>) -> ListOutput {
    output.unwrap_or(if console.out_is_terminal {
        ListOutput::Table
    } else {
        ListOutput::Json
    })
}

fn show(
    page: &ChecksPage,
    status: bool,
    output: ListOutput,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    warn(page, console)?;
    match output {
        ListOutput::Json => console.json(page)?,
        ListOutput::Table => {
            let text = table::checks(&page.results, status, clock::now());
            console.out.write_all(text.as_bytes())?;
            note(page, console)?;
        }
    }
    Ok(Exit::Ok)
}

/// What holds for several checks at once, and what to do. In a document it stands by itself.
fn note(page: &ChecksPage, console: &mut Console<'_>) -> Result<(), Failure> {
    for notice in &page.notices {
        let text = format!(
            "{} of {}: {}",
            notice.r#type, notice.project, notice.message
        );
        writeln!(console.words, "{}", table::printable(&text))?;
    }
    Ok(())
}

pub(super) async fn run(
    client: &Client,
    names: Vec<String>,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let (mut ids, mut exit) = (Vec::new(), Exit::Ok);
    for name in names {
        match naming::id(client, &name).await {
            Ok(id) => ids.push(id),
            Err(failure) => exit = failure.report(console.words),
        }
    }
    if ids.is_empty() {
        return Ok(exit);
    }
    let run = client.run(ids).await?;
    console.json(&run)?;
    for (id, health) in &run.results {
        if health.healthy {
            continue;
        }
        let why = if health.code == "unavailable" {
            Exit::Server
        } else {
            Exit::Refused
        };
        let message = match health.code.as_str() {
            // They name the check themselves.
            "not_found" | "failed_precondition" => health.error.clone(),
            _ => format!("{id}: {}", health.error),
        };
        let failure = Failure::new(why, message).report(console.words);
        // What was not probed at all is worse than what is not up.
        if exit != Exit::Server {
            exit = failure;
        }
    }
    Ok(exit)
}

pub(super) async fn run_stats(client: &Client, console: &mut Console<'_>) -> Result<Exit, Failure> {
    console.json(&client.run_stats().await?)?;
    Ok(Exit::Ok)
}
