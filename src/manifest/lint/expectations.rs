//! Asserts that cannot fail, and those that cannot hold.

use crate::manifest::ast::{Expression, Kind, Operator};
use crate::manifest::attributes::assert::ASSERT;
use crate::manifest::attributes::check::CHECK;
use crate::manifest::condition::Condition;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::layer::{Inner, Layer};
use crate::manifest::literal::Literal;
use crate::manifest::locals::children;
use crate::model::check::{Assert, CheckSpec, Method, StatusRange};

/// What is followed, so that nobody sees it.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// What is to be said of the asserts of a check.
pub(super) fn check(spec: &CheckSpec, layer: &Layer, problems: &mut Vec<Problem>) {
    let blocks = layer.blocks.iter();
    for inner in blocks.filter(|inner| inner.kind == ASSERT.name) {
        let mut asserts = spec.asserts.iter();
        if let Some(assert) = asserts.find(|assert| assert.label == inner.label) {
            block(spec, layer, assert, inner, problems);
        }
    }
}

fn block(
    spec: &CheckSpec,
    layer: &Layer,
    assert: &Assert,
    inner: &Inner,
    problems: &mut Vec<Problem>,
) {
    for (name, node) in inner.layer.rows(&ASSERT) {
        match (name, &node.value) {
            ("condition", Value::String(text)) => condition(text, node, problems),
            ("status", _) if !assert.status.is_empty() && assert.status.iter().all(is_followed) => {
                let message = "this `status` is not seen: redirects are followed, and the answer at \
                               their end is judged";
                let problem = Problem::new(Code::NeverHolds, node.span, message);
                problems.push(problem.hint(at_the_end()));
            }
            ("body_contains" | "body_matches" | "json", _) if spec.method == Method::Head => {
                let message = format!("`{name}` never holds: the answer to HEAD has no body");
                problems.push(Problem::new(Code::NeverHolds, node.span, message));
            }
            ("max_latency", _)
                if assert
                    .max_latency
                    .is_some_and(|most| most >= spec.timeout.duration()) =>
            {
                let timeout = Literal::duration(spec.timeout.duration());
                let message = format!(
                    "this latency is never exceeded: the probe is over after its `timeout`, which is {timeout}"
                );
                let problem = Problem::new(Code::AlwaysHolds, node.span, message);
                let given = CHECK
                    .attribute("timeout")
                    .and_then(|(row, _)| layer.get(row));
                problems.push(match given {
                    Some(given) => problem.also(given.span, "`timeout` is given here"),
                    None => problem
                        .hint("without a `timeout` it is the smaller of 10s and 0.8 of `every`"),
                });
            }
            _ => {}
        }
    }
}

fn is_followed(range: &StatusRange) -> bool {
    match range.from() == range.to() {
        true => REDIRECTS.contains(&range.from()),
        false => range.from() >= 300 && range.to() <= 399,
    }
}

fn at_the_end() -> String {
    "say where they end: `condition = startswith(response.url, \"https://www.example.com/\")`"
        .to_owned()
}

/// What is to be said of a condition, as it was folded.
fn condition(text: &str, node: &Node, problems: &mut Vec<Problem>) {
    let Ok(condition) = Condition::parse(text) else {
        return;
    };
    let mut say = |code, message: String, hint: Option<String>| {
        problems.push(Problem::new(code, node.span, message).maybe_hint(hint));
    };
    match condition.always() {
        Some(false) => {
            let message = "this condition never holds, so that the check is always down";
            say(Code::NeverHolds, message.to_owned(), None);
        }
        Some(true) => {
            let message = "this condition always holds, whatever the response is";
            say(Code::AlwaysHolds, message.to_owned(), None);
        }
        None => {
            let mut wrong = Vec::new();
            capitals(condition.expression(), &mut wrong);
            redirects(condition.expression(), &mut wrong);
            let (messages, hints): (Vec<_>, Vec<_>) = wrong.into_iter().unzip();
            if !messages.is_empty() {
                say(
                    Code::NeverHolds,
                    messages.join("; "),
                    Some(hints.join("; ")),
                );
            }
        }
    }
}

/// `response.headers["Content-Type"]`: names are in lower case there.
fn capitals(expression: &Expression, wrong: &mut Vec<(String, String)>) {
    let text = |expression: &Expression| match &expression.kind {
        Kind::String(text) => Some(text.to_string()),
        _ => None,
    };
    let asked = match &expression.kind {
        Kind::Attribute(of, name) if is_headers(of) => Some(name.to_string()),
        Kind::Index(of, at) if is_headers(of) => text(at),
        // `lookup(response.headers, "X", "")`, `contains(keys(response.headers), "X")`
        Kind::Call(call) => match call.arguments.as_slice() {
            [of, at, ..] if is_headers(of) || is_keys_of_headers(of) => text(at),
            _ => None,
        },
        _ => None,
    };
    if let Some(name) = asked.filter(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())) {
        let lower = name.to_ascii_lowercase();
        let told = (
            format!(
                "no response has the header {}: the names in `response.headers` are in lower case",
                Literal::text(name)
            ),
            format!("write response.headers[{}]", Literal::text(lower)),
        );
        if !wrong.contains(&told) {
            wrong.push(told);
        }
    }
    children(expression, &mut |inner| capitals(inner, wrong));
}

fn is_keys_of_headers(expression: &Expression) -> bool {
    match &expression.kind {
        Kind::Call(call) => call.name == "keys" && call.arguments.iter().any(is_headers),
        _ => false,
    }
}

fn is_headers(expression: &Expression) -> bool {
    is_of_response(expression, "headers")
}

fn is_of_response(expression: &Expression, wanted: &str) -> bool {
    match &expression.kind {
        Kind::Attribute(of, name) => {
            **name == *wanted && matches!(&of.kind, Kind::Variable(root) if **root == *"response")
        }
        _ => false,
    }
}

/// `response.status == 301`, as a part that must hold.
fn redirects(expression: &Expression, wrong: &mut Vec<(String, String)>) {
    let Kind::Binary(operator, sides) = &expression.kind else {
        return;
    };
    let [left, right] = &**sides;
    match operator {
        Operator::And => {
            redirects(left, wrong);
            redirects(right, wrong);
        }
        Operator::Equal => {
            for (status, code) in [(left, right), (right, left)] {
                if is_of_response(status, "status")
                    && let Kind::Integer(code) = code.kind
                    && u16::try_from(code).is_ok_and(|code| REDIRECTS.contains(&code))
                {
                    let message = format!(
                        "the status {code} is not seen: redirects are followed, and the answer at their end is judged"
                    );
                    wrong.push((message, at_the_end()));
                }
            }
        }
        _ => {}
    }
}
