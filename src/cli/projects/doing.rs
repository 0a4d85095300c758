//! Shows a plan, asks, and has exactly that applied.

use std::time::Duration;

use super::document::document;
use super::planned::Planned;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::Doing;
use crate::cli::ask::approved;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::cli::table::printable;
use crate::client::Client;
use crate::clock;
use crate::plan::text::counted;
use crate::proto::lokahi::{Allowances, ApplyRequest, ApplyResult, ProgressRequest};

/// The types of notices that no probes come from a location, and that its workers are cut off.
const SILENT: &str = "check.stale";
const CUT_OFF: &str = "prober.impaired";
/// How often it is asked how far the schedulers are.
const ASK: Duration = Duration::from_millis(250);

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

async fn wait(
    client: &Client,
    project: &str,
    generation: i64,
    patience: Duration,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let started = clock::monotonic();
    let asked = ProgressRequest {
        project: project.to_owned(),
        generation,
    };
    loop {
        let progress = client.progress(&asked).await?;
        let unknown = usize::try_from(progress.unknown).unwrap_or(0);
        let is_silent = progress.notices.iter().any(|it| it.r#type == SILENT);
        if progress.scheduled && progress.unprobed == 0 && unknown == 0 && !is_silent {
            writeln!(
                console.words,
                "In force: the schedulers have generation {generation}, and new checks were probed."
            )?;
            if let changed @ 1.. = progress.changed {
                let changed = usize::try_from(changed).unwrap_or(0);
                let (are, their) = match changed {
                    1 => ("is", "its"),
                    _ => ("are", "their"),
                };
                writeln!(
                    console.words,
                    "{} {are} probed with what is new at {their} next turn: whether a probe can \
                     look (a secret may not be bound to a new host) lokahictl list -s says then.",
                    counted(changed, "changed check")
                )?;
            }
            return Ok(Exit::Ok);
        }
        // A secret that is missing or not bound comes by no waiting.
        let is_lost = progress.scheduled && progress.unprobed == 0 && unknown > 0 && {
            let mut notices = progress.notices.iter();
            notices.all(|it| it.reason.contains("/secret_"))
        };
        let cut_off = progress.notices.iter().any(|it| it.r#type == CUT_OFF);
        let waited = clock::monotonic().saturating_duration_since(started);
        if is_lost || waited >= patience {
            let why = match progress.scheduled {
                true => {
                    let n = usize::try_from(progress.unprobed).unwrap_or(0);
                    let were = if n == 1 { "was" } else { "were" };
                    let unprobed = format!("{} {were} not probed yet", counted(n, "new check"));
                    let why = match cut_off {
                        true => "whose probes failed where nearly everything does",
                        false => "whose probes could not look",
                    };
                    let of = counted(unknown, "new or changed check");
                    let nothing = format!("nothing is known of {of}, {why}");
                    let silent = "no probes come from where its checks are probed".to_owned();
                    let all = [
                        (n > 0, unprobed),
                        (unknown > 0, nothing),
                        (is_silent, silent),
                    ];
                    let all = all.into_iter().filter(|(is_so, _)| *is_so);
                    let all: Vec<String> = all.map(|(_, words)| words).collect();
                    all.join(", and ")
                }
                false => "not every scheduler has taken it over yet".to_owned(),
            };
            let after = match is_lost {
                true => String::new(),
                false => format!("after {patience:?} "),
            };
            let message = format!("generation {generation} is applied, and {after}{why}");
            for notice in &progress.notices {
                let text = format!("{} of {}: {}", notice.r#type, project, notice.message);
                writeln!(console.words, "{}", printable(&text))?;
            }
            let hint = match progress.scheduled {
                true if progress.unprobed == 0 && !is_silent && !cut_off => {
                    "it is mended where the words above say; lokahictl list -s says what is known"
                }
                true if cut_off && !is_silent => {
                    "the checks are as good as they were: it is the network or the name server of \
                     the health workers there that is to be mended; lokahictl list -s says what \
                     is known"
                }
                true => "does a health worker run? lokahictl list -s says which were not probed",
                false => {
                    "does a lokahid run? lokahictl status and lokahictl list say how it goes on"
                }
            };
            return Err(Failure::new(Exit::NotInForce, message).hint(hint));
        }
        tokio::time::sleep(ASK).await;
    }
}
