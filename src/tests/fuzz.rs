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
mod said;
mod seeds;

use lokahi::manifest::diagnostic::Diagnostics;
use lokahi::manifest::format::{Refused, format};
use lokahi::manifest::{parse as notation, report};

use run::{Target, run};
use said::{hash, kind, meaning, said, shape, written_and_read};
use seeds::seeds;

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
