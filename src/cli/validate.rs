//! `validate`: the check files of a folder, without a server.

use super::arguments::{TextOutput, Validate};
use super::exit::{Exit, Failure};
use super::output::Console;
use crate::manifest::diagnostic::Diagnostic;
use crate::manifest::report;
use crate::model::desired::Desired;
use crate::reconcile::load;

pub(super) fn validate(what: &Validate, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let root = what.path.display().to_string();
    let (desired, problems) = match load::load(&what.path) {
        Ok((desired, warnings)) => (Some(desired), warnings),
        Err(problems) => (None, problems.0),
    };
    match what.output {
        TextOutput::Json => {
            let document = document(desired.as_ref(), &problems);
            writeln!(console.out, "{document:#}")?;
        }
        TextOutput::Human => {
            let style = style(console);
            console
                .out
                .write_all(report::human(&problems, &root, style).as_bytes())?;
            match &desired {
                Some(desired) => writeln!(
                    console.out,
                    "{root}: {} and {} of the project {} are valid",
                    counted(desired.checks.len(), "check"),
                    counted(desired.webhooks.len(), "webhook"),
                    desired.project
                )?,
                None => writeln!(console.words, "{}", report::counts(&problems))?,
            }
        }
    }
    Ok(if desired.is_some() {
        Exit::Ok
    } else {
        Exit::Refused
    })
}

fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
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
fn document(desired: Option<&Desired>, problems: &[Diagnostic]) -> serde_json::Value {
    serde_json::json!({
        "format_version": 1,
        "kind": "validate",
        "valid": desired.is_some(),
        "project": desired.map(|desired| desired.project.to_string()),
        "checks": desired.map_or(0, |desired| desired.checks.len()),
        "webhooks": desired.map_or(0, |desired| desired.webhooks.len()),
        "diagnostics": problems.iter().map(diagnostic).collect::<Vec<_>>(),
    })
}

/// One problem for programs.
pub(super) fn diagnostic(problem: &Diagnostic) -> serde_json::Value {
    serde_json::json!({
        "severity": problem.severity.name(),
        "code": problem.code.id(),
        "message": problem.message,
        "file": problem.at.file,
        "line": problem.at.line,
        "column": problem.at.column,
    })
}
