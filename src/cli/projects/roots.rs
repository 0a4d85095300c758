//! The roots of a path, each compiled and, if it is good, planned by the server.

use std::path::{Path, PathBuf};

use super::planned::Planned;
use super::upload::upload;
use crate::cli::arguments::TextOutput;
use crate::cli::arguments::projects::{Allow, Scope};
use crate::cli::diagnostics::{diagnostic, style};
use crate::cli::exit::{Exit, Failure};
use crate::cli::inputs::InputFlags;
use crate::cli::output::Console;
use crate::client::{Client, ClientError};
use crate::files::git;
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::inputs::Inputs;
use crate::manifest::report;
use crate::model::desired::{Ancestry, Revision};
use crate::plan::state::Wanted as Index;
use crate::plan::wire;
use crate::proto::lokahi::{Allowances, Move, ProjectsRequest, r#move};
use crate::proto::twirp::Code;
use crate::reconcile::load::{self, Wanted};
use crate::reconcile::source::complete;

/// Where CI says who it is: its address, by the variables that it sets.
const CI_URLS: [&[&str]; 2] = [&["CI_JOB_URL"], &["BUILD_URL"]];

/// A root that was read.
pub(super) struct Root {
    path: PathBuf,
    wanted: Result<Wanted, Diagnostics>,
    /// Of the first root: warnings of the check files that belong to none.
    strays: Vec<Diagnostic>,
    inputs: Inputs,
}

/// Every root at and below a path. With JSON there must be one.
pub(super) fn roots(
    path: &Path,
    inputs: &InputFlags,
    output: TextOutput,
    console: &mut Console<'_>,
) -> Result<Vec<Root>, Failure> {
    let inputs = inputs.read()?;
    let (tree, strays) = load::whole(path, &inputs);
    let load::Tree {
        roots, strangers, ..
    } = tree;
    let words = report::human(&strays, &path.display().to_string(), style(console));
    console.words.write_all(words.as_bytes())?;
    if !strangers.is_empty() {
        let text = report::human(&strangers, &path.display().to_string(), style(console));
        console.out.write_all(text.as_bytes())?;
        return Err(Failure::new(Exit::Refused, report::counts(&strangers)));
    }
    if roots.len() > 1 && output == TextOutput::Json {
        let message = format!("{} holds {} projects", path.display(), roots.len());
        return Err(Failure::new(Exit::Usage, message)
            .hint("with --output json there is one at a time: name its folder"));
    }
    let mut strays = strays;
    let root = |(path, wanted)| Root {
        path,
        wanted,
        strays: std::mem::take(&mut strays),
        inputs: inputs.clone(),
    };
    Ok(roots.into_iter().map(root).collect())
}

impl Root {
    /// How it is called.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// What it declares, and its warnings; problems are printed, in the command's own form.
    fn desired(
        self,
        kind: &str,
        output: TextOutput,
        console: &mut Console<'_>,
    ) -> Result<Wanted, Failure> {
        let shown = self.shown();
        match self.wanted {
            Ok((desired, warnings)) => {
                let words = report::human(&warnings, &shown, style(console));
                console.words.write_all(words.as_bytes())?;
                let mut all = self.strays;
                all.extend(warnings);
                Ok((desired, all))
            }
            Err(problems) => {
                if output == TextOutput::Json {
                    let all: Vec<_> = problems.0.iter().map(diagnostic).collect();
                    let document = serde_json::json!({
                        "format_version": 1, "kind": kind, "applied": false,
                        "diagnostics": all,
                    });
                    writeln!(console.out, "{document:#}")?;
                } else {
                    let text = report::human(&problems.0, &shown, style(console));
                    console.out.write_all(text.as_bytes())?;
                }
                let counts = report::counts(&problems.0);
                let message = match kind {
                    "plan" => format!("{counts}: there is no plan of {shown}"),
                    _ => format!("{counts}: nothing was changed"),
                };
                Err(Failure::new(Exit::Refused, message))
            }
        }
    }

    /// The plan of it.
    pub(super) async fn plan(
        self,
        client: &Client,
        scope: &Scope,
        require_clean: bool,
        (kind, output): (&str, TextOutput),
        console: &mut Console<'_>,
    ) -> Result<Planned, Failure> {
        let (path, shown) = (self.path.clone(), self.shown());
        let mut revision = complete(git::revision(&path), &self.wanted, &self.inputs);
        let (desired, warnings) = self.desired(kind, output, console)?;
        if require_clean {
            clean(&revision, &shown)?;
        }
        revision.ci_url = ci_url();
        revision.claimed_by = std::env::var("USER").unwrap_or_default();
        let (index, specs) = Index::of(desired);
        let (ancestry, mut request) = tokio::try_join!(
            ancestry(client, index.project.as_str(), &path, &revision),
            upload(client, &index, &specs),
        )?;
        revision.ancestry = ancestry;
        request.revision = Some(wire::to_revision(&revision));
        request.no_prune = scope.no_prune;
        request.targets.clone_from(&scope.targets);
        request.quiet_start = scope.quiet_start;
        request.allow = Some(allowances(&scope.allow));
        request.moves.extend(scope.adopt.iter().map(adopted));
        let planned = Planned::ask(client, request, &shown).await?;
        Ok(Planned {
            lints: warnings,
            checks: index.checks,
            specs,
            ..planned
        })
    }
}

fn adopted((name, id): &(String, String)) -> Move {
    let name = name.strip_prefix("check.").unwrap_or(name);
    Move {
        kind: r#move::Kind::Import.into(),
        to: format!("check.{name}"),
        id: id.clone(),
        ..Move::default()
    }
}

/// What may pass the guards, as a message.
pub(super) fn allowances(allow: &Allow) -> Allowances {
    let number = |n: Option<u32>| n.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    Allowances {
        empty: allow.allow_empty,
        deletes: number(allow.allow_deletes),
        silence: number(allow.allow_silence),
        changes: number(allow.allow_changes),
        source_change: allow.accept_source_change,
        rollback: allow.allow_rollback,
    }
}

fn clean(revision: &Revision, shown: &str) -> Result<(), Failure> {
    let (message, hint) = match (revision.sha.is_empty(), revision.dirty) {
        (true, _) => (
            format!("--require-clean: {shown} has no commit that git knows of"),
            "apply a clone of the repository, with git installed, or leave --require-clean out",
        ),
        (_, true) => (
            format!("--require-clean: {shown} has files that differ from the commit"),
            "commit them, or leave --require-clean out",
        ),
        (false, false) => return Ok(()),
    };
    Err(Failure::new(Exit::Refused, message).hint(hint))
}

/// How the commit relates to what was applied before; git knows, the server does not.
async fn ancestry(
    client: &Client,
    project: &str,
    path: &Path,
    revision: &Revision,
) -> Result<Ancestry, Failure> {
    let asked = ProjectsRequest {
        project: project.to_owned(),
        brief: true,
    };
    let highest = match client.projects(&asked).await {
        Ok(found) => found.projects.into_iter().next().map(|it| it.max_revision),
        // Nobody has applied it yet; or the token may plan, and not read.
        Err(ClientError::Refused(refusal))
            if matches!(refusal.code, Code::NotFound | Code::PermissionDenied) =>
        {
            None
        }
        Err(error) => return Err(error.into()),
    };
    let highest = highest.unwrap_or_default();
    Ok(git::ancestry(path, &revision.sha, &highest))
}

fn ci_url() -> String {
    let get = |name: &str| std::env::var(name).unwrap_or_default();
    if let (server, repository, run) = (
        get("GITHUB_SERVER_URL"),
        get("GITHUB_REPOSITORY"),
        get("GITHUB_RUN_ID"),
    ) && !run.is_empty()
    {
        return format!("{server}/{repository}/actions/runs/{run}");
    }
    let mut urls = CI_URLS
        .iter()
        .flat_map(|names| names.iter())
        .map(|name| get(name));
    urls.find(|url| !url.is_empty()).unwrap_or_default()
}
