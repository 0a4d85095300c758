//! What is not known: secrets, unknown values, and what was reported already.

use super::{check, come_to};
use crate::manifest::eval::functions::{FUNCTIONS, Sees, Wants};
use crate::manifest::eval::value::{Piece, Value};

#[test]
fn secrets_are_put_into_texts() {
    let bearer = |written: &str| match come_to(written) {
        Ok(Value::Secret(pieces)) => {
            let shown = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => text.to_string(),
                Piece::Secret(name) => format!("<{name}>"),
            });
            shown.collect::<String>()
        }
        other => panic!("{written}: {other:?}"),
    };
    for (written, expect) in [
        (r#"join(" ", ["Bearer", secret("a")])"#, "Bearer <a>"),
        (r#"join(secret("s"), ["x", "y"])"#, "x<s>y"),
        (
            r#"format("Bearer %s (%d)", secret("a"), 1)"#,
            "Bearer <a> (1)",
        ),
        (
            r#"format("%v%v", secret("a"), [secret("b")])"#,
            r#"<a>["<b>"]"#,
        ),
        (r#"one(formatlist("%s!", [secret("a")]))"#, "<a>!"),
        (
            r#"jsonencode({ t = join("\"", ["", secret("a")]), u = 1 })"#,
            r#"{"t":"\"<a>","u":1}"#,
        ),
        (r#"tostring(secret("a"))"#, "<a>"),
    ] {
        assert_eq!(bearer(written), expect, "{written}");
    }
}

#[test]
fn secrets_are_moved() {
    check(&[
        (r#"coalesce("", secret("a"))"#, r#"secret("a")"#),
        (r#"lookup({ a = secret("a") }, "a")"#, r#"secret("a")"#),
        (r#"lookup({}, "b", secret("a"))"#, r#"secret("a")"#),
        (r#"merge({ a = secret("a") })"#, r#"{ a = secret("a") }"#),
        (r#"concat([secret("a")], [1])"#, r#"[secret("a"), 1]"#),
        (r#"element([secret("a")], 3)"#, r#"secret("a")"#),
        (r#"values({ a = secret("a") })"#, r#"[secret("a")]"#),
        (r#"flatten([[secret("a")]])"#, r#"[secret("a")]"#),
        (r#"zipmap(["k"], [secret("a")])"#, r#"{ k = secret("a") }"#),
        (r#"length([secret("a")])"#, "1"),
    ]);
}

#[test]
fn secrets_are_not_looked_into() {
    check(&[
        (
            r#"upper(secret("a"))"#,
            "! the value of a secret is not known here",
        ),
        (r#"length(secret("a"))"#, "! not known here"),
        (r#"sha256(secret("a"))"#, "! not known here"),
        (r#"sort([secret("a")])"#, "! not known here"),
        (r#"contains([secret("a")], "x")"#, "! not known here"),
        (r#"contains(["x"], secret("a"))"#, "! not known here"),
        (r#"compact([secret("a")])"#, "! not known here"),
        (r#"distinct([{ x = secret("a") }])"#, "! not known here"),
        (r#"toset([secret("a")])"#, "! not known here"),
        (r#"tonumber(secret("a"))"#, "! not known here"),
        (r#"anytrue([secret("a")])"#, "! not known here"),
        (r#"lookup({}, secret("a"), 1)"#, "! not known here"),
        (r#"format(secret("a"))"#, "! not known here"),
        (r#"format("%d", secret("a"))"#, "! not known here"),
        (r#"format("%9s", secret("a"))"#, "! how long a secret is"),
        (r#"format("%.1v", [secret("a")])"#, "! how long a secret is"),
        (r#"keys(secret("a"))"#, "! must be an object, not a secret"),
    ]);
    // Whatever takes a text, and is not known to put it into another one, refuses.
    for function in FUNCTIONS {
        for parameter in function.parameters.iter().chain(&function.rest) {
            if parameter.wants == Wants::String && parameter.sees != Sees::All {
                assert_eq!((function.name, parameter.name), ("join", "separator"));
            }
        }
    }
}

#[test]
fn what_is_not_known_stays_so() {
    check(&[
        (r#"upper(unknown("any"))"#, r#"unknown("string")"#),
        (
            r#"upper(unknown("list"))"#,
            "! must be a string, not a list",
        ),
        (r#"split(",", unknown("string"))"#, r#"unknown("strings")"#),
        (r#"split([], unknown("string"))"#, "! must be a string"),
        (r#"length([unknown("any"), 1])"#, "2"),
        (r#"length(unknown("map"))"#, r#"unknown("number")"#),
        (r#"keys({ a = unknown("any") })"#, r#"["a"]"#),
        (
            r#"concat([unknown("string")], [1])"#,
            r#"[unknown("string"), 1]"#,
        ),
        (
            r#"flatten([unknown("string"), [1]])"#,
            r#"[unknown("string"), 1]"#,
        ),
        (r#"flatten([unknown("any"), [1]])"#, r#"unknown("list")"#),
        (r#"contains([unknown("any")], 1)"#, r#"unknown("bool")"#),
        (
            r#"jsonencode({ a = [unknown("string")] })"#,
            r#"unknown("string")"#,
        ),
        (r#"lookup({ a = 1 }, "a", unknown("any"))"#, "1"),
        (r#"lookup(unknown("map"), "a")"#, r#"unknown("any")"#),
        (r#"merge({ a = 1 }, unknown("map"))"#, r#"unknown("map")"#),
        (r#"sum([1, unknown("string")])"#, r#"unknown("number")"#),
        (
            r#"sum([1, unknown("list")])"#,
            "! must be a number, not a list",
        ),
        (r#"toset([unknown("string")])"#, r#"unknown("set")"#),
        // Nothing is said about it twice.
        ("upper(invalid())", "invalid()"),
        ("coalesce(1, invalid())", "invalid()"),
        ("jsonencode([invalid()])", "invalid()"),
    ]);
}
