//! The generated parts of the language's page: blocks, functions, limits.

mod blocks;
mod response;

use lokahi::files::folder;
use lokahi::manifest::compile::MAX_KEY;
use lokahi::manifest::diagnostic::Diagnostics;
use lokahi::manifest::eval::functions::{FUNCTIONS, Group};
use lokahi::manifest::eval::special::SPECIAL;
use lokahi::manifest::eval::{MAX_STEPS, MAX_TEXT};
use lokahi::manifest::scan::{
    MAX_CHAIN, MAX_ENTRIES, MAX_LEVELS, MAX_NESTING, MAX_OPERATORS, MAX_PATH,
};
use lokahi::manifest::source::{MAX_FILE, MAX_TOTAL};
use lokahi::model::check::CheckSpec;
use lokahi::model::name::Name;

use self::blocks::blocks;
use super::{cell, code, keep_fresh, read, with_part};

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
