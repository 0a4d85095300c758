//! `apply` and `adopt`: from a folder, or from a saved plan, to the server. The plan is shown
//! first, and only the word `yes` goes on.

use std::path::{Path, PathBuf};

use super::doing::{apply as apply_token, confirm, done, finish, show_and_do};
use super::plan::worse;
use super::roots::{allowances, roots};
use super::saved::{self, Saved};
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::{Adopt, Allow, Apply, Doing, Scope};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::client::{Client, ClientError};
use crate::plan::text::{harmless, moment};
use crate::plan::wire;
use crate::proto::lokahi::{Generation, PlanPageRequest, PlanPageResult};
use crate::proto::moment::time_of;

/// Applies every project at and below the folder, each by itself: what is wrong with one stops
/// only that one.
pub(in crate::cli) async fn apply(
    client: &Client,
    what: &Apply,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if let Some(file) = &what.plan {
        return apply_saved(client, file, what, console).await;
    }
    let path = what
        .path
        .clone()
        .unwrap_or_else(|| PathBuf::from("checks.d"));
    let output = what.doing.output;
    let roots = roots(&path, &what.inputs, output, console)?;
    let several = roots.len() > 1;
    let mut worst = Exit::Ok;
    for root in roots {
        let shown = root.shown();
        let form = ("apply", output);
        let clean = what.require_clean;
        let planned = root.plan(client, &what.scope, clean, form, console).await;
        let done = match planned {
            Ok(planned) => {
                if several {
                    writeln!(console.out, "{shown}: project {}", planned.project)?;
                }
                show_and_do(client, planned, &what.doing, "apply", console).await
            }
            Err(failure) => Err(failure),
        };
        match done {
            Err(failure) if several => worst = worse(worst, failure.report(console.words)),
            other => worst = worse(worst, other?),
        }
    }
    Ok(worst)
}

async fn apply_saved(
    client: &Client,
    file: &Path,
    what: &Apply,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let saved = saved::read(file)?;
    if let Some(stored) = stored(client, &saved.token).await? {
        if let Some(earlier) = &stored.applied {
            return applied_before(&saved, earlier, &what.doing, console);
        }
        saved.verify(stored.changes.into_iter().map(wire::from_change).collect())?;
    }
    if what.doing.output == TextOutput::Human {
        console.out.write_all(harmless(&saved.text).as_bytes())?;
    }
    if saved.is_empty {
        return done(&saved.document, None, &what.doing, console);
    }
    confirm(&saved.document, &what.doing, console).await?;
    let result = apply_token(client, &saved.token, allowances(&what.scope.allow)).await;
    if let Err(failure) = &result
        && failure.exit == Exit::Held
        && what.doing.output == TextOutput::Json
    {
        done(&saved.document, None, &what.doing, console)?;
    }
    let result = result.map_err(|failure| match failure.exit {
        Exit::Stale => failure.hint(format!("plan {} again, and look at it", saved.project)),
        _ => failure,
    })?;
    finish(client, &saved.document, result, &what.doing, console).await
}

/// What the server has of a plan: its changes, and what it has become. What it does not know it
/// will not apply.
async fn stored(client: &Client, token: &str) -> Result<Option<PlanPageResult>, Failure> {
    let mut all: Option<PlanPageResult> = None;
    for page in 0.. {
        let token = token.to_owned();
        match client.plan_page(&PlanPageRequest { token, page }).await {
            Ok(found) if page > 0 && found.changes.is_empty() => break,
            Ok(found) => match &mut all {
                None => all = Some(found),
                Some(all) => all.changes.extend(found.changes),
            },
            Err(ClientError::Refused(_)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

/// Says that there is nothing left to do.
fn applied_before(
    saved: &Saved,
    earlier: &Generation,
    doing: &Doing,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let (project, generation, by) = (&saved.project, earlier.generation, &earlier.actor);
    let at = earlier.at.as_ref().map(time_of).map(moment);
    let at = at.unwrap_or_default();
    let text = format!(
        "This plan was applied before: it is generation {generation} of {project}, at {at} by \
         {by}. Nothing was done now."
    );
    match doing.output {
        TextOutput::Human => writeln!(console.out, "{text}")?,
        TextOutput::Json => {
            let mut document = saved.document.clone();
            if let Some(object) = document.as_object_mut() {
                object.insert("applied".to_owned(), true.into());
                object.insert("generation".to_owned(), generation.into());
            }
            writeln!(console.words, "{text}")?;
            writeln!(console.out, "{document:#}")?;
        }
    }
    Ok(Exit::Ok)
}

/// Brings checks of the API under the files, and touches nothing else.
pub(in crate::cli) async fn adopt(
    client: &Client,
    what: &Adopt,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let scope = Scope {
        no_prune: true,
        targets: what.pairs.iter().map(|(name, _)| name.clone()).collect(),
        adopt: what.pairs.clone(),
        quiet_start: false,
        allow: Allow::default(),
    };
    let mut roots = roots(&what.path, &what.inputs, what.doing.output, console)?;
    let (Some(root), true) = (roots.pop(), roots.is_empty()) else {
        let message = format!("{} holds several projects", what.path.display());
        return Err(Failure::new(Exit::Usage, message).hint("name the folder of one with --path"));
    };
    let form = ("adopt", what.doing.output);
    let planned = root.plan(client, &scope, false, form, console).await?;
    show_and_do(client, planned, &what.doing, "adopt", console).await
}
