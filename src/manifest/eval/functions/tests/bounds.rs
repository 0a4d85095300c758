//! Nothing grows without end, and nothing panics.

use std::sync::Arc;

use proptest::prelude::*;

use super::{SPAN, check};
use crate::manifest::eval::functions::{FUNCTIONS, Failure, call, function, limits};
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::{Node, Piece, Value};

fn answer(name: &str, args: impl IntoIterator<Item = Value>) -> Result<Value, Failure> {
    let args: Vec<Node> = args
        .into_iter()
        .map(|value| Node { span: SPAN, value })
        .collect();
    call(function(name).unwrap(), &args, SPAN)
}

#[track_caller]
fn refused(name: &str, args: impl IntoIterator<Item = Value>, why: &str) {
    match answer(name, args) {
        Err(failure) => assert!(failure.message.contains(why), "{name}: {}", failure.message),
        Ok(value) => panic!("{name}: {}", value.kind()),
    }
}

fn whole(number: i64) -> Value {
    Value::Integer(number)
}

#[test]
fn results_are_bounded() {
    check(&[
        ("length(range(10000))", "10000"),
        ("range(10001)", "! more than 10000 entries"),
        ("range(0, 1e300, 0.5)", "! more than 10000 entries"),
        ("range(1e300, 1e308)", "! more than 10000 entries"),
        (
            "setproduct(range(200), range(200))",
            "! more than 10000 entries",
        ),
        (
            "concat(range(9000), range(9000))",
            "! more than 10000 entries",
        ),
        (
            "flatten([range(9000), range(9000)])",
            "! more than 10000 entries",
        ),
        (r#"format("%20000s", "")"#, "! a width may be 10000"),
        (r#"format("%.2000f", 1)"#, "! a precision 1000"),
        (
            r#"format("%99999999999999999999s", "")"#,
            "! a width may be 10000",
        ),
        (r#"format("%[99999999999999999999]s", "")"#, "! needs value"),
        (
            r#"indent(9223372036854775807, "a\nb")"#,
            "! more than 1 MiB",
        ),
    ]);
    let large = Value::string("x".repeat(limits::MAX_TEXT));
    let small = Value::string("x".repeat(2_000));
    let many = || (0..600).map(|_| small.clone());
    refused("jsonencode", [large.clone()], "1 MiB");
    refused("base64encode", [large.clone()], "1 MiB");
    refused("urlencode", [Value::string("é".repeat(300_000))], "1 MiB");
    refused(
        "split",
        [Value::string("x"), large.clone()],
        "10000 entries",
    );
    refused("split", [Value::string(""), large.clone()], "10000 entries");
    refused("join", [small.clone(), Value::list(many(), SPAN)], "1 MiB");
    refused(
        "replace",
        [small.clone(), Value::string("x"), small.clone()],
        "1 MiB",
    );
    let groups = Value::string("$1".repeat(1_000));
    refused(
        "replace",
        [small.clone(), Value::string("/(x*)/"), groups],
        "1 MiB",
    );
    refused("regexall", [Value::string("x"), large.clone()], "256 KiB");
    refused(
        "regex",
        [Value::string("(\\w{500}){500}"), small.clone()],
        "regular expression",
    );
    refused(
        "regex",
        [Value::string("(".repeat(200)), small.clone()],
        "regular expression",
    );
    refused(
        "contains",
        [Value::list((0..20).map(|_| large.clone()), SPAN), whole(1)],
        "16 MiB",
    );
    let letters = Value::string("A".repeat(100_000));
    let nothing = || Value::string("");
    refused(
        "replace",
        [letters, Value::string("/A/"), nothing()],
        "too often",
    );
}

#[test]
fn shared_parts_are_counted_each_time() {
    // Forty lists, each holding the one before it twice: 2^40 values.
    let mut nested = Value::list([], SPAN);
    for _ in 0..40 {
        nested = Value::list([nested.clone(), nested], SPAN);
    }
    refused("jsonencode", [nested.clone()], "100000 values");
    refused("flatten", [nested.clone()], "100000 values");
    refused(
        "distinct",
        [Value::list([nested.clone()], SPAN)],
        "100000 values",
    );
    assert!(answer("length", [nested]).is_ok());
    let mut deep = Value::list([], SPAN);
    for _ in 0..100 {
        deep = Value::list([deep], SPAN);
    }
    refused("jsonencode", [deep.clone()], "64 deep");
    refused("flatten", [deep], "64 deep");
}

#[test]
fn texts_that_decode_to_more_are_refused() {
    let mut bomb = String::from("a0: &a0 [x]\n");
    for at in 1..40 {
        let before = at - 1;
        bomb.push_str(&format!("a{at}: &a{at} [*a{before}, *a{before}]\n"));
    }
    refused("yamldecode", [Value::string(bomb)], "100000 values");
    let mut chain = String::from("a0: &a0 [x]\n");
    for at in 1..80 {
        chain.push_str(&format!("a{at}: &a{at} [*a{}]\n", at - 1));
    }
    refused("yamldecode", [Value::string(chain)], "64 deep");
    refused(
        "yamldecode",
        [Value::string("[".repeat(100_000))],
        "recursion limit",
    );
    refused(
        "yamldecode",
        [Value::string("- ".repeat(100_000))],
        "64 deep",
    );
    refused(
        "jsondecode",
        [Value::string("[".repeat(100_000))],
        "no JSON",
    );
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    refused("jsondecode", [Value::string(deep)], "64 deep");
    let wide = format!("[0{}]", ",0".repeat(10_000));
    refused("jsondecode", [Value::string(wide)], "10000 entries");
    let lines = format!("a\n{}", "1\n".repeat(10_001));
    refused("csvdecode", [Value::string(lines)], "10000 entries");
}

fn values() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        ".{0,6}",
        "[-0-9.e+]{0,6}",
        "[%#\\[\\]0-9.+vdsqgxft -]{0,8}",
        "[\\[\\]{}:,&*a\" \n|>?!<-]{0,20}",
        "/?[(a|b)*+?$1\\[\\]]{0,8}/?",
    ];
    let types = prop_oneof![
        Just(Type::Any),
        Just(Type::String),
        Just(Type::Number),
        Just(Type::List(Box::new(Type::Any))),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        (-3_i64..70).prop_map(Value::Integer),
        any::<f64>()
            .prop_filter("finite", |float| float.is_finite())
            .prop_map(Value::Float),
        texts.clone().prop_map(Value::string),
        texts.clone().prop_map(Value::string),
        Just(Value::Secret(Arc::from([Piece::Secret(Arc::from("a"))]))),
        Just(Value::Reference(Arc::from(["check".into(), "x".into()]))),
        types.prop_map(Value::Unknown),
        Just(Value::Invalid),
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| Value::list(items, SPAN)),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..4)
                .prop_map(|entries| Value::object(entries, SPAN)),
            prop::collection::vec(any::<i64>(), 0..4).prop_map(|mut items| {
                items.sort_unstable();
                items.dedup();
                let items = items.into_iter().map(|item| Node {
                    span: SPAN,
                    value: Value::Integer(item),
                });
                Value::Set(items.collect())
            }),
        ]
    })
}

fn is_sound(value: &Value) -> bool {
    match value {
        Value::Float(float) => float.is_finite(),
        Value::List(items) | Value::Set(items) => items.iter().all(|item| is_sound(&item.value)),
        Value::Object(object) => object
            .entries()
            .iter()
            .all(|(_, node)| is_sound(&node.value)),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_call_panics(args in prop::collection::vec(values(), 0..4)) {
        for function in FUNCTIONS {
            if let Ok(value) = answer(function.name, args.clone()) {
                prop_assert!(is_sound(&value), "{}: {value:?}", function.name);
            }
        }
    }

    #[test]
    fn a_json_text_comes_back(value in values()) {
        if let Ok(Value::String(text)) = answer("jsonencode", [value.clone()]) {
            let back = answer("jsondecode", [Value::String(text.clone())]).map_err(|e| e.message);
            let again = answer("jsonencode", [back.unwrap()]).unwrap();
            prop_assert_eq!(again, Value::String(text));
        }
    }
}
