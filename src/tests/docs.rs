//! The documents say what the programs do: settings, metrics, check files,
//! commands. `UPDATE_DOCS=1` writes the generated parts anew.

mod diagnostics;
mod language;
mod probing;
mod tour;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{ArgAction, CommandFactory};
use lokahi::api::{MethodRow, method_rows};
use lokahi::daemon::settings::{Healthworker, Lokahid, Webhookworker};
use lokahi::manifest::compile::{Keep, compile};
use lokahi::manifest::format::format;
use lokahi::manifest::inputs::Inputs;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The documents that people write, by path.
fn documents() -> Vec<(String, String)> {
    let mut paths = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// The blocks of a document in one language, with the line of each.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String, bool)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(rest)) => open = Some((number + 1, String::new(), rest == language)),
            (Some(_), Some(_)) => {
                let (line, text, wanted) = open.take().unwrap();
                if wanted {
                    found.push((line, text));
                }
            }
            (Some((_, text, _)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// A document with the part between `<!-- NAME -->` and `<!-- end -->` written anew.
fn with_part(text: &str, name: &str, part: &str) -> String {
    let start = format!("<!-- {name} -->\n");
    let (before, rest) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("no {start}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{start}{part}<!-- end -->{after}")
}

/// Holds a document against what it should be, or writes that.
fn keep_fresh(path: &str, fresh: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(path), fresh).unwrap();
        return;
    }
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(
        fresh == text,
        "{path}: run UPDATE_DOCS=1 cargo xtask test -- docs"
    );
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The same for what is written as code.
fn code(text: &str) -> String {
    match text.contains('`') {
        true => cell(&format!("`` {text} ``")),
        false => cell(&format!("`{text}`")),
    }
}

fn table<S: CommandFactory>() -> String {
    let command = S::command();
    let mut table =
        "| environment | flag | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for argument in command.get_arguments() {
        let Some(variable) = argument.get_env() else {
            continue;
        };
        let flag = argument.get_long().unwrap();
        let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
        let value = argument.get_value_names().filter(|_| takes);
        let value = value.map_or(String::new(), |names| format!(" {}", names[0]));
        let default = argument.get_default_values().first().filter(|_| takes);
        let default = default.map_or(String::new(), |it| format!("`{}`", it.to_string_lossy()));
        let about = cell(&argument.get_help().unwrap().to_string());
        let variable = variable.to_string_lossy();
        table.push_str(&format!(
            "| `{variable}` | `--{flag}{value}` | {default} | {about} |\n"
        ));
    }
    table
}

#[test]
fn the_tables_of_settings_are_fresh() {
    let mut fresh = read("README.md");
    for (program, table) in [
        ("lokahid", table::<Lokahid>()),
        ("healthworker", table::<Healthworker>()),
        ("webhookworker", table::<Webhookworker>()),
    ] {
        fresh = with_part(&fresh, &format!("settings:{program}"), &table);
    }
    keep_fresh("README.md", &fresh);
}

#[test]
fn the_table_of_calls_is_fresh() {
    let mut table = "| path | from | to | scope |\n| --- | --- | --- | --- |\n".to_owned();
    for row in method_rows() {
        let MethodRow {
            name,
            request,
            answer,
            needs,
        } = row;
        table.push_str(&format!(
            "| `/twirp/{name}` | {request} | {answer} | {needs} |\n"
        ));
    }
    let path = "docs/wire.md";
    keep_fresh(path, &with_part(&read(path), "calls", &table));
}

#[test]
fn every_check_file_in_the_documents_is_valid_and_formatted() {
    let mut seen = 0;
    for (path, text) in documents() {
        for (line, mut block) in blocks(&text, "hcl") {
            let formatted = format(&block).unwrap();
            assert_eq!(formatted.trim_end(), block.trim_end(), "{path}:{line}");
            if !block.lines().any(|line| line.starts_with("lokahi {")) {
                block.push_str("\nlokahi {\n  project = \"documents\"\n}\n");
            }
            let files = BTreeMap::from([("block.hcl".to_owned(), block.into_bytes())]);
            if let Err(problems) = compile(&files, &Inputs::default(), Keep::Specs) {
                panic!("{path}:{line}: {problems:?}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} blocks were found");
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut seen = 0;
    for (path, text) in documents() {
        for (line, block) in blocks(&text, "console") {
            for words in block.lines().filter_map(|l| l.strip_prefix("$ lokahictl ")) {
                // With --help last everything before it is still parsed.
                let arguments = words.split(['|', '>']).next().unwrap().split_whitespace();
                let output = Command::new(env!("CARGO_BIN_EXE_lokahictl"))
                    .args(arguments)
                    .arg("--help")
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{path}:{line}: {words}: {said}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "only {seen} commands were found");
}

#[test]
fn the_exit_codes_are_those_of_the_readme() {
    let source = read("src/cli/exit.rs");
    let made = source.lines().filter_map(|line| {
        let (_, code) = line.trim().strip_prefix("Exit::")?.split_once(" => ")?;
        code.strip_suffix(',')?.parse().ok()
    });
    let made: BTreeSet<u8> = made.collect();
    let readme = read("README.md");
    let (_, rest) = readme.split_once("\n### Exit codes\n").unwrap();
    let (rest, _) = rest.split_once("\n## ").unwrap();
    let told = rest.lines().filter_map(|line| {
        let (code, _) = line.strip_prefix("| ")?.split_once(" | ")?;
        code.parse().ok()
    });
    assert_eq!(told.collect::<BTreeSet<u8>>(), made);
    assert!(made.contains(&130), "{made:?}");
}

#[test]
fn the_little_programs_have_the_settings_that_are_named() {
    let readme = read("README.md");
    for (program, path, names) in [
        (
            "sample_hook",
            env!("CARGO_BIN_EXE_sample_hook"),
            "PORT LISTEN",
        ),
        (
            "slack_hook",
            env!("CARGO_BIN_EXE_slack_hook"),
            "PORT LISTEN WEBHOOK_URL",
        ),
        (
            "discord_hook",
            env!("CARGO_BIN_EXE_discord_hook"),
            "PORT LISTEN WEBHOOK_URL",
        ),
        (
            "duke-of-york",
            env!("CARGO_BIN_EXE_duke-of-york"),
            "PORT LISTEN PERIOD",
        ),
    ] {
        assert!(readme.contains(&format!("`{program}`")), "{program}");
        let help = Command::new(path).arg("--help").output().unwrap().stdout;
        let help = String::from_utf8(help).unwrap();
        for name in names.split(' ') {
            assert!(help.contains(&format!("[env: {name}")), "{program}: {name}");
            assert!(readme.contains(&format!("`{name}`")), "README.md: {name}");
        }
    }
}

/// What stands in `marks` and begins like a metric.
fn metrics(text: &str, mark: char) -> BTreeSet<String> {
    text.split(mark)
        .filter(|word| word.starts_with("lokahi_") || word.starts_with("probe_"))
        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .map(|word| word.trim_end_matches("_total").to_owned())
        .collect()
}

#[test]
fn every_metric_is_described_and_no_other() {
    let mut made = metrics(&read("src/daemon/metrics.rs"), '"');
    made.extend(metrics(&read("src/daemon/probes.rs"), '"'));
    assert_eq!(metrics(&read("docs/metrics.md"), '`'), made);
}

/// The text of every Rust file.
fn sources() -> String {
    let mut folders = vec![root().join("src"), root().join("xtask/src")];
    let mut all = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    all
}

#[test]
fn every_test_that_holds_an_invariant_is_there() {
    let text = read("ARCHITECTURE.md");
    let (_, rest) = text.split_once("## What never happens").unwrap();
    let (rest, _) = rest.split_once("\n## ").unwrap();
    let sources = sources();
    let mut seen = 0;
    for word in rest.split('`') {
        let is_name =
            word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if is_name {
            assert!(
                sources.contains(&format!("fn {word}()")),
                "ARCHITECTURE.md names the test {word}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 15, "only {seen} tests were found");
}

#[test]
fn every_path_in_the_architecture_is_there() {
    let text = read("ARCHITECTURE.md");
    let mut seen = 0;
    for word in text.split('`') {
        let is_path = [
            "src/",
            "xtask/src/",
            "docs/",
            "migrations/",
            "proto/",
            "examples/",
        ]
        .iter()
        .any(|start| word.starts_with(start));
        if is_path && !word.contains([' ', '*', '{', '<', '\n']) {
            assert!(root().join(word).exists(), "ARCHITECTURE.md names {word}");
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} paths were found");
}

#[test]
fn the_readme_names_the_rust_that_is_needed() {
    let manifest = read("Cargo.toml");
    let (_, rest) = manifest.split_once("rust-version = \"").unwrap();
    let (version, _) = rest.split_once('"').unwrap();
    assert!(read("README.md").contains(&format!("Rust {version} or newer")));
}
