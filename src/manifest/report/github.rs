//! Diagnostics as annotations of a GitHub workflow: workflow commands, see GitHub's
//! "Workflow commands for GitHub Actions".

use super::file_path;
use crate::manifest::diagnostic::{Diagnostic, Severity};

/// GitHub shows ten annotations a step: these, and the summary.
pub const GITHUB_MOST: usize = 9;

/// An annotation for each of the first problems, errors before warnings, and one that sums up
/// the others. Each problem comes with its root.
pub fn github(list: &[(&str, &Diagnostic)], most: usize) -> String {
    let mut sorted: Vec<_> = list.to_vec();
    sorted.sort_by_key(|(_, problem)| match problem.severity {
        Severity::Error => 0,
        Severity::Warning => 1,
    });
    let mut out = String::new();
    for (root, problem) in sorted.iter().take(most) {
        let path = file_path(&problem.at, root);
        let mut place = format!("file={}", property(&path));
        if problem.at.line > 0 {
            place.push_str(&format!(
                ",line={},col={}",
                problem.at.line, problem.at.column
            ));
        }
        let mut message = problem.message.clone();
        for (name, value) in &problem.values {
            message.push_str(&format!("\nwhere {name} = {value}"));
        }
        if let Some(hint) = &problem.hint {
            message.push_str(&format!("\nhint: {hint}"));
        }
        out.push_str(&format!(
            "::{} {place},title={}::{}\n",
            problem.severity.name(),
            problem.code,
            data(&message)
        ));
    }
    if let Some(more) = list.len().checked_sub(most).filter(|more| *more > 0) {
        let counts = super::counts(list.iter().map(|(_, problem)| *problem));
        out.push_str(&format!(
            "::notice title=lokahi::and {more} more: {counts}\n"
        ));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
