//! What fuzzing begins with.

use std::path::Path;

use lokahi::manifest::eval::functions::FUNCTIONS;
use lokahi::manifest::examples::{Bad, EXAMPLES};

use super::run::read;

/// Every check file of the repository, every example of the tables and the documents.
pub(super) fn seeds() -> Vec<String> {
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
