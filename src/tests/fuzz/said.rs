//! What files give, what that means, and of which kind it is.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};

use lokahi::manifest::compile::{Compiled, Keep, compile};
use lokahi::manifest::diagnostic::{Diagnostic, Diagnostics};
use lokahi::manifest::inputs::Inputs;
use lokahi::manifest::written::{check_text, webhook_text};
use lokahi::model::desired::Desired;

use super::generate::LIBRARY;

const ROOT: &str = "lokahi {\n  project = \"shop\"\n}\n";

const INCLUDES: &str = "lokahi {\n  project = \"shop\"\n  include = [\"../shared\"]\n}\n";

/// What files give: their desired state and the lints, or the problems.
pub(super) type Said = (Option<Desired>, Vec<Diagnostic>);

fn compiled(files: &[(&str, &str)]) -> Result<Compiled, Diagnostics> {
    let bytes = |(path, text): &(&str, &str)| (path.to_string(), text.as_bytes().to_vec());
    let files: BTreeMap<_, _> = files.iter().map(bytes).collect();
    compile(&files, &Inputs::default(), Keep::Specs)
}

/// What a root with this file gives. What stands behind [`LIBRARY`] is a file of a
/// library that the root includes.
pub(super) fn said(text: &str) -> Result<Said, Diagnostics> {
    match text.split_once(LIBRARY) {
        Some((own, shared)) => said_of(&[
            ("lokahi.hcl", INCLUDES),
            ("web.hcl", own),
            ("../shared/web.hcl", shared),
        ]),
        None => said_of(&[("lokahi.hcl", ROOT), ("web.hcl", text)]),
    }
}

fn said_of(files: &[(&str, &str)]) -> Result<Said, Diagnostics> {
    let compiled = compiled(files)?;
    Ok((compiled.desired, compiled.warnings))
}

/// What a file means, without the places: its checks, or what is wrong.
pub(super) fn meaning(text: &str) -> Result<Option<Vec<String>>, Vec<String>> {
    // A mark before the first line is none of the file's.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match said_of(&[("lokahi.hcl", ROOT), ("web.hcl", text)]) {
        Ok((desired, _)) => Ok(desired.map(|desired| {
            let checks = desired.checks.iter();
            checks
                .map(|(address, check)| format!("{address} {:?}", check.spec))
                .collect()
        })),
        Err(Diagnostics(problems)) => {
            let told = problems
                .iter()
                .map(|problem| format!("{} {}", problem.code, problem.message));
            let mut told: Vec<_> = told.collect();
            told.sort();
            told.dedup();
            Err(told)
        }
    }
}

/// Writes what is desired and reads it back: every check is the same, at the same address.
pub(super) fn written_and_read(desired: &Desired) {
    let mut text = String::new();
    for (name, webhook) in &desired.webhooks {
        text.push_str(&webhook_text(name, &webhook.spec));
    }
    for (address, check) in desired.checks.iter().take(50) {
        text.push_str(&check_text(address, &check.spec, &BTreeMap::new(), ""));
    }
    let again = said(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let again = again.0.expect("everything is known");
    for (address, check) in desired.checks.iter().take(50) {
        let read = again.checks.get(address).map(|check| &check.spec);
        assert_eq!(read, Some(&check.spec), "written and read back:\n{text}");
    }
}

/// What kinds of problems there are.
pub(super) fn shape(problems: &[Diagnostic]) -> Vec<u64> {
    let kinds = problems
        .iter()
        .map(|problem| hash(&(problem.code.id(), kind(&problem.message))));
    kinds.collect()
}

/// A message without what is quoted and counted in it.
pub(super) fn kind(message: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for c in message.chars().take(200) {
        match c {
            '`' | '"' => inside = !inside,
            c if inside || c.is_ascii_digit() => {}
            c => kept.push(c),
        }
    }
    kept
}

pub(super) fn hash(what: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
