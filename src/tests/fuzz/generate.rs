//! Files and expressions of the language, by chance: most of them mean something.

use super::chance::Chance;

/// What a file begins with that is one of a library: it stands behind the root's own.
pub(super) const LIBRARY: &str = "# the library\n";

/// A file with a few blocks, and sometimes the library that it uses.
pub(super) fn file(chance: &mut Chance) -> String {
    let mut out = own(chance);
    if chance.below(4) == 0 {
        out.push_str(LIBRARY);
        out.push_str(&library(chance));
    }
    out
}

/// What a library may hold, and sometimes what it may not.
fn library(chance: &mut Chance) -> String {
    let mut out = String::new();
    for number in 0..chance.below(5) {
        out.push_str(&match chance.below(7) {
            0 => format!(
                "variable \"s{number}\" {{\n  default = {}\n}}\n",
                literal(chance, 2)
            ),
            1 | 2 => format!(
                "locals {{\n  l{} = {}\n}}\n",
                number + 6,
                expression(chance, 3)
            ),
            3 => format!(
                "template \"{}\" {{\n{}}}\n",
                chance.pick(&["t", "u"]),
                body(chance, "  ")
            ),
            4 => "webhook \"hook\" {\n  url = \"https://shared.example.com/\"\n}\n".to_owned(),
            5 => format!("# {}\n", chance.pick(&["lokahi-ignore: LK0903", "shared"])),
            _ => own(chance),
        });
    }
    out
}

/// The blocks of a root.
fn own(chance: &mut Chance) -> String {
    let mut out = String::from("variable \"v\" {\n");
    if chance.below(3) > 0 {
        out.push_str(&format!("  default = {}\n", literal(chance, 3)));
    }
    if chance.below(6) == 0 {
        out.push_str(chance.word(&[
            "  sensitive = true\n",
            "  type = string\n",
            "  type = list(any)\n",
        ]));
    }
    out.push_str("}\nlocals {\n");
    for number in 0..chance.below(6) {
        out.push_str(&format!("  l{number} = {}\n", expression(chance, 4)));
    }
    out.push_str("}\n");
    if chance.below(3) == 0 {
        out.push_str("webhook \"hook\" {\n  url = \"https://hook.example.com/\"\n}\n");
    }
    if chance.below(3) == 0 {
        out.push_str(&format!("template \"t\" {{\n{}}}\n", body(chance, "  ")));
    }
    if chance.below(4) == 0 {
        out.push_str(&format!("defaults {{\n{}}}\n", body(chance, "  ")));
    }
    for number in 0..chance.below(4) {
        out.push_str(&format!("check \"c{number}\" {{\n"));
        match chance.below(4) {
            0 => out.push_str(&format!(
                "  for_each = {{ {} = {}, b = {} }}\n  url = \"http://a/${{each.key}}\"\n",
                chance.pick(&["a", "\"x y\"", "(local.l0)", "\"$${\""]),
                expression(chance, 2),
                expression(chance, 2)
            )),
            1 => out.push_str(&format!(
                "  for_each = toset({})\n  url = \"http://a/\"\n",
                expression(chance, 2)
            )),
            2 => out.push_str("  use = [template.t]\n  url = \"http://a/\"\n"),
            _ => out.push_str(&format!("  url = \"http://a/{}\"\n", part(chance, 2))),
        }
        out.push_str(&body(chance, "  "));
        out.push_str("}\n");
    }
    out
}

/// Attributes and blocks that a check can have.
fn body(chance: &mut Chance, indent: &str) -> String {
    let mut out = String::new();
    let mut add = |text: String| out.push_str(&format!("{indent}{text}\n"));
    for number in 0..chance.below(5) {
        match chance.below(9) {
            0 if number == 0 => add(format!(
                "every = \"{}\"",
                chance.pick(&["30s", "1m", "1h30m", "7d"])
            )),
            1 if number == 1 => add(format!("body = {}", expression(chance, 3))),
            2 if number == 2 => add(format!(
                "headers = {{ x-a = {}, b = \"c\" }}",
                expression(chance, 2)
            )),
            3 if number == 3 => add(format!(
                "labels = {{ a = {}, b = null }}",
                expression(chance, 2)
            )),
            4 if number == 4 => add("notify {\n  webhooks = [webhook.hook]\n}".to_owned()),
            5 => add(format!(
                "assert \"a{number}\" {{\n  condition = {}\n  error_message = {}\n}}",
                about_response(chance, 3),
                about_response(chance, 2)
            )),
            6 => add(format!(
                "assert \"b{number}\" {{\n  status = [200, \"3xx\"]\n  body_contains = [{}]\n}}",
                text(chance, 2)
            )),
            _ => add("# a comment".to_owned()),
        }
    }
    out
}

/// An expression over the response.
fn about_response(chance: &mut Chance, left: usize) -> String {
    let path = chance.word(&[
        "response.status",
        "response.body",
        "response.json.items",
        "response.json",
        "response.headers[\"x\"]",
        "response.headers.etag",
        "response.latency.total",
        "response.cert.days_left",
        "response.json.items[*].id",
        "response.json.*.id",
    ]);
    match chance.below(8) {
        _ if left == 0 => path.to_owned(),
        0 => expression(chance, left - 1),
        1 => format!("{path} == {}", expression(chance, left - 1)),
        2 => format!(
            "{} {} {}",
            about_response(chance, left - 1),
            chance.pick(OPERATORS),
            about_response(chance, left - 1)
        ),
        3 => format!("[for x in {path} : {}]", about_response(chance, left - 1)),
        4 => format!(
            "try({}, {})",
            about_response(chance, left - 1),
            expression(chance, left - 1)
        ),
        5 => format!("\"a${{{}}}b\"", about_response(chance, left - 1)),
        6 => format!("!({})", about_response(chance, left - 1)),
        _ => format!(
            "{} ? {} : {}",
            about_response(chance, left - 1),
            about_response(chance, left - 1),
            expression(chance, left - 1)
        ),
    }
}

const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||",
];

/// A value that refers to nothing.
pub(super) fn literal(chance: &mut Chance, left: usize) -> String {
    match chance.below(if left == 0 { 4 } else { 7 }) {
        0 => (*chance.pick(NUMBERS)).to_owned(),
        1 => (*chance.pick(&["true", "false", "null"])).to_owned(),
        2 => (*chance.pick(TEXTS)).to_owned(),
        3 => "\"a\"".to_owned(),
        4 => format!(
            "[{}, {}]",
            literal(chance, left - 1),
            literal(chance, left - 1)
        ),
        5 => format!(
            "{{ a = {}, b = {} }}",
            literal(chance, left - 1),
            literal(chance, left - 1)
        ),
        _ => format!("[{}]", literal(chance, left - 1)),
    }
}

pub(super) const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "3",
    "10",
    "1.5",
    "-0.0",
    "1e3",
    "1e-7",
    "9223372036854775807",
    "-9223372036854775808",
    "9007199254740993",
    "1e308",
    "99999999999999999999",
    "007",
];

const TEXTS: &[&str] = &[
    r#""""#,
    r#""a b""#,
    r#""$${x}%%{y}""#,
    r#""\u0024{""#,
    r#""\"\\\n\t""#,
    r#""日本""#,
    r#""1""#,
    r#""true""#,
    r#""5m""#,
    "<<E\n a\n  b\nE\n",
    "<<-E\n    a\n      b\n    E\n",
];

/// Something in a quoted string.
fn part(chance: &mut Chance, left: usize) -> String {
    match chance.below(7) {
        0 => format!("${{{}}}", expression(chance, left)),
        1 => format!(" ${{~ {} ~}} ", expression(chance, left)),
        2 => format!(
            "%{{ if {} }}a\\t%{{ else }}b%{{ endif }}",
            expression(chance, left)
        ),
        3 => format!(
            "%{{ for k, v in {} ~}} ${{v}} %{{ endfor }}",
            expression(chance, left)
        ),
        4 => (*chance.pick(&["a", "$", "%", "\\n", "\\u0024", "é", "$${", "%%{"])).to_owned(),
        _ => "x".to_owned(),
    }
}

/// A string, mostly.
fn text(chance: &mut Chance, left: usize) -> String {
    let parts: String = (0..chance.below(4)).map(|_| part(chance, left)).collect();
    match chance.below(8) {
        0 => format!("<<-E\n    {parts}\n   x ${{local.l0}}\n  E\n"),
        _ => format!("\"{parts}\""),
    }
}

/// Any expression.
pub(super) fn expression(chance: &mut Chance, left: usize) -> String {
    if left == 0 {
        return match chance.below(4) {
            0 => (*chance.pick(&[
                "var.v",
                "var.s0",
                "local.l0",
                "local.l1",
                "local.l7",
                "each.key",
                "each.value",
                "webhook.hook",
            ]))
            .to_owned(),
            _ => literal(chance, 0),
        };
    }
    let mut inner = || expression(chance, left - 1);
    let (a, b, c) = (inner(), inner(), inner());
    match chance.below(24) {
        0 => literal(chance, left),
        1 | 2 => text(chance, left - 1),
        3 | 4 => format!("{a} {} {b}", chance.pick(OPERATORS)),
        5 => format!("({a}\n {} {b})", chance.pick(OPERATORS)),
        6 => format!("{a} ? {b} : {c}"),
        7 => format!("-{a}"),
        8 => format!("!{a}"),
        9 => format!("[for x in {a} : {b}]"),
        10 => format!("[for k, v in {a} : v if {b}]"),
        11 => format!("{{for k, v in {a} : k => {b}}}"),
        12 => format!("{{ for k, v in {a} : \"x${{k}}\" => v... if {b} }}"),
        13 => format!("({a})[{b}]"),
        14 => format!("({a}).a"),
        15 => format!("{{ a = {a}, (\"k${{1}}\") = {b} }}"),
        16 => format!("[{a}, {b},]"),
        17 => format!("({a})[*].a"),
        18 => format!("({a}).*.a.0"),
        19 => format!("try({a}, {b})"),
        20 => format!("can({a})"),
        21 => format!(
            "secret({})",
            chance.pick(&["\"tok\"", "\"$\"", "var.v", "\"A\""])
        ),
        22 => match lokahi::manifest::eval::functions::FUNCTIONS {
            [] => a,
            all => {
                let function = chance.pick(all);
                match chance.below(4) {
                    0 => function.example.to_owned(),
                    1 => format!("{}({a}...)", function.name),
                    2 => format!("{}({a}, {b})", function.name),
                    _ => format!("{}({a})", function.name),
                }
            }
        },
        _ => expression(chance, left - 1),
    }
}
