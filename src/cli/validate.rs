//! `validate`: the check files of every project at and below some folders, without a server.

mod told;

use std::collections::BTreeSet;
use std::path::PathBuf;

use self::told::{document, human, listed, summary, told_once};
use super::arguments::files::{ReportOutput, Validate};
use super::exit::{Exit, Failure};
use super::output::Console;
use crate::manifest::compile::{Compiled, Keep};
use crate::manifest::diagnostic::{Diagnostic, Severity};
use crate::manifest::inputs::Inputs;
use crate::manifest::report;
use crate::reconcile::load;

/// A root and what came of it.
struct Validated {
    /// As the user would write it.
    root: String,
    /// `None` if it has errors, and for what belongs to no root.
    compiled: Option<Compiled>,
    problems: Vec<Diagnostic>,
    /// Problems that are left out, as another root told them: of a library, most likely.
    errors_elsewhere: bool,
}

pub(super) fn validate(what: &Validate, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let surveyed: Vec<_> = what.paths.iter().map(|path| load::survey(path)).collect();
    let roots = once(surveyed.iter().flat_map(|(roots, _)| roots.clone()));
    let inputs = load::for_roots(&what.inputs.read()?, roots.len());
    let validated: Vec<Validated> = roots
        .into_iter()
        .map(|root| {
            let shown = root.display().to_string();
            match load::load(&root, &inputs, Keep::Nothing) {
                Ok(mut compiled) => Validated {
                    root: shown,
                    problems: std::mem::take(&mut compiled.warnings),
                    compiled: Some(compiled),
                    errors_elsewhere: false,
                },
                Err(problems) => Validated {
                    root: shown,
                    compiled: None,
                    problems: problems.0,
                    errors_elsewhere: false,
                },
            }
        })
        .collect();
    let mut validated = apart(validated);
    let strangers = strangers(&inputs, &validated);
    if let (false, Some(first)) = (strangers.is_empty(), validated.first_mut()) {
        first.problems.extend(strangers);
    }
    for (path, (_, strays)) in what.paths.iter().zip(surveyed) {
        if !strays.is_empty() {
            validated.push(Validated {
                root: path.display().to_string(),
                compiled: None,
                problems: strays,
                errors_elsewhere: false,
            });
        }
    }
    if matches!(what.output, ReportOutput::Human | ReportOutput::Github) {
        told_once(&mut validated);
    }
    match what.output {
        ReportOutput::Json => writeln!(console.out, "{:#}", document(&validated))?,
        ReportOutput::Human => human(&validated, what.max_errors, console)?,
        ReportOutput::Github => {
            let text = report::github(
                &listed(&validated),
                report::GITHUB_MOST.min(what.max_errors),
            );
            console.out.write_all(text.as_bytes())?;
            summary(&validated, console)?;
        }
        ReportOutput::Junit => {
            let roots = validated
                .iter()
                .map(|one| (one.root.as_str(), &*one.problems));
            console
                .out
                .write_all(report::junit(roots, what.max_errors).as_bytes())?;
        }
    }
    let invalid = !validated.iter().all(Validated::is_valid);
    let warned = validated.iter().any(|one| !one.problems.is_empty());
    Ok(match (invalid, warned && what.deny_warnings) {
        (true, _) => Exit::Refused,
        (false, true) => Exit::Findings,
        (false, false) => Exit::Ok,
    })
}

/// Each root once, however often and by whatever name it is asked for.
fn once(roots: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let real = |root: &PathBuf| root.canonicalize().unwrap_or_else(|_| root.clone());
    roots.filter(|root| seen.insert(real(root))).collect()
}

impl Validated {
    fn is_valid(&self) -> bool {
        let error = |problem: &Diagnostic| problem.severity == Severity::Error;
        !self.errors_elsewhere && !self.problems.iter().any(error)
    }
}

/// Values that are given for variables that no root has, if all of them could be read.
fn strangers(inputs: &Inputs, validated: &[Validated]) -> Vec<Diagnostic> {
    let variables = |one: &Validated| Some(one.compiled.as_ref()?.variables.clone());
    let variables: Option<Vec<_>> = validated.iter().map(variables).collect();
    variables.map_or_else(Vec::new, |all| load::strangers(inputs, &all))
}

/// The same, with roots of one project refused: each would delete the other's checks.
fn apart(mut validated: Vec<Validated>) -> Vec<Validated> {
    let project = |one: &Validated| one.compiled.as_ref()?.project.clone();
    let projects: Vec<_> = validated.iter().map(project).collect();
    for at in 0..validated.len() {
        let Some(Some(name)) = projects.get(at) else {
            continue;
        };
        let mut others = projects.iter().enumerate();
        let other = others.find(|(n, other)| *n != at && other.as_ref() == Some(name));
        let Some(other) = other.and_then(|(n, _)| validated.get(n)) else {
            continue;
        };
        let twice = load::same_project(name, &other.root);
        if let Some(one) = validated.get_mut(at) {
            one.compiled = None;
            one.problems.insert(0, twice);
        }
    }
    validated
}
