//! What the functions come to, as tables of calls: `(call, result)`, both in HCL, the result
//! with `! ` in front being a part of the failure's message. Beside the functions there are
//! `secret("a")`, `unknown("string")`, `invalid()` and `webhook.x`.

mod bounds;
mod collections;
mod encodings;
mod numbers;
mod opaque;
mod texts;

use std::sync::Arc;

use hcl_edit::expr::{Expression, FuncCall, ObjectKey};

use crate::manifest::eval::functions::{FUNCTIONS, Failure, call, function};
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::{Node, Piece, Value};
use crate::manifest::source::Span;

const SPAN: Span = Span {
    file: 0,
    start: 0,
    end: 0,
};

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (written, expect) in rows {
        let is = match come_to(written) {
            Ok(value) => show(&value),
            Err(failure) => format!("! {}", failure.message),
        };
        match expect.strip_prefix("! ") {
            Some(part) => {
                assert!(
                    is.starts_with("! ") && is.contains(part),
                    "{written}: {is}, not {expect}"
                );
            }
            None => {
                let expected = come_to(expect).map(|value| show(&value));
                assert_eq!(Ok(is), expected, "{written}");
            }
        }
    }
}

fn come_to(written: &str) -> Result<Value, Failure> {
    let expression: Expression = written.parse().unwrap_or_else(|e| panic!("{written}: {e}"));
    evaluate(&expression)
}

fn evaluate(expression: &Expression) -> Result<Value, Failure> {
    Ok(match expression {
        Expression::Null(_) => Value::Null,
        Expression::Bool(bool) => Value::Bool(*bool.value()),
        Expression::Number(number) => match number.value().as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::number(number.value().as_f64().unwrap()),
        },
        Expression::String(text) => Value::string(text.value()),
        Expression::Array(items) => {
            let items: Result<Vec<Value>, Failure> = items.iter().map(evaluate).collect();
            Value::list(items?, SPAN)
        }
        Expression::Object(object) => {
            let mut entries = Vec::new();
            for (key, value) in object.iter() {
                let key = match key {
                    ObjectKey::Ident(name) => name.to_string(),
                    ObjectKey::Expression(Expression::String(text)) => text.value().clone(),
                    other => panic!("{other:?}"),
                };
                entries.push((key, evaluate(value.expr())?));
            }
            Value::object(entries, SPAN)
        }
        Expression::UnaryOp(minus) => match evaluate(&minus.expr)? {
            Value::Integer(whole) => Value::Integer(-whole),
            Value::Float(float) => Value::Float(-float),
            other => panic!("{other:?}"),
        },
        Expression::Traversal(_) => Value::Reference(Arc::from(["webhook".into(), "x".into()])),
        Expression::FuncCall(written) => return answer(written),
        other => panic!("{other:?}"),
    })
}

fn answer(written: &FuncCall) -> Result<Value, Failure> {
    let name = written.name.name.to_string();
    let mut args = Vec::new();
    for value in written.args.iter().map(evaluate) {
        args.push(Node {
            span: SPAN,
            value: value?,
        });
    }
    let first = match args.first() {
        Some(Node {
            value: Value::String(text),
            ..
        }) => text.clone(),
        _ => Arc::from(""),
    };
    let any = || Box::new(Type::Any);
    match (&*name, &*first) {
        ("secret", name) => Ok(Value::Secret(Arc::from([Piece::Secret(Arc::from(name))]))),
        ("invalid", _) => Ok(Value::Invalid),
        ("unknown", "string") => Ok(Value::Unknown(Type::String)),
        ("unknown", "number") => Ok(Value::Unknown(Type::Number)),
        ("unknown", "bool") => Ok(Value::Unknown(Type::Bool)),
        ("unknown", "list") => Ok(Value::Unknown(Type::List(any()))),
        ("unknown", "strings") => Ok(Value::Unknown(Type::List(Box::new(Type::String)))),
        ("unknown", "set") => Ok(Value::Unknown(Type::Set(any()))),
        ("unknown", "map") => Ok(Value::Unknown(Type::Map(any()))),
        ("unknown", _) => Ok(Value::Unknown(Type::Any)),
        _ => call(
            function(&name).unwrap_or_else(|| panic!("{name}?")),
            &args,
            SPAN,
        ),
    }
}

fn show(value: &Value) -> String {
    let all = |nodes: &[Node]| {
        let shown: Vec<String> = nodes.iter().map(|node| show(&node.value)).collect();
        shown.join(", ")
    };
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(whole) => whole.to_string(),
        Value::Float(float) => float.to_string(),
        Value::List(items) => format!("[{}]", all(items)),
        Value::Set(items) => format!("set[{}]", all(items)),
        Value::Object(object) => {
            let mut entries = Vec::new();
            for (key, node) in object.entries() {
                entries.push(format!("{:?} = {}", key.text, show(&node.value)));
            }
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Unknown(of) => format!("unknown({of})"),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_table_is_by_name_and_whole() {
    let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    for function in FUNCTIONS {
        assert!(function.about.ends_with('.'), "{}", function.name);
        assert!(function.example.starts_with(&format!("{}(", function.name)));
    }
}

#[test]
fn every_example_gives_what_it_says() {
    for function in FUNCTIONS {
        check(&[(function.example, function.gives)]);
    }
}

#[test]
fn a_signature_says_what_may_be_left_out() {
    let signature = |name| function(name).map(super::Function::signature);
    assert_eq!(
        signature("lookup").as_deref(),
        Some("lookup(object, key, default?)")
    );
    assert_eq!(signature("max").as_deref(), Some("max(number, numbers...)"));
    assert_eq!(signature("nothing"), None);
}

#[test]
fn arguments_are_counted_and_of_their_kind() {
    check(&[
        ("upper()", "! `upper` takes 1 argument, not 0"),
        (r#"upper("a", "b")"#, "! `upper` takes 1 argument, not 2"),
        ("range()", "! `range` takes 1 to 3 arguments, not 0"),
        ("max()", "! `max` takes at least 1 argument, not 0"),
        (
            "upper([])",
            "! `text` of `upper` must be a string, not a list",
        ),
        ("upper(null)", "! `text` of `upper` must not be null"),
        ("upper(12)", r#""12""#),
        ("upper(true)", r#""TRUE""#),
        (r#"abs("-5")"#, "5"),
        (r#"abs("x")"#, r#"! must be a number, not the string "x""#),
        (r#"abs("inf")"#, "! must be a number"),
        ("abs(true)", "! must be a number, not a bool"),
        ("element([1], 0.5)", "! must be a whole number"),
        (r#"keys(["a"])"#, "! must be an object, not a list"),
        (r#"alltrue(["true", "1"])"#, "true"),
        (
            r#"alltrue(["yes"])"#,
            r#"! must be a bool, not the string "yes""#,
        ),
        (r#"join("", [[]])"#, "! must be a string, not a list"),
    ]);
    let upper = function("upper").unwrap();
    let failure = call(upper, &[], SPAN).unwrap_err();
    assert_eq!(failure.hint.as_deref(), Some("upper(text)"));
    let list = Node {
        span: SPAN,
        value: Value::list([], SPAN),
    };
    assert_eq!(call(upper, &[list], SPAN).unwrap_err().argument, Some(0));
}
