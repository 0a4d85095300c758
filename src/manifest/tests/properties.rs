//! Laws of whole roots that mean something: the same answer each time, on any number of
//! threads and in any order of files; conditions that fold once for all; layout that changes
//! nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tree;
use crate::manifest::ast::{Body, Item};
use crate::manifest::compile::{Compiled, Keep, compile};
use crate::manifest::condition::{Condition, Facts, Latency, Shape, Verdict, fold};
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::eval::Evaluator;
use crate::manifest::eval::convert;
use crate::manifest::eval::scope::{Closed, Known, Members, Place, Root, Scope, Work};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::format::format;
use crate::manifest::inputs::{Inputs, Missing};
use crate::manifest::parse::{Part, parse};
use crate::manifest::source::Span;
use crate::model::desired::Desired;

/// A value that refers to nothing.
fn scalar() -> impl Strategy<Value = String> {
    let fixed = [
        "0",
        "1",
        "200",
        "-3",
        "1.5",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "\"$${x} \\\"\"",
        "\"\\u0024\"",
        "\"%\"",
        "\"5\"",
        "[]",
        "[1, 2]",
        "{}",
        "{ a = 1, \"b c\" = [2] }",
    ];
    prop::sample::select(fixed.to_vec()).prop_map(str::to_owned)
}

/// An expression over some paths.
fn expression(paths: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        2 => scalar(),
        3 => prop::sample::select(paths.to_vec()).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||",
        ]);
        let function = prop::sample::select(vec!["length", "upper", "jsonencode", "toset", "keys", "max", "tostring"]);
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            4 => (inner.clone(), operator, inner.clone()).prop_map(|(a, sign, b)| format!("({a}) {sign} ({b})")),
            1 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => inner.clone().prop_map(|a| format!("-({a})")),
            2 => three.clone().prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
            1 => two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => two.clone().prop_map(|(a, b)| format!("{{ x = {a}, (\"y${{1}}\") = {b} }}")),
            1 => two.clone().prop_map(|(a, b)| format!("({a})[{b}]")),
            1 => inner.clone().prop_map(|a| format!("({a}).x")),
            1 => inner.clone().prop_map(|a| format!("({a})[*].a[0]")),
            1 => inner.clone().prop_map(|a| format!("({a}).*.a.0")),
            1 => two.clone().prop_map(|(a, b)| format!("[for v in {a} : {b}]")),
            1 => two.clone().prop_map(|(a, b)| format!("[for k, v in {a} : [k, v] if {b}]")),
            1 => two.clone().prop_map(|(a, b)| format!("{{for k, v in {a} : \"${{k}}\" => {b}...}}")),
            2 => two.clone().prop_map(|(a, b)| format!("\"\\u0024${{{a}}} $$$${{x}}%${{{b}}}$\"")),
            1 => inner.clone().prop_map(|a| format!("\" ${{~ {a} ~}} \"")),
            1 => two.clone().prop_map(|(a, b)| format!("\"%{{ if {a} }}%\\t%{{ else }}${{{b}}}%{{ endif }}!\"")),
            1 => two.clone().prop_map(|(a, b)| format!("\"%{{ for v in {a} ~}} ${{v}}${{{b}}} %{{ endfor }}\"")),
            2 => two.clone().prop_map(|(a, b)| format!("try({a}, {b})")),
            1 => inner.clone().prop_map(|a| format!("can({a})")),
            2 => (function, inner).prop_map(|(name, a)| format!("{name}({a})")),
        ]
    })
}

const RESPONSE: &[&str] = &[
    "response.status",
    "response.body",
    "response.json",
    "response.json.items",
    "response.json.items[*].id",
    "response.headers[\"x-a\"]",
    "response.headers.etag",
    "response.latency.total",
    "response.cert",
    "response.url",
    "var.n",
    "var.name",
    "var.list",
    "var.gone",
    "var.nobody",
    "v",
];

const NAMES: &[&str] = &[
    "var.a",
    "local.l0",
    "local.l1",
    "each.key",
    "each.value",
    "nobody",
];

const START: Span = Span::START;

/// The tree of an expression.
fn parsed(text: &str) -> Option<crate::manifest::ast::Expression> {
    let source = format!("x = {text}\n");
    let part = Part {
        kind: "x".to_owned(),
        range: 0..source.len(),
    };
    let (parsed, _) = parse(0, &source, &part);
    match (parsed.problems.is_empty(), parsed.body) {
        (true, Body { items }) => match items.into_iter().next() {
            Some(Item::Attribute(attribute)) => Some(attribute.value),
            _ => None,
        },
        _ => None,
    }
}

fn variables() -> Members {
    let known = |value| Known {
        node: Node { span: START, value },
        sensitive: false,
    };
    let list = Value::list([Value::Integer(1), Value::string("$")], START);
    Members::from([
        ("n".to_owned(), known(Value::Integer(200))),
        ("name".to_owned(), known(Value::string("a$"))),
        ("list".to_owned(), known(list)),
        ("gone".to_owned(), known(Value::Null)),
    ])
}

const BODY: &[u8] =
    br#"{ "items": [{ "id": 1, "a": [5] }, { "id": "x", "a": [6] }], "x": true, "a": [[1]] }"#;

fn facts(headers: &[(String, String)]) -> Facts<'_> {
    Facts {
        status: 200,
        headers,
        body: BODY,
        latency: Latency::default(),
        certificate: None,
        url: "https://a.example.com/",
        http_version: "HTTP/1.1",
    }
}

/// What an expression comes to over the response of [`facts`]; `None` if it has no value.
fn over_response(text: &str) -> Option<Value> {
    let variables = variables();
    let json = crate::manifest::eval::functions::function("jsondecode").unwrap();
    let body = Node {
        span: START,
        value: Value::string(std::str::from_utf8(BODY).unwrap()),
    };
    let json =
        crate::manifest::eval::functions::call(json, std::slice::from_ref(&body), START).unwrap();
    let headers = Value::object([("x-a", Value::string("b"))], START);
    let latency =
        ["dns", "connect", "tls", "first_byte", "total"].map(|name| (name, Value::Integer(0)));
    let response = Value::object(
        [
            ("status", Value::Integer(200)),
            ("headers", headers),
            ("body", body.value),
            ("json", json),
            ("latency", Value::object(latency, START)),
            ("cert", Value::Null),
            ("url", Value::string("https://a.example.com/")),
            ("http_version", Value::string("HTTP/1.1")),
        ],
        START,
    );
    let work = Work::endless();
    let scope = Scope {
        roots: vec![
            ("var", Root::Members(&variables)),
            ("response", Root::Value(response)),
        ],
        place: Place::Condition,
        doors: &Closed,
        work: &work,
    };
    let mut evaluator = Evaluator::new(&scope);
    let node = evaluator.evaluate_whole(&parsed(text)?);
    evaluator.problems.is_empty().then_some(node.value)
}

fn folded(text: &str) -> Option<String> {
    let variables = variables();
    let work = Work::endless();
    let scope = Scope {
        roots: vec![
            ("var", Root::Members(&variables)),
            ("response", Root::Misplaced("not yet")),
        ],
        place: Place::File,
        doors: &Closed,
        work: &work,
    };
    fold(&parsed(text)?, Shape::Truth, &scope).ok()?
}

/// What a compilation says, to be compared.
type Said = (Option<Desired>, Vec<Diagnostic>, Vec<String>);

/// What files give, to be compared.
fn said(files: &BTreeMap<String, Vec<u8>>) -> Result<Said, Diagnostics> {
    let inputs = Inputs {
        flags: vec![("a".to_owned(), "{ k = [1, \"x\"] }".to_owned())],
        missing: Missing::Unknown,
        ..Inputs::default()
    };
    let Compiled {
        desired,
        warnings,
        unknown,
        ..
    } = compile(files, &inputs, Keep::Origins)?;
    Ok((desired, warnings, unknown))
}

/// A root whose checks are made of one expression, `count` times.
fn root(local: &str, each: &str, body: &str, count: usize) -> String {
    let mut text = format!(
        "variable \"a\" {{\n  type = any\n}}\nlocals {{\n  l0 = {local}\n  l1 = [local.l0]\n}}\n\
         template \"t\" {{\n  method = \"POST\"\n}}\n\
         check \"each\" {{\n  for_each = {{ a = 1, b = {each} }}\n  use = [template.t]\n  url = \"http://a/${{each.key}}\"\n  body = jsonencode({each})\n}}\n"
    );
    for number in 0..count {
        text.push_str(&format!(
            "check \"c{number}\" {{\n  url = \"http://a/{number}\"\n  body = jsonencode([{number}, {body}])\n}}\n"
        ));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// What is folded is complete, is printed in one way, and says what the original says.
    #[test]
    fn a_folded_condition_says_the_same(text in expression(RESPONSE)) {
        let Some(folded) = folded(&text) else { return Ok(()) };
        let condition = Condition::parse(&folded);
        prop_assert!(condition.is_ok(), "{} became {folded}", text);
        prop_assert_eq!(self::folded(&folded), Some(folded.clone()), "of {}", text);
        let headers = [("X-A".to_owned(), "b".to_owned())];
        let verdict = condition.unwrap().judge(None, &facts(&headers));
        let original = over_response(&text).and_then(|value| convert::truth(&value));
        prop_assert_eq!(
            verdict == Verdict::Holds, original == Some(true),
            "{} became {}: {:?}", text, folded, verdict
        );
    }

    #[test]
    fn layout_keeps_the_value(text in expression(RESPONSE)) {
        let source = format!("x = {text}\n");
        let formatted = format(&source);
        prop_assert!(formatted.is_ok(), "{source} {formatted:?}");
        let formatted = formatted.unwrap();
        let again = formatted.strip_prefix("x = ").unwrap().trim_end();
        prop_assert_eq!(
            self::over_response(&text).map(|value| format!("{value:?}").replace(char::is_numeric, "")),
            self::over_response(again).map(|value| format!("{value:?}").replace(char::is_numeric, "")),
            "{} and {}", text, again
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_same_each_time_and_on_any_number_of_threads(
        local in expression(NAMES), each in expression(NAMES), body in expression(NAMES)
    ) {
        // On threads from 512 checks on.
        let text = root(&local, &each, &body, 600);
        let whole = tree(&[("web.hcl", &text)]);
        let first = said(&whole);
        prop_assert_eq!(&first, &said(&whole));
        // The first checks in a file of their own are compiled one after another.
        let few = root(&local, &each, &body, 100);
        let few = said(&tree(&[("web.hcl", &few)]));
        match (&first, &few) {
            (Ok((Some(all), ..)), Ok((Some(some), ..))) => {
                for (address, check) in &some.checks {
                    prop_assert_eq!(&check.spec, &all.checks[address].spec);
                }
            }
            (Ok((None, ..)), Ok((None, ..))) => {}
            (Err(Diagnostics(all)), Err(Diagnostics(some))) => {
                for problem in some {
                    prop_assert!(all.contains(problem), "{problem}");
                }
            }
            (all, some) => prop_assert!(false, "{all:?}\n{some:?}"),
        }
    }

    #[test]
    fn a_root_in_any_number_of_files_means_the_same(
        local in expression(NAMES), each in expression(NAMES), body in expression(NAMES), names in Just(["a", "b", "c", "d", "e"]).prop_shuffle()
    ) {
        let text = root(&local, &each, &body, 2);
        let whole = said(&tree(&[("web.hcl", &text)]));
        let blocks: Vec<String> = text.split_inclusive("\n}\n").map(str::to_owned).collect();
        let files: Vec<(String, String)> = blocks.iter().enumerate().map(|(at, block)| {
            (format!("{}.hcl", names[at % names.len()]), block.clone())
        }).collect();
        let mut apart: BTreeMap<String, Vec<u8>> = tree(&[]);
        for (path, block) in files {
            apart.entry(path).or_default().extend(block.bytes());
        }
        match (whole, said(&apart)) {
            (Ok((whole, ..)), Ok((apart, ..))) => {
                let specs = |desired: Option<Desired>| desired.map(|desired| {
                    let checks = desired.checks.into_iter();
                    checks.map(|(address, check)| (address, check.spec)).collect::<Vec<_>>()
                });
                prop_assert_eq!(specs(whole), specs(apart));
            }
            (Err(Diagnostics(whole)), Err(Diagnostics(apart))) => {
                let told = |list: Vec<Diagnostic>| {
                    let mut told: Vec<_> = list.into_iter().map(|one| (one.code, one.message, one.values)).collect();
                    told.sort();
                    told
                };
                prop_assert_eq!(told(whole), told(apart));
            }
            (whole, apart) => prop_assert!(false, "{whole:?}\n{apart:?}"),
        }
    }
}

#[test]
fn what_compares_a_mistake_does_not_hold() {
    for text in [
        "0 != response.status[*].a[0]",
        "[response.status.a] != [0]",
        "{ a = response.status.a } != {}",
    ] {
        let verdict = Condition::parse(text).unwrap().judge(None, &facts(&[]));
        assert!(matches!(verdict, Verdict::Broken(_)), "{text}: {verdict:?}");
    }
}
