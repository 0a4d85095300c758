//! The README's tour of check files, walked: what it shows is what is printed.

use std::path::Path;
use std::process::Command;

use super::{blocks, read, root};

/// What lokahictl prints in a folder, warnings and counts behind the rest.
fn run(folder: &Path, words: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lokahictl"))
        .args(words.split_whitespace())
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    format!("{out}{words}")
}

/// Copies a folder and what is below it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, to).unwrap();
        }
    }
}

#[test]
fn the_tour_prints_what_it_says() {
    let readme = read("README.md");
    let (_, tour) = readme.split_once("### A check in a file\n").unwrap();
    let (tour, _) = tour.split_once("\n## ").unwrap();
    let name = format!("lokahi-tour-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let checks = folder.join("checks.d");
    copy(&root().join("checks.d"), &checks);
    let duke = checks.join("duke.hcl");
    let sample = std::fs::read_to_string(&duke).unwrap();
    let (_, broken) = blocks(tour, "text").remove(0);
    let (_, mended) = blocks(tour, "hcl").remove(0);
    std::fs::write(&duke, format!("{sample}\n{broken}")).unwrap();
    let mut seen = Vec::new();
    for (line, block) in blocks(tour, "console") {
        let (command, shown) = block.split_once('\n').unwrap();
        let words = command.strip_prefix("$ lokahictl ").unwrap();
        let first = words.split(' ').next().unwrap();
        if !["validate", "fmt", "render"].contains(&first) {
            continue;
        }
        if first == "fmt" {
            let loose = mended.replace("every   =", "every =");
            std::fs::write(&duke, format!("{sample}\n{loose}")).unwrap();
        }
        let printed = run(&folder, words);
        assert_eq!(printed.trim_end(), shown.trim_end(), "{line}: {words}");
        seen.push(first.to_owned());
    }
    assert_eq!(seen, ["validate", "fmt", "render"]);
    assert_eq!(
        std::fs::read_to_string(&duke).unwrap(),
        format!("{sample}\n{mended}")
    );
    std::fs::remove_dir_all(folder).unwrap();
}
