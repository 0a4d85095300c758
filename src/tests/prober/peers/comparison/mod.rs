//! What lokahi says of a site and what blackbox_exporter says of it, over many sites that nobody
//! here wrote. `cargo xtask compare` fetches blackbox_exporter and runs this story, which writes
//! `docs/comparison.md`; it fails where the two differ and nothing here explains why.

mod explained;
mod ground;
mod page;
mod said;
mod blackbox;
mod lokahictl;
mod targets;

use std::collections::BTreeSet;
use std::path::Path;

use explained::{EXPLANATIONS, explained};
use ground::Ground;
use targets::TARGETS;

use super::namespace::alone;

/// Set by `cargo xtask compare`: other runs of the tests need no blackbox_exporter.
const ASKED: &str = "LOKAHI_COMPARE";
const STORY: &str = "prober::peers::comparison::both_are_asked_and_the_page_is_written";

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/comparison.md")
}

#[test]
fn both_are_asked_and_the_page_is_written() {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    let said = alone(STORY, async || {
        let ground = Ground::lay().await;
        let blackbox = blackbox::Blackbox::start(&ground).await;
        let ours = lokahictl::lokahi(&ground).await;
        let mut rows = Vec::new();
        let mut unexplained = Vec::new();
        let mut used = BTreeSet::new();
        for (target, ours) in TARGETS.iter().zip(ours) {
            let theirs = blackbox.says(&ground, target).await;
            let mut numbers = Vec::new();
            for difference in said::differences(&theirs, &ours) {
                match explained(target.name, difference) {
                    Some(number) => numbers.push(number),
                    None => unexplained.push(format!("{}: {difference:?}", target.name)),
                }
            }
            numbers.sort_unstable();
            numbers.dedup();
            used.extend(numbers.iter().copied());
            println!("{}\n  blackbox {theirs}\n  lokahi   {ours}", target.name);
            rows.push(page::row(target, &theirs, &ours, &numbers));
        }
        for (number, explanation) in EXPLANATIONS.iter().enumerate() {
            if !used.contains(&number) {
                unexplained.push(format!("nothing needs {:?} any more", explanation.why));
            }
        }
        assert!(
            unexplained.is_empty(),
            "what `explained.rs` lacks:\n{}",
            unexplained.join("\n")
        );
        std::fs::write(file(), page::page(&blackbox.version, &rows)).unwrap();
    });
    println!("{said}");
}

#[test]
fn the_page_lists_the_targets_and_the_explanations_of_the_tables() {
    let text = std::fs::read_to_string(file()).unwrap();
    let listed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(listed, names, "run cargo xtask compare");
    assert!(names.len() >= 40);
    for (target, line) in TARGETS
        .iter()
        .zip(text.lines().filter(|line| line.starts_with("| `")))
    {
        assert!(
            line.contains(target.what),
            "{}: run cargo xtask compare",
            target.name
        );
    }
    let told: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.split_once(". ")
                .filter(|(n, _)| n.parse::<u8>().is_ok())
        })
        .map(|(_, why)| why)
        .collect();
    let whys: Vec<&str> = EXPLANATIONS
        .iter()
        .map(|explanation| explanation.why)
        .collect();
    assert_eq!(told, whys, "run cargo xtask compare");
    for name in EXPLANATIONS.iter().flat_map(|explanation| explanation.of) {
        assert!(
            names.contains(name),
            "an explanation is of {name}, which is no target"
        );
    }
}
