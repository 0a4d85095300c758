//! `rollback` and `restore`: what a project was, again.

use super::doing::show_and_do;
use super::planned::Planned;
use super::roots::allowances;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::{Restore, Rollback};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::client::Client;
use crate::model::desired::API_PROJECT;
use crate::proto::lokahi::{self, PlanRequest, RestoreOpts};

/// Makes a project what it was at an earlier generation.
pub(in crate::cli) async fn rollback(
    client: &Client,
    what: &Rollback,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if what.generation < 1 {
        return Err(Failure::new(Exit::Usage, "generations begin at 1")
            .hint(format!("lokahictl history {} lists them", what.project)));
    }
    let request = PlanRequest {
        project: what.project.clone(),
        rollback_to: what.generation,
        allow: Some(allowances(&what.allow)),
        ..PlanRequest::default()
    };
    let mut planned = Planned::ask(client, request, "").await?;
    planned.wanted = Some(format!("what generation {} was", what.generation));
    // To the newest one only what was changed past the files goes back.
    let leaves_files = planned.generation != what.generation;
    let changes = !planned.plan.is_empty() && leaves_files;
    let done = show_and_do(client, planned, &what.doing, "rollback", console).await;
    let applied =
        matches!(done, Ok(Exit::Ok)) || matches!(&done, Err(it) if it.exit == Exit::NotInForce);
    if changes && applied {
        writeln!(
            console.words,
            "The files do not say this: revert the commit too, or the next apply of them undoes \
             the rollback"
        )?;
    }
    done
}

/// Brings back what was deleted.
pub(in crate::cli) async fn restore(
    client: &Client,
    what: &Restore,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if what.to.is_some() && what.names.len() > 1 {
        return Err(Failure::new(Exit::Usage, "--as is for one name at a time"));
    }
    let to = what.to.clone().unwrap_or_default();
    if what.project == API_PROJECT {
        return restore_made(client, &what.names, &to, what.doing.output, console).await;
    }
    let restore = what.names.iter().map(|name| lokahi::Restore {
        address: match name.starts_with("webhook.") || name.starts_with("check.") {
            true => name.clone(),
            false => format!("check.{name}"),
        },
        to: to.clone(),
    });
    let request = PlanRequest {
        project: what.project.clone(),
        restore: restore.collect(),
        ..PlanRequest::default()
    };
    let planned = Planned::ask(client, request, "").await?;
    // What somebody has deleted past the files is in them still.
    let declared = planned.plan.changes.iter().all(|it| it.drift.is_some());
    let done = show_and_do(client, planned, &what.doing, "restore", console).await?;
    if done == Exit::Ok && !declared {
        writeln!(
            console.words,
            "Declare it in the files too, or the next apply deletes it again: \
             lokahictl export --owner {} writes it",
            what.project
        )?;
    }
    Ok(done)
}

/// Brings back what the API made: nothing plans that.
async fn restore_made(
    client: &Client,
    names: &[String],
    to: &str,
    output: TextOutput,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    for name in names {
        let wanted = RestoreOpts {
            id: name.strip_prefix("check.").unwrap_or(name).to_owned(),
            name: to.to_owned(),
        };
        let check = client.restore(&wanted).await?;
        if output == TextOutput::Json {
            console.json(&check)?;
            continue;
        }
        let named = match check.name.as_str() {
            "" => check.id.clone(),
            name => format!("{name} ({})", check.id),
        };
        writeln!(console.out, "Restored: check {named}, with its history.")?;
    }
    Ok(Exit::Ok)
}
