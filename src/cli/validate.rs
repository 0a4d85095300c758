//! `validate`: the check files of every project at and below some folders, without a server.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::arguments::files::{ReportOutput, Validate};
use super::exit::{Exit, Failure};
use super::output::Console;
use crate::manifest::compile::{Compiled, Keep};
use crate::manifest::diagnostic::{Diagnostic, Severity};
use crate::manifest::inputs::Inputs;
use crate::manifest::report;
use crate::plan::text::counted;
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

/// Leaves out what another root has told before: forty that include a library would tell each of
/// its mistakes forty times.
fn told_once(validated: &mut [Validated]) {
    let mut told = BTreeSet::new();
    for one in validated {
        let before = one.is_valid();
        let root = &one.root;
        one.problems.retain(|problem| {
            let place = report::file_path(&problem.at, root);
            let at = (problem.at.line, problem.at.column, problem.code);
            problem.at.line == 0 || told.insert((place, at, problem.message.clone()))
        });
        one.errors_elsewhere = one.is_valid() != before;
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

/// All problems, each with its root.
fn listed(validated: &[Validated]) -> Vec<(&str, &Diagnostic)> {
    let each = validated.iter().flat_map(|one| {
        one.problems
            .iter()
            .map(|problem| (one.root.as_str(), problem))
    });
    each.collect()
}

fn human(validated: &[Validated], most: usize, console: &mut Console<'_>) -> Result<(), Failure> {
    // The warnings of one root hide no error of another.
    let mut errors = count(validated, Severity::Error).min(most);
    let mut warnings = most - errors;
    let mut style = style(console);
    for one in validated {
        let of = |severity| {
            one.problems
                .iter()
                .filter(|it| it.severity == severity)
                .count()
        };
        let shown = (
            of(Severity::Error).min(errors),
            of(Severity::Warning).min(warnings),
        );
        style.most = shown.0 + shown.1;
        let text = report::human(&one.problems, &one.root, style);
        console.out.write_all(text.as_bytes())?;
        (errors, warnings) = (errors - shown.0, warnings - shown.1);
    }
    summary(validated, console)
}

/// A line for each root that is valid, and the number of problems.
fn summary(validated: &[Validated], console: &mut Console<'_>) -> Result<(), Failure> {
    for one in validated {
        let Some(compiled) = &one.compiled else {
            continue;
        };
        let project = match &compiled.project {
            Some(project) => format!("the project {project}"),
            None => "the project".to_owned(),
        };
        let unknown = match compiled.unknown.as_slice() {
            [] => String::new(),
            names => format!(", as far as can be said without {}", names.join(", ")),
        };
        writeln!(
            console.out,
            "{}: {} and {} of {project} are valid{unknown}",
            one.root,
            counted(compiled.checks, "check"),
            counted(compiled.webhooks, "webhook"),
        )?;
    }
    let counts = report::counts(validated.iter().flat_map(|one| &one.problems));
    if !counts.is_empty() {
        writeln!(console.words, "{counts}")?;
    }
    Ok(())
}

/// Colour only for people who want it.
pub(super) fn style(console: &Console<'_>) -> report::Style {
    report::Style {
        color: console.out_is_terminal && wants_color(),
        ..report::Style::default()
    }
}

/// Whether whoever sits at the terminal, if one does, has nothing against colour.
pub(super) fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The same for programs.
fn document(validated: &[Validated]) -> serde_json::Value {
    let root = |one: &Validated| {
        let project = one
            .compiled
            .as_ref()
            .and_then(|compiled| compiled.project.as_ref());
        serde_json::json!({
            "path": one.root,
            "valid": one.is_valid(),
            "project": project.map(ToString::to_string),
            "checks": one.compiled.as_ref().map_or(0, |compiled| compiled.checks),
            "webhooks": one.compiled.as_ref().map_or(0, |compiled| compiled.webhooks),
            "unknown": one.compiled.as_ref().map_or(&[] as &[String], |compiled| &compiled.unknown),
            "diagnostics": one.problems.iter().map(diagnostic).collect::<Vec<_>>(),
        })
    };
    serde_json::json!({
        "format_version": 1,
        "kind": "validate",
        "valid": validated.iter().all(Validated::is_valid),
        "errors": count(validated, Severity::Error),
        "warnings": count(validated, Severity::Warning),
        "roots": validated.iter().map(root).collect::<Vec<_>>(),
    })
}

fn count(validated: &[Validated], severity: Severity) -> usize {
    let problems = validated.iter().flat_map(|one| &one.problems);
    problems
        .filter(|problem| problem.severity == severity)
        .count()
}

/// One problem for programs.
pub(super) fn diagnostic(problem: &Diagnostic) -> serde_json::Value {
    let also = problem.also.iter().map(|(at, why)| {
        serde_json::json!({
            "file": at.file, "line": at.line, "column": at.column, "message": why,
        })
    });
    let values = problem
        .values
        .iter()
        .map(|(name, value)| serde_json::json!({ "name": name, "value": value }));
    serde_json::json!({
        "severity": problem.severity.name(),
        "code": problem.code.id(),
        "message": problem.message,
        "file": problem.at.file,
        "line": problem.at.line,
        "column": problem.at.column,
        "width": problem.at.width,
        "also": also.collect::<Vec<_>>(),
        "values": values.collect::<Vec<_>>(),
        "hint": problem.hint,
    })
}
