//! The language as tables of input and answer: what files mean, and how each
//! problem reads. The laws are in `laws`.

mod access;
mod causes;
mod codes;
mod given;
mod hunted;
mod lifecycle;
mod laws;
mod lints;
mod meaning;
mod meant;
mod rendered;
mod receivers;
mod expressions;
mod notation;
mod limits;
mod maintained;
mod properties;
mod suppression;

use std::collections::BTreeMap;

use crate::manifest::compile::{Compiled, Keep, compile};
use crate::manifest::diagnostic::{Diagnostics, Severity};
use crate::manifest::inputs::Inputs;
use crate::model::desired::Desired;

/// Files by path, and the root's own block, which stands in `lokahi.hcl`.
fn tree(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let root = ("lokahi.hcl", "lokahi {\n  project = \"shop\"\n}\n");
    let all = [root].into_iter().chain(files.iter().copied());
    all.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn compiled(files: &[(&str, &str)]) -> Result<Compiled, Diagnostics> {
    compile(&tree(files), &Inputs::default(), Keep::Specs)
}

/// The desired state of files that have no error.
fn good(files: &[(&str, &str)]) -> Desired {
    let compiled = compiled(files).unwrap_or_else(|problems| panic!("{problems}"));
    compiled.desired.expect("everything is known")
}

/// The errors, one a line.
fn problems(files: &[(&str, &str)]) -> Vec<String> {
    match compiled(files) {
        Ok(_) => Vec::new(),
        Err(Diagnostics(list)) => list
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(ToString::to_string)
            .collect(),
    }
}
