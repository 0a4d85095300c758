//! Shows a plan, asks, and has exactly that applied.

use super::document::document;
use super::planned::Planned;
use super::wait::wait;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::Doing;
use crate::cli::ask::approved;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::client::Client;
use crate::plan::text::counted;
use crate::proto::lokahi::{Allowances, ApplyRequest, ApplyResult};

/// Shows a plan and, if the user agrees, applies it.
pub(super) async fn show_and_do(
    client: &Client,
    planned: Planned,
    doing: &Doing,
    kind: &str,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if doing.output == TextOutput::Human {
        console.out.write_all(planned.human().as_bytes())?;
    }
    let shown = document(&planned, kind);
    if planned.plan.is_empty() {
        if planned.places > 0 {
            note_places(client, &planned, console).await?;
        }
        return done(&shown, None, doing, console);
    }
    if planned.is_held() {
        if doing.output == TextOutput::Json {
            done(&shown, None, doing, console)?;
        }
        return Err(
            Failure::new(Exit::Held, "a guard holds this plan: nothing was changed")
                .hint("look at what it names; the plan says which flag or edit lets it pass"),
        );
    }
    confirm(&shown, doing, console).await?;
    let result = apply(client, &planned.token, Allowances::default()).await?;
    finish(client, &shown, result, doing, console).await
}

/// Has it noted where blocks stand that were only moved in their files. Nothing changes by it,
/// so whoever may not is only told.
async fn note_places(
    client: &Client,
    planned: &Planned,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    if let Err(failure) = apply(client, &planned.token, Allowances::default()).await {
        writeln!(
            console.words,
            "note: the server keeps the old lines of {}: {}",
            counted(usize::try_from(planned.places).unwrap_or(0), "block"),
            failure.message
        )?;
    }
    Ok(())
}

/// Asks, unless that is not wanted.
pub(super) async fn confirm(
    shown: &serde_json::Value,
    doing: &Doing,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    if doing.auto_approve || approved("Apply these changes?", console).await? {
        return Ok(());
    }
    if doing.output == TextOutput::Json {
        done(shown, None, doing, console)?;
    }
    let failure = Failure::new(Exit::Declined, "Nothing was changed.");
    match console.answers {
        true => Err(failure),
        false => Err(failure.hint("without a terminal to ask on, --auto-approve is needed")),
    }
}

/// Has a plan applied. An answer that did not come is asked for again: the token makes that
/// the same apply.
pub(super) async fn apply(
    client: &Client,
    token: &str,
    allow: Allowances,
) -> Result<ApplyResult, Failure> {
    let request = ApplyRequest {
        token: token.to_owned(),
        allow: Some(allow),
    };
    match client.apply(&request).await {
        Err(error) if error.may_have_happened() => Ok(client.apply(&request).await?),
        other => Ok(other?),
    }
}

/// Says what was done, and waits for it to be in force if that is wanted.
pub(super) async fn finish(
    client: &Client,
    shown: &serde_json::Value,
    result: ApplyResult,
    doing: &Doing,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let (project, generation) = (result.project.clone(), result.generation);
    done(shown, Some(&result), doing, console)?;
    if result.suspended {
        writeln!(
            console.words,
            "The reconciler of {project} is suspended, or it would undo this. When the files \
             are mended: lokahictl resume {project}"
        )?;
    }
    match doing.wait {
        Some(patience) => wait(client, &project, generation, patience, console).await,
        None => Ok(Exit::Ok),
    }
}

/// Writes what was done, or that nothing was.
pub(super) fn done(
    shown: &serde_json::Value,
    result: Option<&ApplyResult>,
    doing: &Doing,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if doing.output == TextOutput::Json {
        let mut document = shown.clone();
        if let Some(object) = document.as_object_mut() {
            object.insert("applied".to_owned(), result.is_some().into());
            if let Some(result) = result {
                object.insert("generation".to_owned(), result.generation.into());
            }
        }
        writeln!(console.out, "{document:#}")?;
    } else if let Some(result) = result {
        let (project, generation) = (&result.project, result.generation);
        writeln!(
            console.out,
            "Applied: {project} is at generation {generation}."
        )?;
    }
    Ok(Exit::Ok)
}
