//! From a folder to its desired state. It reads everything each time: what the
//! watcher says is only a hint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::files::folder::Folder;
use crate::manifest::compile::{
    Compiled, Keep, compile, project_by_words, roots as roots_of, strays as strays_of,
};
use crate::manifest::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::manifest::inputs::{Inputs, Missing, Strays};
use crate::manifest::source::{Excerpt, whole_file};
use crate::manifest::suggest::did_you_mean;
use crate::model::check::CheckSpec;
use crate::model::desired::Desired;
use crate::model::name::Name;
use crate::spec::Encoded;

/// What is to be applied, and warnings.
pub type Wanted<C = Encoded> = (Desired<C>, Vec<Diagnostic>);

/// What a root declares. Blocks on the disk.
pub fn load(root: &Path, inputs: &Inputs, keep: Keep) -> Result<Compiled, Diagnostics> {
    compile(&Folder::new(root), inputs, keep)
}

/// The roots of a tree.
#[derive(Debug)]
pub struct Tree {
    pub roots: Vec<(PathBuf, Result<Wanted, Diagnostics>)>,
    /// Values that are given for variables that no root has, if all of them could be read.
    pub strangers: Vec<Diagnostic>,
    /// The folders beside them whose files are theirs, too.
    pub libraries: BTreeSet<PathBuf>,
}

/// What a root declares, complete: every variable has a value. Blocks on the disk.
pub fn wanted(root: &Path, inputs: &Inputs) -> Result<Wanted<CheckSpec>, Diagnostics> {
    let compiled = load(root, &whole_inputs(inputs), Keep::Specs)?;
    let desired = compiled.desired.ok_or_else(not_all_known)?;
    Ok((desired, compiled.warnings))
}

/// The same with checks as bytes, and the names of its variables.
fn encoded(folder: &Folder, inputs: &Inputs) -> Result<(Wanted, Vec<String>), Diagnostics> {
    let compiled = compile(folder, &whole_inputs(inputs), Keep::Encoded)?;
    let desired = compiled.encoded.ok_or_else(not_all_known)?;
    Ok(((desired, compiled.warnings), compiled.variables))
}

fn whole_inputs(inputs: &Inputs) -> Inputs {
    Inputs {
        missing: Missing::Refused,
        ..inputs.clone()
    }
}

fn not_all_known() -> Diagnostics {
    let message = "not everything is known: a variable hangs on something that is not set";
    Diagnostics(vec![Diagnostic {
        message: message.to_owned(),
        ..at_line(Code::NoValue, ".", 0)
    }])
}

fn at_line(code: Code, file: &str, line: u32) -> Diagnostic {
    Diagnostic {
        code,
        severity: Severity::Error,
        message: String::new(),
        at: Excerpt {
            line,
            column: u32::from(line > 0),
            ..whole_file(file.to_owned())
        },
        also: Vec::new(),
        values: Vec::new(),
        hint: None,
    }
}

/// The environment of this process, as far as it is text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The roots at and below a path; the path itself where there is none, so that whoever reads
/// it says what is missing.
pub fn roots(path: &Path) -> Vec<PathBuf> {
    below(path, &roots_of(&Folder::new(path)))
}

/// The same, and warnings of the check files that belong to none of them. Blocks on the disk.
pub fn survey(path: &Path) -> (Vec<PathBuf>, Vec<Diagnostic>) {
    let folder = Folder::new(path);
    let found = roots_of(&folder);
    (below(path, &found), strays_of(&folder, &found))
}

fn below(path: &Path, found: &[String]) -> Vec<PathBuf> {
    if found.is_empty() {
        return vec![path.to_owned()];
    }
    let below = |folder: &String| match folder.as_str() {
        "" => path.to_owned(),
        folder if path == Path::new(".") => PathBuf::from(folder),
        folder => path.join(folder),
    };
    found.iter().map(below).collect()
}

/// The project of a root whose files cannot be compiled, as far as they still say it.
pub(super) fn named(root: &Path) -> Option<Name> {
    project_by_words(&Folder::new(root))
}

/// Inputs for so many roots in one run: what is given may be for some of them only.
pub fn for_roots(inputs: &Inputs, roots: usize) -> Inputs {
    Inputs {
        strays: match roots {
            0 | 1 => Strays::Refused,
            _ => Strays::Allowed,
        },
        ..inputs.clone()
    }
}

/// What every root at and below a path says, and warnings of the check files that belong to
/// none of them. Two roots of one project would delete each other's checks, and are refused
/// both. Blocks on the disk.
pub fn whole(path: &Path, inputs: &Inputs) -> (Tree, Vec<Diagnostic>) {
    let (roots, strays) = survey(path);
    (loaded(roots, inputs), strays)
}

fn loaded(roots: Vec<PathBuf>, inputs: &Inputs) -> Tree {
    let inputs = for_roots(inputs, roots.len());
    let mut variables = Vec::with_capacity(roots.len());
    let mut libraries = BTreeSet::new();
    let mut loaded: Vec<_> = roots
        .into_iter()
        .map(|root| {
            let folder = Folder::new(&root);
            let wanted = encoded(&folder, &inputs).map(|(wanted, names)| {
                variables.push(names);
                wanted
            });
            libraries.extend(folder.libraries());
            (root, wanted)
        })
        .collect();
    let strangers = match variables.len() == loaded.len() {
        true => strangers(&inputs, &variables),
        false => Vec::new(),
    };
    let mut known: BTreeMap<Name, Vec<PathBuf>> = BTreeMap::new();
    for (root, wanted) in &loaded {
        if let Ok((desired, _)) = wanted {
            let project = desired.project.clone();
            known.entry(project).or_default().push(root.clone());
        }
    }
    for (root, wanted) in &mut loaded {
        let Ok((desired, _)) = wanted else { continue };
        let same = known.get(&desired.project).map_or(&[][..], Vec::as_slice);
        let Some(other) = same.iter().find(|other| *other != root) else {
            continue;
        };
        let twice = same_project(&desired.project, &other.display().to_string());
        *wanted = Err(Diagnostics(vec![twice]));
    }
    Tree {
        roots: loaded,
        strangers,
        libraries,
    }
}

/// The values that are given for variables that none of several roots has; a single root tells
/// by itself.
pub fn strangers(inputs: &Inputs, variables: &[impl AsRef<[String]>]) -> Vec<Diagnostic> {
    if variables.len() < 2 {
        return Vec::new();
    }
    let names = || variables.iter().flat_map(AsRef::as_ref);
    let given = inputs.flags.iter().map(|(name, _)| name);
    let unknown = given.filter(|name| !names().any(|variable| variable == *name));
    let told = unknown.map(|name| Diagnostic {
        message: format!("--var {name}: no root has a variable `{name}`"),
        hint: did_you_mean(name, names().map(String::as_str)),
        ..at_line(Code::UndeclaredVariable, ".", 0)
    });
    told.collect()
}

/// That another root declares the same project.
pub fn same_project(project: &Name, other: &str) -> Diagnostic {
    Diagnostic {
        message: format!("{other} is a root of the project {project}, too"),
        hint: Some("one project is one root: give one of them another name".to_owned()),
        ..at_line(Code::DeclaredTwice, ".", 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_good() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("checks.d");
        let (desired, warnings) = wanted(&root, &Inputs::default()).unwrap();
        assert!(warnings.is_empty());
        assert_eq!(desired.project.as_str(), "sample");
        let duke = &desired.checks["duke_of_york"];
        assert_eq!(duke.source.file, "duke.hcl");
        assert_eq!(duke.spec.every.seconds(), 1);
        assert_eq!(duke.spec.receivers[0].as_str(), "sample_hook");
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_problem() {
        let problems = wanted(Path::new("/nowhere/at/all"), &Inputs::default()).unwrap_err();
        assert_eq!(
            problems.to_string(),
            ".: error[LK0101]: cannot be read: there is no such file or folder"
        );
    }
    #[test]
    fn each_root_of_a_tree_is_a_project_of_its_own() {
        let tree = std::env::temp_dir().join(format!("lokahi-tree-{}", std::process::id()));
        let root = |folder: &str, text: &str| {
            std::fs::create_dir_all(tree.join(folder)).unwrap();
            std::fs::write(tree.join(folder).join("lokahi.hcl"), text).unwrap();
        };
        let project = |name: &str| format!("lokahi {{\n  project = \"{name}\"\n}}\n");
        root("", &project("all"));
        root("web", &project("web"));
        root("web/shop", &project("shop"));
        root("more", &project("shop"));
        root("bad", "lokahi {\n  projcet = \"x\"\n}\n");
        let loaded = super::whole(&tree, &Inputs::default()).0.roots;
        let says: Vec<String> = loaded
            .iter()
            .map(|(path, wanted)| {
                let folder = path.strip_prefix(&tree).unwrap().display();
                match wanted {
                    Ok((desired, _)) => format!("{folder}: {}", desired.project),
                    Err(problems) => format!("{folder}: {}", problems.0[0].message),
                }
            })
            .collect();
        std::fs::remove_dir_all(&tree).unwrap();
        let shop = |other: &str| {
            let other = tree.join(other).display().to_string();
            format!("{other} is a root of the project shop, too")
        };
        let expect = [
            ": all".to_owned(),
            "bad: this `lokahi` needs `project`".to_owned(),
            format!("more: {}", shop("web/shop")),
            "web: web".to_owned(),
            format!("web/shop: {}", shop("more")),
        ];
        assert_eq!(says, expect);
    }
}
