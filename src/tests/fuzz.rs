//! Fuzzing of the language and of what sites answer, on stable Rust: files and scripts that are
//! generated, or spliced from all that there are, must come back in time, without a panic, and
//! keep the laws of their target. As a test each target replays its corpus and tries a few
//! hundred; for longer: `FUZZ_SECONDS=600 cargo test --test lokahi fuzz::parse -- --nocapture`.
//! What fails is minimised and kept below `src/tests/fuzz/corpus`.

mod chance;
mod generate;
mod mutate;
#[cfg(target_os = "linux")]
mod probe;
mod run;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::Path;

use lokahi::manifest::compile::{Compiled, Keep, compile};
use lokahi::manifest::diagnostic::{Diagnostic, Diagnostics};
use lokahi::manifest::eval::functions::FUNCTIONS;
use lokahi::manifest::examples::{Bad, EXAMPLES};
use lokahi::manifest::format::{Refused, format};
use lokahi::manifest::inputs::Inputs;
use lokahi::manifest::written::{check_text, webhook_text};
use lokahi::manifest::{parse as notation, report};
use lokahi::model::desired::Desired;

use run::{Target, read, run};

const ROOT: &str = "lokahi {\n  project = \"shop\"\n}\n";

const INCLUDES: &str = "lokahi {\n  project = \"shop\"\n  include = [\"../shared\"]\n}\n";

/// What files give: their desired state and the lints, or the problems.
type Said = (Option<Desired>, Vec<Diagnostic>);

#[test]
fn parse() {
    run(&Target {
        name: "parse",
        ending: "hcl",
        seeds,
        mutate: mutate::mutated,
        seed: |chance, seeds| match chance.below(4) {
            0 => generate::file(chance),
            _ => chance.pick(seeds).clone(),
        },
        try_out: |text| {
            for problem in notation::problems(0, text, &["check", "locals", "webhook"]) {
                let span = problem.span.unwrap();
                let range = span.start as usize..span.end as usize;
                assert!(range.start <= range.end, "{problem:?}");
                // Of a file that ends in its middle, the end may be behind it.
                assert!(range.end <= text.len() + 2, "{problem:?}");
            }
            let problems = match said(text) {
                Ok((_, warnings)) => warnings,
                Err(Diagnostics(problems)) => problems,
            };
            let style = report::Style::default();
            let listed: Vec<_> = problems
                .iter()
                .map(|problem| ("checks.d", problem))
                .collect();
            assert!(report::human(&problems, "checks.d", style).len() < 1 << 22);
            assert!(report::github(&listed, 9).len() < 1 << 20);
            assert!(report::junit([("checks.d", &*problems)], 9).len() < 1 << 20);
            shape(&problems)
        },
    });
}

#[test]
fn evaluate() {
    run(&Target {
        name: "evaluate",
        ending: "hcl",
        seeds,
        mutate: mutate::mutated,
        seed: |chance, seeds| match chance.below(2) {
            0 => generate::file(chance),
            _ => chance.pick(seeds).clone(),
        },
        try_out: |text| {
            let first = said(text);
            assert_eq!(first, said(text), "compiled twice");
            match first {
                Ok((desired, warnings)) => {
                    let mut shape = shape(&warnings);
                    if let Some(desired) = desired {
                        written_and_read(&desired);
                        shape.push(hash(&(desired.checks.len().min(4), desired.webhooks.len())));
                    }
                    shape
                }
                Err(Diagnostics(problems)) => {
                    assert!(!problems.is_empty());
                    shape(&problems)
                }
            }
        },
    });
}

#[test]
fn fmt() {
    run(&Target {
        name: "fmt",
        ending: "hcl",
        seeds,
        mutate: mutate::mutated,
        seed: |chance, seeds| match chance.below(3) {
            0 => generate::file(chance),
            _ => chance.pick(seeds).clone(),
        },
        try_out: |text| match format(text) {
            Ok(once) => {
                assert_eq!(format(&once).as_deref(), Ok(&*once), "formatted twice");
                let (before, after) = (meaning(text), meaning(&once));
                // A block inside another that begins in column 1 is a bracket forgotten above it.
                let forgotten = |told: &String| told.starts_with("LK02");
                if !before
                    .as_ref()
                    .is_err_and(|told| told.iter().any(forgotten))
                {
                    assert_eq!(before, after, "formatting changed what it means");
                }
                match before {
                    Ok(checks) => vec![hash(&checks.map_or(0, |checks| checks.len().min(4)))],
                    Err(told) => told.iter().map(|told| hash(&kind(told))).collect(),
                }
            }
            Err(Refused::Invalid(problems)) => {
                assert!(!problems.is_empty());
                problems
                    .iter()
                    .map(|problem| hash(&kind(&problem.message)))
                    .collect()
            }
            Err(Refused::TooLarge) => vec![2],
            Err(Refused::Unproven { line, what }) => panic!("line {line}: {what}"),
        },
    });
}

/// Every check file of the repository, every example of the tables and the documents.
fn seeds() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    for folder in ["checks.d", "examples", "src/tests/fuzz/corpus"] {
        seeds.extend(read(&root.join(folder), "hcl"));
    }
    for document in read(&root.join("docs"), "md") {
        let blocks = document.split("```hcl\n").skip(1);
        seeds.extend(blocks.filter_map(|block| Some(block.split_once("```")?.0.to_owned())));
    }
    for example in EXAMPLES {
        seeds.push(example.good.to_owned());
        if let Bad::Text(text) = example.bad {
            seeds.push(text.to_owned());
        }
    }
    let calls = FUNCTIONS
        .iter()
        .map(|function| format!("locals {{\n  x = {}\n}}\n", function.example));
    seeds.extend(calls);
    seeds.retain(|text| text.len() < 16 * 1024);
    seeds
}

fn compiled(files: &[(&str, &str)]) -> Result<Compiled, Diagnostics> {
    let bytes = |(path, text): &(&str, &str)| (path.to_string(), text.as_bytes().to_vec());
    let files: BTreeMap<_, _> = files.iter().map(bytes).collect();
    compile(&files, &Inputs::default(), Keep::Specs)
}

/// What a root with this file gives. What stands behind [`generate::LIBRARY`] is a file of a
/// library that the root includes.
fn said(text: &str) -> Result<Said, Diagnostics> {
    match text.split_once(generate::LIBRARY) {
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
fn meaning(text: &str) -> Result<Option<Vec<String>>, Vec<String>> {
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
fn written_and_read(desired: &Desired) {
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
fn shape(problems: &[Diagnostic]) -> Vec<u64> {
    let kinds = problems
        .iter()
        .map(|problem| hash(&(problem.code.id(), kind(&problem.message))));
    kinds.collect()
}

/// A message without what is quoted and counted in it.
fn kind(message: &str) -> String {
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

fn hash(what: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
