//! Each code by its example: the bad text has it, the good one has not, and people see it as
//! the snapshot says. A code without an example fails.

use std::collections::{BTreeMap, BTreeSet};

use super::tree;
use crate::manifest::compile::{Keep, compile, roots, strays};
use crate::manifest::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::manifest::examples::{Bad, EXAMPLES};
use crate::manifest::inputs::{Inputs, Missing};
use crate::manifest::report::{Style, counts, human};
use crate::manifest::source::{Files, Unreadable};

/// A root that cannot be read in every way that there is.
struct Broken;

impl Files for Broken {
    fn list(&self) -> (Vec<String>, Vec<Unreadable>) {
        let names = ["large.hcl", "latin.hcl", "secret.hcl"].map(str::to_owned);
        let path = "gone".to_owned();
        let why = "the link leads nowhere".to_owned();
        (names.into(), vec![Unreadable { path, why }])
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        match path {
            "large.hcl" => Ok(vec![b'#'; 1024 * 1024 + 1]),
            "latin.hcl" => Ok(b"# caf\xe9".to_vec()),
            path => Err(Unreadable {
                path: path.to_owned(),
                why: "permission denied".to_owned(),
            }),
        }
    }

    fn library(&self, _folder: &str) -> Result<(Vec<String>, Vec<Unreadable>), String> {
        Err("permission denied".to_owned())
    }

    fn data(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("permission denied".to_owned())
    }

    fn data_list(&self, _folder: &str) -> Result<Vec<String>, String> {
        Err("permission denied".to_owned())
    }
}

/// All that is told of files: errors and lints.
fn told(files: &dyn Files, inputs: &Inputs) -> Vec<Diagnostic> {
    match compile(files, inputs, Keep::Specs) {
        Ok(compiled) => compiled.warnings,
        Err(Diagnostics(list)) => list,
    }
}

fn of_text(text: &str) -> Vec<Diagnostic> {
    told(&tree(&[("web.hcl", text)]), &Inputs::default())
}

/// What is told of the examples that no single text can show.
fn of_described() -> Vec<Diagnostic> {
    let alone = |text: &str| BTreeMap::from([("a.hcl".to_owned(), text.into())]);
    let root = |more: &str| alone(&format!("lokahi {{\n  project = \"shop\"\n{more}}}\n"));
    let defaults = Inputs::default();
    let refused = Inputs {
        missing: Missing::Refused,
        ..Inputs::default()
    };
    let flags = Inputs {
        flags: vec![("evn".to_owned(), "prod".to_owned())],
        ..Inputs::default()
    };
    let many: String = (0..11_000).map(|n| format!("a{n} = 1\n")).collect();
    let mut many = of_text(&many);
    assert_eq!(many.len(), 10_001);
    let mut shared = root("  include = [\"../gone\", \"../shared\"]\n");
    shared.insert(
        "../shared/web.hcl".to_owned(),
        b"check \"a\" {\n}\n".to_vec(),
    );
    let mut strayed = BTreeMap::from([("shop/lokahi.hcl".to_owned(), b"lokahi {\n}\n".to_vec())]);
    strayed.insert("old/web.hcl".to_owned(), Vec::new());
    let variable = tree(&[("web.hcl", "variable \"env\" {\n}\n")]);
    let mut all = told(&Broken, &defaults);
    all.extend(told(&alone(""), &defaults));
    all.extend(many.drain(..1));
    all.extend(strays(&strayed, &roots(&strayed)));
    all.extend(told(&variable, &refused));
    all.extend(told(&variable, &flags));
    all.extend(told(&shared, &defaults));
    all.extend(told(&root("  required_version = \">= 9\"\n"), &defaults));
    all
}

#[test]
fn each_bad_example_has_its_problem_and_each_good_one_has_not() {
    for example in EXAMPLES {
        let id = example.code.id();
        if let Bad::Text(text) = example.bad {
            let list = of_text(text);
            let has = list.iter().any(|one| one.code == example.code);
            assert!(has, "{id}\n{}", human(&list, "", Style::default()));
        }
        let list = of_text(example.good);
        let errors = example.code.severity() == crate::manifest::diagnostic::Severity::Error;
        let wrong = list.iter().filter(|one| match errors {
            // An example of an error need not be free of lints.
            true => one.severity == crate::manifest::diagnostic::Severity::Error,
            false => true,
        });
        let wrong: Vec<_> = wrong.cloned().collect();
        assert!(
            wrong.is_empty(),
            "{id}\n{}",
            human(&wrong, "", Style::default())
        );
    }
}

#[test]
fn each_code_has_one_example() {
    let examples: Vec<Code> = EXAMPLES.iter().map(|example| example.code).collect();
    assert_eq!(examples, Code::ALL);
    let ids: BTreeSet<_> = Code::ALL.iter().map(|code| code.id()).collect();
    assert_eq!(ids.len(), Code::ALL.len(), "two codes have one number");
    let described = of_described();
    for example in EXAMPLES {
        if let (Bad::Described(_), false) = (example.bad, example.code == Code::TooMuch) {
            let seen = described.iter().any(|one| one.code == example.code);
            assert!(seen, "{}", example.code);
        }
    }
}

#[test]
fn how_they_read() {
    let mut all = String::new();
    for example in EXAMPLES {
        if let Bad::Text(text) = example.bad {
            let list = of_text(text);
            let shown = human(&list, "checks.d", Style::default());
            all.push_str(&format!("{shown}{}\n\n", counts(&list)));
        }
    }
    all.push_str(&human(&of_described(), "checks.d", Style::default()));
    insta::assert_snapshot!(all);
}

#[test]
fn of_many_problems_an_error_is_named_first() {
    let text = "check \"a\" {\n  url = \"https://example.com/\"\n}\n\ncheck \"b\" {\n  ulr = \"x\"\n  evry = \"5s\"\n}\n";
    let told = compile(
        &tree(&[("web.hcl", text)]),
        &Inputs::default(),
        Keep::Nothing,
    );
    let problems = told.unwrap_err();
    let words = problems.to_string();
    let errors = problems.0.iter();
    let errors = errors.filter(|problem| problem.severity == Severity::Error);
    let errors = errors.count();
    assert!(errors > 1 && errors < problems.0.len(), "{problems:?}");
    let others = format!(" (and {} more)", errors - 1);
    assert!(
        words.contains(": error[") && words.ends_with(&others),
        "{words}"
    );
}
