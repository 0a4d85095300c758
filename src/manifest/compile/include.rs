//! The library folders of a root: which ones it names, and what they declare. Reading them is
//! `read`'s.

use crate::manifest::ast::{Item, Kind};
use crate::manifest::declare::{Declarations, Library};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::read::Reading;
use crate::manifest::source::Span;

/// Reads the library folders that the root names.
pub(super) fn include(reading: &mut Reading<'_>, declared: &mut Declarations) {
    let Some(block) = &declared.root else { return };
    let mut folders: Vec<(String, Span)> = Vec::new();
    for item in &block.body.items {
        let Item::Attribute(attribute) = item else {
            continue;
        };
        if attribute.name != "include" {
            continue;
        }
        let items = match &attribute.value.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&attribute.value),
        };
        for item in items {
            match (&item.kind, &attribute.value.kind) {
                (Kind::String(text), Kind::List(_)) => folders.push((text.to_string(), item.span)),
                _ => {
                    let message =
                        "`include` is a list of strings, written out: it says what is read";
                    let problem = Problem::new(Code::NotLiteral, item.span, message);
                    declared
                        .problems
                        .push(problem.hint("write `include = [\"../shared\"]`"));
                }
            }
        }
    }
    let mut read: Vec<(String, Span)> = Vec::new();
    for (folder, span) in folders {
        let plain = plain(&folder);
        let inside = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let same = |(other, _): &&(String, Span)| inside(&plain, other) || inside(other, &plain);
        if let Some((other, first)) = read.iter().find(same) {
            let message = match *other == plain {
                true => format!("{folder} is included twice"),
                false => format!("{folder} and {other} lie in one another: name the outer one"),
            };
            let problem = Problem::new(Code::InvalidInclude, span, message);
            declared
                .problems
                .push(problem.also(*first, "it is included here"));
            continue;
        }
        read.push((plain, span));
        match reading.library(&folder) {
            Ok(files) => {
                if files.is_empty() {
                    let message = format!("there are no check files in {folder}");
                    declared
                        .problems
                        .push(Problem::new(Code::InvalidInclude, span, message));
                }
                for file in files {
                    declared.file(file, Library::Yes, &reading.sources, &mut reading.gaps);
                }
            }
            Err(why) => {
                reading.gaps.blind = true;
                let message = format!("{folder} cannot be included: {why}");
                declared
                    .problems
                    .push(Problem::new(Code::InvalidInclude, span, message));
            }
        }
    }
}

/// A path to a folder in the shortest way: what is written differently may be the same.
fn plain(folder: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            (part, _) => parts.push(part),
        }
    }
    parts.join("/")
}
