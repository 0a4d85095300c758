//! `cargo xtask tidy`: the rules that a compiler does not hold. Layers (a file uses only what
//! stands above it), doors (an outside library is named in one place), `//!` at the top of
//! each file, a ceiling for its length, and a few unwanted words. The rules are in `table`.

mod source;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::table::{DOORS, GENERATED, LAYERS, LONGEST, MEANT, MEDIAN, TESTS, UNWANTED};
use crate::{codegen, workspace};

/// A file, with its path relative to the workspace.
struct File {
    path: String,
    text: String,
}

pub(crate) fn run() -> Result<()> {
    let files = read_all(workspace::root())?;
    let complaints: Vec<_> = files.iter().flat_map(complaints).collect();
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if !complaints.is_empty() {
        bail!("{} things to tidy", complaints.len());
    }
    codegen::run(&codegen::Arguments { check: true })?;
    let median = median(&files);
    println!(
        "{} files, median {median} lines (the aim is {MEDIAN})",
        files.len()
    );
    Ok(())
}

/// Every Rust file that people write, in order.
fn read_all(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("src"), root.join("xtask/src")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.to_string_lossy().into_owned();
            if name.starts_with(GENERATED.trim_end_matches('/')) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path)?;
                files.push(File { path: name, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn median(files: &[File]) -> usize {
    let mut lengths: Vec<_> = files.iter().map(|file| file.text.lines().count()).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

/// What is wrong with a file, each as `path:line: what, and what to do`.
fn complaints(file: &File) -> Vec<String> {
    let code = source::code(&file.text);
    let mut found = Vec::new();
    let mut complain = |line: usize, what: String| found.push((line, what));

    if !file.text.starts_with("//!") {
        complain(1, "no //! line: begin with what the file is for".to_owned());
    }
    let length = file.text.lines().count();
    if length > LONGEST {
        complain(
            LONGEST,
            format!("{length} lines, the ceiling is {LONGEST}: split it by ideas"),
        );
    }
    for (number, line) in code.lines().enumerate() {
        for (text, instead) in UNWANTED {
            if line.contains(text) {
                complain(number + 1, format!("`{text}`: {instead}"));
            }
        }
    }
    if file.path.starts_with("src/") && !file.path.starts_with(TESTS) {
        for (line, library) in source::roots(&code, DOORS.iter().map(|(library, _)| *library)) {
            let doors = DOORS.iter().find(|(name, _)| *name == library);
            let doors = doors.map_or(&[][..], |(_, doors)| doors);
            if !doors.iter().any(|door| file.path.starts_with(door)) {
                let doors = doors.join(" and ");
                complain(
                    line,
                    format!("`{library}` is only for {doors}: go through it"),
                );
            }
        }
        match module(&file.path) {
            Some(own) if position(own).is_none() => complain(
                1,
                format!("`{own}` stands in no layer: give it a place in xtask/src/table.rs"),
            ),
            Some(own) => {
                for (line, used) in source::crate_paths(&code) {
                    if let Some(what) = forbidden(own, &used) {
                        complain(line, what);
                    }
                }
            }
            None => {}
        }
    }
    found.sort();
    found
        .into_iter()
        .map(|(line, what)| format!("{}:{line}: {what}", file.path))
        .collect()
}

/// The top-level module of a file below src; `None` for the crate's own.
fn module(path: &str) -> Option<&str> {
    let below = path.strip_prefix("src/")?;
    let first = below.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib").then_some(name)
}

/// (row, place in the row) of a module.
fn position(module: &str) -> Option<(usize, usize)> {
    LAYERS.iter().enumerate().find_map(|(row, layer)| {
        let place = layer.modules.iter().position(|name| *name == module)?;
        Some((row, place))
    })
}

fn forbidden(own: &str, used: &str) -> Option<String> {
    if own == used || MEANT.contains(&(own, used)) {
        return None;
    }
    let (row, place) = position(own)?;
    let layer = LAYERS.get(row)?;
    // A name that is no module is a macro or an item of lib.rs.
    let (used_row, used_place) = position(used)?;
    if used_row < row || (used_row == row && layer.left && used_place < place) {
        return None;
    }
    let name = layer.name;
    let theirs = LAYERS.get(used_row)?.name;
    Some(format!(
        "`{own}` ({name}) uses `crate::{used}` ({theirs}): only what stands above it is allowed; \
         take it as a parameter or move it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_tidy() {
        let files = read_all(workspace::root()).unwrap();
        let found: Vec<_> = files.iter().flat_map(complaints).collect();
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let file = File {
            path: path.to_owned(),
            text: format!("//! A file.\n{text}"),
        };
        let found = complaints(&file);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn layers_hold() {
        check("src/plan/mod.rs", "use crate::model::check::Check;", &[]);
        check("src/plan/mod.rs", "use crate::manifest::Manifest;", &[]);
        check(
            "src/manifest/mod.rs",
            "use crate::plan::Plan;",
            &["src/manifest/mod.rs:2: `manifest` (pure) uses `crate::plan`"],
        );
        check(
            "src/plan/mod.rs",
            "fn f() { crate::store::check_list() }",
            &["src/plan/mod.rs:2:"],
        );
        check(
            "src/shard/mod.rs",
            "use crate::{\n    model::check::Check,\n    prober::Probe,\n};",
            &["src/shard/mod.rs:4: `shard` (engines) uses `crate::prober` (engines)"],
        );
        check("src/cli/mod.rs", "use crate::client::Client;", &[]);
        check(
            "src/api/mod.rs",
            "use crate::client::Client;",
            &["src/api/mod.rs:2:"],
        );
        check("src/tests/story.rs", "use sqlx::PgPool;", &[]);
        check(
            "src/fancy.rs",
            "",
            &["src/fancy.rs:1: `fancy` stands in no layer"],
        );
    }

    #[test]
    fn doors_hold() {
        check("src/store/check.rs", "use sqlx::PgConnection;", &[]);
        check(
            "src/api/mod.rs",
            "use sqlx::PgConnection;",
            &["src/api/mod.rs:2: `sqlx` is only for src/store/"],
        );
        check(
            "src/api/mod.rs",
            "fn f(_: async_nats::Client) {}",
            &["src/api/mod.rs:2:"],
        );
        check(
            "src/api/mod.rs",
            "// sqlx::query is not for us\nconst A: &str = \"sqlx::query\";",
            &[],
        );
    }

    #[test]
    fn words_and_lengths_hold() {
        let word = "fn f() { todo!() }";
        check("xtask/src/a.rs", word, &["xtask/src/a.rs:2: `todo!`"]);
        check("src/model/a.rs", "// todo! is a word here", &[]);
        let long = "const A: u8 = 1;\n".repeat(LONGEST);
        check("src/model/a.rs", &long, &["src/model/a.rs:600: 601 lines"]);
        let file = File {
            path: "src/model/a.rs".to_owned(),
            text: "const A: u8 = 1;".to_owned(),
        };
        assert!(complaints(&file)[0].starts_with("src/model/a.rs:1: no //! line"));
    }
}
