//! The generated parts of the language's page: blocks, functions, limits, and what a condition
//! sees of a response.

use lokahi::files::folder;
use lokahi::manifest::attributes::check::CHECK;
use lokahi::manifest::attributes::{DEFAULTS, FILE, TEMPLATE};
use lokahi::manifest::compile::MAX_KEY;
use lokahi::manifest::diagnostic::Diagnostics;
use lokahi::manifest::eval::functions::{FUNCTIONS, Group};
use lokahi::manifest::eval::scope::response_type;
use lokahi::manifest::eval::special::SPECIAL;
use lokahi::manifest::eval::typing::Type;
use lokahi::manifest::eval::{MAX_STEPS, MAX_TEXT};
use lokahi::manifest::scan::{
    MAX_CHAIN, MAX_ENTRIES, MAX_LEVELS, MAX_NESTING, MAX_OPERATORS, MAX_PATH,
};
use lokahi::manifest::source::{MAX_FILE, MAX_TOTAL};
use lokahi::manifest::table::{Block, Label};
use lokahi::model::check::CheckSpec;
use lokahi::model::name::Name;

use super::{cell, code, keep_fresh, read, with_part};

/// What stands in a block, one a line.
struct Row {
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    bounds: &'static str,
    about: &'static str,
    example: &'static str,
}

fn rows(block: &'static Block) -> Vec<Row> {
    let meta = block.meta.iter().map(|meta| Row {
        name: meta.name,
        kind: meta.kind,
        default: meta.default,
        bounds: "",
        about: meta.about,
        example: meta.example,
    });
    let attributes = block.attributes.iter().map(|attribute| Row {
        name: attribute.name,
        kind: attribute.kind,
        default: attribute.default,
        bounds: attribute.bounds,
        about: attribute.about,
        example: attribute.example,
    });
    attributes.chain(meta).collect()
}

/// A default as code, unless it is described.
fn default(text: &str) -> String {
    let is_value = text.starts_with(['"', '[', '{']) || text.parse::<f64>().is_ok();
    match text {
        "" => "required".to_owned(),
        "true" | "false" => code(text),
        text if is_value => code(text),
        text => cell(text),
    }
}

fn heading(block: &Block) -> String {
    match block.label {
        Label::None => format!("`{}`", block.name),
        Label::Optional => format!("`{}`, `{} \"NAME\"`", block.name, block.name),
        Label::Name => format!("`{} \"NAME\"`", block.name),
        Label::Instance => format!(
            "`{} \"NAME\"`, `{} \"NAME\" \"KEY\"`",
            block.name, block.name
        ),
    }
}

fn write_block(out: &mut String, block: &'static Block, level: &str, place: &str) {
    out.push_str(&format!(
        "{level} {}{place}\n\n{}\n\n",
        heading(block),
        block.about
    ));
    let like_check = [DEFAULTS.name, TEMPLATE.name].contains(&block.name);
    if like_check {
        assert_eq!(
            block.attributes.len() + block.blocks.len(),
            CHECK.attributes.len() + CHECK.blocks.len()
        );
        out.push_str("Its attributes and blocks are those of `check`, but for ");
        let own: Vec<_> = CHECK.meta.iter().map(|meta| code(meta.name)).collect();
        out.push_str(&format!("{}; none is required.\n\n", own.join(" and ")));
        return;
    }
    let rows = rows(block);
    if !rows.is_empty() {
        out.push_str("| attribute | type | default | meaning | example |\n");
        out.push_str("| --- | --- | --- | --- | --- |\n");
    }
    for row in &rows {
        let bounds = match row.bounds {
            "" => String::new(),
            bounds => format!("; {bounds}"),
        };
        out.push_str(&format!(
            "| {} | {}{} | {} | {} | {} |\n",
            code(row.name),
            cell(row.kind),
            cell(&bounds),
            default(row.default),
            cell(row.about),
            code(row.example),
        ));
    }
    if !rows.is_empty() {
        out.push('\n');
    }
    for inner in block.blocks {
        write_block(out, inner, "####", &format!(" in `{}`", block.name));
    }
}

fn blocks() -> String {
    let mut out = String::from("\n");
    for block in FILE.blocks {
        write_block(&mut out, block, "###", "");
    }
    out
}

fn functions() -> String {
    let mut out = String::from("\n");
    for (group, heading) in [
        (Group::String, "Texts"),
        (Group::Collection, "Lists, sets and objects"),
        (Group::Number, "Numbers"),
        (Group::Encoding, "Encodings"),
        (Group::Conversion, "Conversions"),
    ] {
        out.push_str(&format!("### {heading}\n\n"));
        out.push_str("| function | comes to | example | gives |\n| --- | --- | --- | --- |\n");
        for function in FUNCTIONS.iter().filter(|function| function.group == group) {
            out.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                code(&function.signature()),
                cell(function.about),
                code(function.example),
                code(function.gives),
            ));
        }
        out.push('\n');
    }
    out.push_str("### With a look around\n\n");
    out.push_str("| function | comes to | example |\n| --- | --- | --- |\n");
    for special in SPECIAL {
        out.push_str(&format!(
            "| {} | {} | {} |\n",
            code(special.form),
            cell(special.about),
            code(special.example),
        ));
    }
    out.push('\n');
    out
}

/// A number with its thousands apart.
fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn bytes(number: usize) -> String {
    match number {
        n if n % (1024 * 1024) == 0 => format!("{} MiB", n / 1024 / 1024),
        n if n % 1024 == 0 => format!("{} KiB", n / 1024),
        n => format!("{} bytes", count(n)),
    }
}

fn limits() -> String {
    let mut out = String::from("| of | at most |\n| --- | --- |\n");
    for (what, most) in [
        ("a file", bytes(MAX_FILE)),
        ("all files of a root", bytes(MAX_TOTAL)),
        ("files and folders below a root", count(folder::MAX_ENTRIES)),
        ("a name, in characters", count(Name::MAX)),
        ("brackets within one another", count(MAX_NESTING)),
        (
            "brackets within one another, each after an operator",
            count(MAX_OPERATORS),
        ),
        (
            "choices, signs and brackets of an expression within one another",
            count(MAX_LEVELS),
        ),
        ("operators of one expression", count(MAX_CHAIN)),
        ("attributes and indices behind one another", count(MAX_PATH)),
        (
            "entries of a list or object, checks of one `for_each`",
            count(MAX_ENTRIES),
        ),
        ("a key of a `for_each`", bytes(MAX_KEY)),
        ("a text that an expression comes to", bytes(MAX_TEXT)),
        ("steps of one expression", count(MAX_STEPS as usize)),
        (
            "a condition or its message, with its values worked in",
            bytes(CheckSpec::MAX_EXPRESSION),
        ),
        ("`assert` blocks of a check", count(CheckSpec::MAX_ASSERTS)),
        ("problems that are listed", count(Diagnostics::MAX)),
    ] {
        out.push_str(&format!("| {what} | {most} |\n"));
    }
    out
}

#[test]
fn the_page_of_the_language_is_fresh() {
    let mut fresh = read("docs/language.md");
    for (name, part) in [
        ("blocks", blocks()),
        ("functions", functions()),
        ("limits", limits()),
    ] {
        fresh = with_part(&fresh, name, &part);
    }
    keep_fresh("docs/language.md", &fresh);
}

/// The fields of an object that are not objects themselves, as `path: type`.
fn fields(of: &Type, path: &str, found: &mut Vec<String>) {
    match of {
        Type::Object(attributes) => {
            for (name, (of, _)) in attributes {
                fields(of, &format!("{path}.{name}"), found);
            }
        }
        of => found.push(format!("| `{path}` | {of} |")),
    }
}

#[test]
fn every_field_of_a_response_is_described_and_no_other() {
    let mut wanted = Vec::new();
    fields(&response_type(), "response", &mut wanted);
    let text = read("docs/language.md");
    let lines = text.lines().filter(|line| line.starts_with("| `response."));
    let mut told: Vec<String> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            format!("{} | {} |", cells[0], cells[1])
        })
        .collect();
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
}
