//! A tree of check files as a whole: which folders are roots, and which files belong to none, so
//! that nobody would read them and nobody would say so.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::ast::{Item, Kind};
use crate::manifest::attributes::root::LOKAHI;
use crate::manifest::diagnostic::{Code, Diagnostic};
use crate::manifest::parse::{outline, parse};
use crate::manifest::read::{whole, without_mark};
use crate::manifest::source::{Files, folder, is_check_file};
use crate::model::name::Name;

/// The folders of a tree that are roots, ascending; the tree itself is the empty one.
pub fn roots(files: &dyn Files) -> Vec<String> {
    let mut roots = BTreeSet::new();
    let mut paths = files.list().0;
    // Where most people write it: the others need not be read then.
    paths.sort_by_key(|path| !path.ends_with("lokahi.hcl"));
    for path in paths.iter().filter(|path| is_check_file(path)) {
        let folder = folder(path);
        if roots.contains(folder) {
            continue;
        }
        let Ok(bytes) = files.read(path) else {
            continue;
        };
        if without_mark(bytes).split(|byte| *byte == b'\n').any(opens) {
            roots.insert(folder.to_owned());
        }
    }
    roots.into_iter().collect()
}

/// Whether a line opens the block of a root.
fn opens(line: &[u8]) -> bool {
    let rest = line.trim_ascii_start().strip_prefix(b"lokahi");
    rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"))
}

/// In how many lines of its block a root says which project it is.
const BLOCK: usize = 50;

/// The project of a root by its words alone: for one whose files cannot be compiled.
pub fn project_by_words(files: &dyn Files) -> Option<Name> {
    let (paths, _) = files.list();
    let own = |path: &&String| !path.contains('/') && is_check_file(path);
    let texts = paths.iter().filter(own);
    let texts = texts.filter_map(|path| files.read(path).ok());
    texts.into_iter().find_map(|bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines().skip_while(|line| !opens(line.as_bytes()));
        let block: Vec<&str> = lines.by_ref().take(BLOCK).collect();
        let block = block.join("\n");
        let (_, block) = block.split_once('{')?;
        let value = block.split(['\n', '}']).find_map(|line| {
            let value = line.trim().strip_prefix("project")?.trim_start();
            value.strip_prefix('=')
        })?;
        let (name, _) = value.trim_start().strip_prefix('"')?.split_once('"')?;
        name.parse().ok()
    })
}

/// The check files of a tree that belong to none of its roots and to no library of theirs: a
/// warning for each folder. None where there is no root at all, which is an error of its own.
pub fn strays(files: &dyn Files, roots: &[String]) -> Vec<Diagnostic> {
    if roots.is_empty() || roots.iter().any(String::is_empty) {
        return Vec::new();
    }
    let Some(libraries) = libraries(files, roots) else {
        return Vec::new();
    };
    let homes: Vec<&String> = roots.iter().chain(&libraries).collect();
    let at_home = |path: &str| homes.iter().any(|home| is_below(path, home));
    let mut lost: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files.list().0 {
        if is_check_file(&path) && !at_home(&path) {
            lost.entry(folder(&path).to_owned()).or_default().push(path);
        }
    }
    lost.into_values().filter_map(stray).collect()
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn stray(mut paths: Vec<String>) -> Option<Diagnostic> {
    paths.sort();
    let more = paths.len() - 1;
    let first = paths.into_iter().next()?;
    let message = match more {
        0 => "this file belongs to no root, and nobody reads it".to_owned(),
        more => format!(
            "this file and {more} more of its folder belong to no root, and nobody reads them"
        ),
    };
    let hint = "write `lokahi { project = \"name\" }` into a file of the folder, or name the folder \
                in a root's `include`; a name that begins with `_` is left out on purpose";
    let mut stray = whole(first, Code::Stray, message);
    stray.severity = stray.code.severity();
    stray.hint = Some(hint.to_owned());
    Some(stray)
}

/// The folders that roots include, as paths below the tree; `None` if a root cannot be read so
/// far: what it includes is not known.
fn libraries(files: &dyn Files, roots: &[String]) -> Option<Vec<String>> {
    let mut libraries = Vec::new();
    for path in files.list().0 {
        let home = folder(&path);
        if !is_check_file(&path) || !roots.iter().any(|root| root == home) {
            continue;
        }
        let text = String::from_utf8(without_mark(files.read(&path).ok()?)).ok()?;
        let outline = outline(0, &text, &[LOKAHI.name]);
        if outline.lost.iter().any(|lost| lost.kind == LOKAHI.name) {
            return None;
        }
        for part in outline.parts.iter().filter(|part| part.kind == LOKAHI.name) {
            let (parsed, lost) = parse(0, &text, part);
            if lost.is_some() {
                return None;
            }
            for item in &parsed.body.items {
                let Item::Block(block) = item else { continue };
                for item in &block.body.items {
                    let Item::Attribute(attribute) = item else {
                        continue;
                    };
                    let Kind::List(named) = &attribute.value.kind else {
                        continue;
                    };
                    for name in named.iter().filter(|_| attribute.name == "include") {
                        if let Kind::String(name) = &name.kind {
                            libraries.extend(beside(home, name));
                        }
                    }
                }
            }
        }
    }
    Some(libraries)
}

/// A path as it is written in a folder of the tree, below the tree; `None` if it leads out.
fn beside(home: &str, path: &str) -> Option<String> {
    let mut steps: Vec<&str> = home.split('/').collect();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop()?;
            }
            step => steps.push(step),
        }
    }
    Some(steps.join("/"))
}
