//! The page of problems: each code, a text that has it, what is printed, and the text mended.

use std::collections::BTreeMap;

use lokahi::manifest::compile::{Keep, compile};
use lokahi::manifest::diagnostic::{Code, Diagnostic, Diagnostics};
use lokahi::manifest::examples::{Bad, EXAMPLES, Example};
use lokahi::manifest::inputs::Inputs;
use lokahi::manifest::report::{Style, human};

use super::{cell, keep_fresh, read, with_part};

/// What is printed of the example's own problem.
fn printed(text: &str, code: Code) -> String {
    let root = "lokahi {\n  project = \"shop\"\n}\n";
    let files = BTreeMap::from([
        ("lokahi.hcl".to_owned(), root.into()),
        ("web.hcl".to_owned(), text.as_bytes().to_vec()),
    ]);
    let list = match compile(&files, &Inputs::default(), Keep::Specs) {
        Ok(compiled) => compiled.warnings,
        Err(Diagnostics(list)) => list,
    };
    let own: Vec<Diagnostic> = list.into_iter().filter(|one| one.code == code).collect();
    human(&own, "checks.d", Style::default())
}

fn write_example(out: &mut String, example: &Example) {
    let code = example.code;
    out.push_str(&format!("### {}\n\n{}\n\n", code.id(), code.about()));
    match example.bad {
        Bad::Text(text) => {
            let shown = printed(text, code);
            let shown = shown.trim_end();
            out.push_str(&format!("```text\n{text}```\n\n```text\n{shown}\n```\n\n"));
            out.push_str(&format!("Mended:\n\n```hcl\n{}```\n\n", example.good));
        }
        Bad::Described(words) => out.push_str(&format!("{words}\n\n")),
    }
}

#[test]
fn the_page_of_problems_is_fresh() {
    let mut index = String::from("| code | | meaning |\n| --- | --- | --- |\n");
    for code in Code::ALL {
        let id = code.id();
        let anchor = id.to_ascii_lowercase();
        index.push_str(&format!(
            "| [{id}](#{anchor}) | {} | {} |\n",
            code.severity().name(),
            cell(code.about())
        ));
    }
    let mut all = String::from("\n");
    for example in EXAMPLES {
        write_example(&mut all, example);
    }
    let fresh = read("docs/diagnostics.md");
    let fresh = with_part(&fresh, "index", &index);
    let fresh = with_part(&fresh, "examples", &all);
    keep_fresh("docs/diagnostics.md", &fresh);
}
