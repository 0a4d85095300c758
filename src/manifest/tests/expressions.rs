//! Expressions and what they come to: a table, from what the specification of HCL's native
//! syntax says of operators, templates, `for`, splats, indices and conversions.

use crate::manifest::ast::Item;
use crate::manifest::eval::Evaluator;
use crate::manifest::eval::scope::{Closed, Known, Members, Place, Root, Scope, Work};
use crate::manifest::eval::show::literal;
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::parse::{Part, parse};
use crate::manifest::source::Span;

/// The value of an expression as it is written, or its first problem.
pub(super) fn value(text: &str) -> String {
    let source = format!("x = {text}\n");
    let part = Part {
        kind: "x".to_owned(),
        range: 0..source.len(),
    };
    let scan = crate::manifest::scan::scan(&source, &[]);
    if let Some(fault) = scan.faults.first() {
        return format!("error: {}", fault.message);
    }
    let (parsed, _) = parse(0, &source, &part);
    if let Some(problem) = parsed.problems.first() {
        return format!("error: {}", problem.message);
    }
    let Some(Item::Attribute(attribute)) = parsed.body.items.first() else {
        return "error: no attribute".to_owned();
    };
    let span = Span {
        file: 0,
        start: 0,
        end: 0,
    };
    let known = |value| Known {
        node: Node { span, value },
        sensitive: false,
    };
    let people = Value::list(
        [("ann", 30), ("bob", 25)].map(|(name, age)| {
            Value::object(
                [("name", Value::string(name)), ("age", Value::Integer(age))],
                span,
            )
        }),
        span,
    );
    let variables = Members::from([
        ("env".to_owned(), known(Value::string("prod"))),
        ("n".to_owned(), known(Value::Integer(3))),
        ("people".to_owned(), known(people)),
        ("gone".to_owned(), known(Value::Null)),
        ("later".to_owned(), known(Value::Unknown(Type::String))),
        ("sum".to_owned(), known(Value::Unknown(Type::Number))),
    ]);
    let scope = Scope {
        roots: vec![
            ("var", Root::Members(&variables)),
            ("webhook", Root::Reference),
        ],
        place: Place::File,
        doors: &Closed,
        work: &Work::endless(),
    };
    let mut evaluator = Evaluator::new(&scope);
    let node = evaluator.evaluate(&attribute.value);
    if let Some(problem) = evaluator.problems.first() {
        return format!("error: {}", problem.message);
    }
    match &node.value {
        Value::Unknown(of) => format!("unknown {of}"),
        value => literal(value).map_or_else(|| "?".to_owned(), |literal| literal.to_string()),
    }
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(value(text), expect, "{text}");
}

#[test]
fn literals() {
    check("12", "12");
    check("1.5", "1.5");
    check("1e3", "1000");
    check("-3", "-3");
    check("true", "true");
    check("null", "null");
    check(r#""a\tb\u00e9\"\\""#, r#""a\tbé\"\\""#);
    check(r#""$${x} %%{y} $x %y $""#, r#""$${x} %%{y} $x %y $""#);
    check("[1, \"a\", [true],]", "[1, \"a\", [true]]");
    check("{ b = 2, a = 1 }", r#"{ "a" = 1, "b" = 2 }"#);
    check("{ \"a b\" : 1 }", r#"{ "a b" = 1 }"#);
    check(
        "{ (var.env) = 1, \"${var.env}x\" = 2 }",
        r#"{ "prod" = 1, "prodx" = 2 }"#,
    );
    check("9223372036854775807", "9223372036854775807");
}

#[test]
fn operators() {
    check("1 + 2 * 3", "7");
    check("(1 + 2) * 3", "9");
    check("10 - 2 - 3", "5");
    check("2 * 3 % 4", "2");
    check("7 / 2", "3.5");
    check("6 / 2", "3");
    check("-7 % 3", "-1");
    check("0.1 + 0.2 < 0.4", "true");
    check("1 + 1 == 2 && 2 > 1", "true");
    check("true || false && false", "true");
    check("!true == false", "true");
    check("-(-3)", "3");
    check("1 == 1.0", "true");
    check("\"1\" == 1", "false");
    check("\"5\" + 1", "6");
    check("null == null", "true");
    check("[1, 2] == [1, 2]", "true");
    check("{ a = 1 } == { a = 1, b = null }", "false");
    check("1 <= 1 && 1 >= 1 && 1 != 2", "true");
    check("7 % 0", "error: division by zero");
    check("1 / 0", "error: division by zero");
    check(
        "9223372036854775807 + 1",
        "error: the result is too large for a number",
    );
    check("\"a\" + 1", "error: `+` wants a number, found a string");
    check("[1] < 2", "error: `<` wants a number, found a list");
    check("!5", "error: `!` wants true or false, found a number");
    check(
        "null && true",
        "error: `&&` wants true or false, found null",
    );
}

#[test]
fn short_circuits_and_conditions() {
    check("false && 1 / 0 == 1", "false");
    check("true || var.nobody", "true");
    check("true ? 1 : 1 / 0", "1");
    check("false ? 1 / 0 : 2", "2");
    check("var.env == \"prod\" ? \"a\" : \"b\"", "\"a\"");
    check("true ? false ? 1 : 2 : 3", "2");
    check("\"true\" ? 1 : 2", "1");
    check(
        "5 ? 1 : 2",
        "error: a condition wants true or false, found a number",
    );
}

#[test]
fn templates() {
    check(r#""a${1 + 1}b""#, "\"a2b\"");
    check(r#""${[1]}""#, "[1]");
    check(r#""x${true}${null == null}""#, "\"xtruetrue\"");
    check(r#""${"${var.env}"}""#, "\"prod\"");
    check(
        r#""a${[1]}""#,
        "error: a list cannot be inserted into a string",
    );
    check(
        r#""a${null}""#,
        "error: null cannot be inserted into a string",
    );
    check(
        r#""%{ if var.n > 2 }many%{ else }few%{ endif }!""#,
        "\"many!\"",
    );
    check(
        r#""%{ for p in var.people }${p.name},%{ endfor }""#,
        "\"ann,bob,\"",
    );
    check(
        r#""%{ for i, p in var.people }${i}${p.name}%{ endfor }""#,
        "\"0ann1bob\"",
    );
    check(r#""a  ${~ 1 ~}  b""#, "\"a1b\"");
    check(r#""a %{~ if true ~} b %{~ endif ~} c""#, "\"abc\"");
    check("<<E\n  a ${var.n}\n b\nE", "\"  a 3\\n b\\n\"");
    check("<<-E\n    a\n      ${var.n}\n    E", "\"a\\n  3\\n\"");
}

#[test]
fn collections() {
    check("[for p in var.people : p.name]", "[\"ann\", \"bob\"]");
    check(
        "[for i, p in var.people : \"${i}${p.name}\" if p.age > 26]",
        "[\"0ann\"]",
    );
    check(
        "{for p in var.people : p.name => p.age}",
        r#"{ "ann" = 30, "bob" = 25 }"#,
    );
    check(
        "{for p in var.people : \"all\" => p.age...}",
        r#"{ "all" = [30, 25] }"#,
    );
    check(
        "{for p in var.people : \"one\" => p.age}",
        "error: two elements give the same key",
    );
    check(
        "[for k, v in { b = 1, a = 2 } : \"${k}${v}\"]",
        "[\"a2\", \"b1\"]",
    );
    check(
        "[for x in toset([\"b\", \"a\", \"b\"]) : x]",
        "[\"a\", \"b\"]",
    );
    check("[for x in [] : x]", "[]");
    check(
        "[for x in 5 : x]",
        "error: `for` goes over a list or an object, not a number",
    );
    check("[for x in [1, 2] : [for y in [3] : x * y]]", "[[3], [6]]");
}

#[test]
fn access() {
    check("var.people[1].name", "\"bob\"");
    check("var.people.0.name", "\"ann\"");
    check("var.people[*].age", "[30, 25]");
    check("var.people.*.name", "[\"ann\", \"bob\"]");
    check("var.people[*].name[0]", "error: a string has no elements");
    check("var.gone[*]", "[]");
    check("var.env[*]", "[\"prod\"]");
    check("{ a = { b = [7] } }.a.b[0]", "7");
    check("{ \"x-y\" = 1 }[\"x-y\"]", "1");
    check("var[\"env\"]", "\"prod\"");
    check(
        "[1, 2][2]",
        "error: this list has no element 2: it has 2 elements, counted from 0",
    );
    check(
        "[1][-1]",
        "error: this list has no element -1: it has 1 element, counted from 0",
    );
    check("{ a = 1 }.b", "error: this object has no attribute `b`");
    check("var.people.name", "error: a list has no attributes");
    check("var.nobody", "error: no variable is called `nobody`");
    check("nobody", "error: nothing is called `nobody` here");
    check("webhook.oncall", "webhook.oncall");
}

#[test]
fn calls() {
    check("upper(\"a\")", "\"A\"");
    check("max([1, 5, 3]...)", "5");
    check("length(var.people)", "2");
    check("nobody(1)", "error: no function is called `nobody`");
    check("try(var.people[9], \"none\")", "\"none\"");
    check("can(var.people[9])", "false");
    check("can(var.env)", "true");
    check(
        "try(1 / 0, var.people[9])",
        "error: `try`: none of the expressions has a value",
    );
    check(
        "env(\"LOKAHI_X\")",
        "error: `env` can only be called in the `default` of a variable",
    );
}

#[test]
fn what_is_not_known() {
    check("var.later", "unknown string");
    check("\"a${var.later}\"", "unknown string");
    check("var.sum + 1", "unknown number");
    check("var.sum > 1", "unknown bool");
    check("var.later == \"a\"", "unknown bool");
    check("var.sum == \"a\"", "false");
    check("false && var.later == \"a\"", "false");
    check("var.later == \"a\" && false", "false");
    check("var.later == \"a\" ? 1 : 2", "unknown number");
    check("var.later == \"a\" ? 1 : 1", "1");
    check("[var.later][0]", "unknown string");
    check("length([var.later, 1])", "2");
    check("upper(var.later)", "unknown string");
    check("var.later.x", "error: a string has no attributes");
    check("length([for x in [var.later] : x])", "1");
}

#[test]
fn secrets_stay_references() {
    check("secret(\"tok\")", "secret(\"tok\")");
    check(
        "\"Bearer ${secret(\"tok\")}\"",
        "\"Bearer ${secret(\"tok\")}\"",
    );
    check(
        "jsonencode({ a = secret(\"tok\") })",
        "\"{\\\"a\\\":\\\"${secret(\"tok\")}\\\"}\"",
    );
    check("secret(\"Tok!\")", &value("secret(\"Tok!\")"));
    check(
        "secret(\"a\") == \"x\"",
        "error: a secret's value is not known here, so it cannot be compared",
    );
    assert!(
        value("upper(secret(\"tok\"))").starts_with("error: "),
        "{}",
        value("upper(secret(\"tok\"))")
    );
    assert!(value("secret(\"Tok!\")").starts_with("error: "));
}

#[test]
fn everything_has_an_end() {
    let nested = "[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : a]]]";
    check(
        nested,
        "error: this expression takes too many steps to evaluate",
    );
    let long = format!(
        "join(\"\", [for a in range(9999) : \"{}\"])",
        "x".repeat(200)
    );
    assert!(
        value(&long).starts_with("error: "),
        "{}",
        value(&long).len()
    );
}

/// What the language's page says of where values differ from Terraform's.
#[test]
fn where_values_differ_from_terraform() {
    for (text, ours) in [
        // There `"1"`, and an error.
        ("true ? 1 : \"a\"", "1"),
        ("true ? 1 : [2]", "1"),
        // There one character: it counts what is read as one.
        ("length(\"e\\u0301\")", "2"),
        ("substr(\"e\\u0301x\", 0, 1)", "\"e\""),
        ("strrev(\"xe\\u0301\") == \"\\u0301ex\"", "true"),
        // There strings all of them.
        ("concat([1], [\"a\"])", "[1, \"a\"]"),
        ("coalesce(1, \"a\")", "1"),
    ] {
        check(text, ours);
    }
    // As there.
    check("tolist([1, \"a\"])", "[\"1\", \"a\"]");
    check("\"1\" == 1", "false");
}
