//! Diagnostics as a JUnit report: a test suite for each root, a test case for each problem. A
//! warning is a case that passed and says something.

use super::{file_path, most as at_most};
use crate::manifest::diagnostic::{Diagnostic, Severity};

/// The report on some roots, each with its problems; at most so many of each are written out.
pub fn junit<'d>(
    roots: impl IntoIterator<Item = (&'d str, &'d [Diagnostic])>,
    most: usize,
) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"lokahi\">\n");
    for (root, problems) in roots {
        let errors = problems
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count();
        let tests = problems.len().max(1);
        out.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{errors}\">\n",
            escaped(root)
        ));
        if problems.is_empty() {
            let name = escaped(root);
            out.push_str(&format!(
                "    <testcase classname=\"{name}\" name=\"valid\"/>\n"
            ));
        }
        for problem in at_most(problems, most) {
            case(&mut out, root, problem);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(out: &mut String, root: &str, problem: &Diagnostic) {
    let path = file_path(&problem.at, root);
    let place = format!("{path}:{}:{}", problem.at.line, problem.at.column);
    let mut text = format!("{place}: {}", problem.message);
    for (name, value) in &problem.values {
        text.push_str(&format!("\nwhere {name} = {value}"));
    }
    if let Some(hint) = &problem.hint {
        text.push_str(&format!("\nhint: {hint}"));
    }
    let element = match problem.severity {
        Severity::Error => format!(
            "<failure type=\"{}\" message=\"{}\">{}</failure>",
            problem.code,
            escaped(&problem.message),
            escaped(&text)
        ),
        Severity::Warning => format!("<system-out>{}</system-out>", escaped(&text)),
    };
    out.push_str(&format!(
        "    <testcase classname=\"{}\" name=\"{} {}\" file=\"{}\" line=\"{}\">{element}</testcase>\n",
        escaped(&path),
        problem.code,
        escaped(&place),
        escaped(&path),
        problem.at.line,
    ));
}

/// Text as XML 1.0 can hold it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
