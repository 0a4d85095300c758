//! How problems of check files are shown: with colour or without, and to programs.

use super::output::Console;
use crate::manifest::diagnostic::Diagnostic;
use crate::manifest::report;

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
