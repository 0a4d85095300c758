//! What came of each root, told to people and to programs.

use std::collections::BTreeSet;

use super::Validated;
use crate::cli::diagnostics::{diagnostic, style};
use crate::cli::exit::Failure;
use crate::cli::output::Console;
use crate::manifest::diagnostic::{Diagnostic, Severity};
use crate::manifest::report;
use crate::plan::text::counted;

/// Leaves out what another root has told before: forty that include a library would tell each of
/// its mistakes forty times.
pub(super) fn told_once(validated: &mut [Validated]) {
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

/// All problems, each with its root.
pub(super) fn listed(validated: &[Validated]) -> Vec<(&str, &Diagnostic)> {
    let each = validated.iter().flat_map(|one| {
        one.problems
            .iter()
            .map(|problem| (one.root.as_str(), problem))
    });
    each.collect()
}

pub(super) fn human(
    validated: &[Validated],
    most: usize,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
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
pub(super) fn summary(validated: &[Validated], console: &mut Console<'_>) -> Result<(), Failure> {
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

/// The same for programs.
pub(super) fn document(validated: &[Validated]) -> serde_json::Value {
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
