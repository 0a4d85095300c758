//! Diagnostics as text for a terminal, in rustc's manner; for GitHub and for test reports in
//! the files beside. Pure: it returns what the caller prints.

mod github;
mod junit;

pub use github::{GITHUB_MOST, github};
pub use junit::junit;

use std::fmt::Write;

use crate::manifest::diagnostic::{Diagnostic, Severity};
use crate::manifest::source::Excerpt;

/// How to write them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    pub color: bool,
    /// How many are written out; the others are counted.
    pub most: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            most: 100,
        }
    }
}

/// The diagnostics as text, each followed by an empty line, then "and N more in ROOT"
/// if not all are shown. `root` stands before the files' paths.
pub fn human(list: &[Diagnostic], root: &str, style: Style) -> String {
    let mut out = String::new();
    for diagnostic in most(list, style.most) {
        one(&mut out, diagnostic, root, style.color);
        out.push('\n');
    }
    let rest = list.len().saturating_sub(style.most);
    match (rest, root) {
        (0, _) => {}
        (more, "" | ".") => out.push_str(&format!("and {more} more\n")),
        (more, root) => out.push_str(&format!("and {more} more in {root}\n")),
    }
    out
}

/// At most so many, in their order: where not all are shown a warning hides no error.
fn most(list: &[Diagnostic], most: usize) -> impl Iterator<Item = &Diagnostic> {
    let is_error = |one: &Diagnostic| one.severity == Severity::Error;
    let errors = list.iter().filter(|one| is_error(one)).count();
    let (mut errors, mut warnings) = match list.len() > most {
        true => (errors.min(most), most.saturating_sub(errors)),
        false => (usize::MAX, usize::MAX),
    };
    list.iter().filter(move |one| {
        let left = match is_error(one) {
            true => &mut errors,
            false => &mut warnings,
        };
        let shown = *left > 0;
        *left = left.saturating_sub(1);
        shown
    })
}

/// "2 errors, 1 warning", "1 error"; empty for none.
pub fn counts<'d>(list: impl IntoIterator<Item = &'d Diagnostic>) -> String {
    let severities: Vec<_> = list.into_iter().map(|problem| problem.severity).collect();
    let count = |severity: Severity| {
        let n = severities.iter().filter(|one| **one == severity).count();
        let plural = if n == 1 { "" } else { "s" };
        (n > 0).then(|| format!("{n} {}{plural}", severity.name()))
    };
    let parts: Vec<_> = [count(Severity::Error), count(Severity::Warning)]
        .into_iter()
        .flatten()
        .collect();
    parts.join(", ")
}

fn one(out: &mut String, diagnostic: &Diagnostic, root: &str, color: bool) {
    let paint = |code: &str, text: &str| match color {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    let tint = match diagnostic.severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
    };
    let head = format!("{}[{}]", diagnostic.severity.name(), diagnostic.code);
    let message = paint("1", &format!(": {}", diagnostic.message));
    line(out, &format!("{}{message}", paint(tint, &head)));

    let last = diagnostic.also.iter().map(|(at, _)| at.line);
    let digits = last.fold(diagnostic.at.line, u32::max).to_string().len();
    let gutter = paint("1;34", &format!("{:digits$} |", ""));
    let mut place = |at: &Excerpt, arrow: &str, mark: char, tint: &str, why: &str| {
        let path = at_path(at, root);
        line(
            out,
            &format!("{:digits$}{} {path}", "", paint("1;34", arrow)),
        );
        if at.line == 0 {
            return;
        }
        let before = at.before as usize;
        let room = at.text.chars().count().saturating_sub(before);
        let width = (at.width as usize).clamp(1, room.max(1));
        let number = paint("1;34", &format!("{:>digits$} |", at.line));
        line(out, &gutter);
        line(out, format!("{number} {}", at.text).trim_end());
        let marks: String = std::iter::repeat_n(mark, width).collect();
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(" {why}")
        };
        line(
            out,
            &format!(
                "{gutter} {:before$}{}",
                "",
                paint(tint, &format!("{marks}{why}"))
            ),
        );
    };
    place(&diagnostic.at, "-->", '^', tint, "");
    for (at, why) in &diagnostic.also {
        place(at, ":::", '-', "1;34", why);
    }
    for (name, value) in &diagnostic.values {
        let sign = paint("1;34", &format!("{:digits$} =", ""));
        line(
            out,
            &format!("{sign} {} {name} = {value}", paint("1", "where")),
        );
    }
    if let Some(hint) = &diagnostic.hint {
        let sign = paint("1;34", &format!("{:digits$} =", ""));
        line(out, &format!("{sign} {}: {hint}", paint("1", "hint")));
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn at_path(at: &Excerpt, root: &str) -> String {
    let mut path = file_path(at, root);
    if at.line > 0 {
        // Writing to a String cannot fail.
        write!(path, ":{}:{}", at.line, at.column).unwrap_or_default();
    }
    path
}

/// The path of a file as the user would write it.
pub fn file_path(at: &Excerpt, root: &str) -> String {
    path_below(root, &at.file)
}

/// A path below a root that somebody has typed, as they would write it: without a way out of a
/// folder and back, which those who look for the file in a list of files would not find.
pub fn path_below(root: &str, file: &str) -> String {
    let root = root.trim_end_matches('/');
    let root = match root.strip_prefix("./") {
        Some(below) => below,
        None => root,
    };
    match (root, file) {
        ("" | ".", file) => file.to_owned(),
        (root, ".") => root.to_owned(),
        (_, file) if file.starts_with("--var") || file.starts_with("the environment") => {
            file.to_owned()
        }
        (root, file) => {
            let (mut root, mut file) = (root, file);
            while let Some(outer) = file.strip_prefix("../") {
                match root.rsplit_once('/') {
                    Some((above, last)) if !matches!(last, ".." | "." | "") => root = above,
                    None if !matches!(root, ".." | "." | "") => return outer.to_owned(),
                    _ => break,
                }
                file = outer;
            }
            format!("{root}/{file}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::diagnostic::Code;
    use crate::manifest::read::whole;
    use crate::manifest::source::whole_file;

    fn problem(severity: Severity, message: &str) -> Diagnostic {
        Diagnostic {
            severity,
            ..whole("a.hcl".into(), Code::Syntax, message.to_owned())
        }
    }

    #[test]
    fn a_warning_hides_no_error() {
        let list = [
            problem(Severity::Warning, "one"),
            problem(Severity::Warning, "two"),
            problem(Severity::Error, "three"),
        ];
        let shown = |count| {
            let style = Style {
                color: false,
                most: count,
            };
            human(&list, "shop", style)
        };
        let text = shown(2);
        assert!(text.contains("one") && text.contains("three"), "{text}");
        assert!(text.ends_with("and 1 more in shop\n"), "{text}");
        assert!(shown(1).contains("three") && !shown(1).contains("one"));
        assert!(!shown(3).contains("more"));
    }

    #[test]
    fn paths_are_those_of_a_list_of_files() {
        for (root, file, expect) in [
            ("checks.d", "web.hcl", "checks.d/web.hcl"),
            ("checks.d/", "web.hcl", "checks.d/web.hcl"),
            ("./checks.d", "web.hcl", "checks.d/web.hcl"),
            (".", "web.hcl", "web.hcl"),
            ("teams/web", "../shared/a.hcl", "teams/shared/a.hcl"),
            ("web", "../shared/a.hcl", "shared/a.hcl"),
            ("a/b", "../../c/a.hcl", "c/a.hcl"),
            (".", "../shared/a.hcl", "../shared/a.hcl"),
            ("..", "../shared/a.hcl", "../../shared/a.hcl"),
            ("/a", "../shared/a.hcl", "/shared/a.hcl"),
            ("checks.d", ".", "checks.d"),
            ("checks.d", "--var x", "--var x"),
        ] {
            let at = whole_file(file.to_owned());
            assert_eq!(file_path(&at, root), expect, "{root} {file}");
        }
    }
}
