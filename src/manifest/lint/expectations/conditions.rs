//! Conditions that always hold or never, and names of headers that no response has.

use super::{REDIRECTS, at_the_end, seen};
use crate::manifest::ast::{Expression, Kind};
use crate::manifest::condition::{Bounds, Condition, Quantity};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::Node;
use crate::manifest::literal::Literal;
use crate::manifest::references::children;
use crate::model::check::CheckSpec;

/// What is to be said of a condition, as it was folded.
pub(super) fn condition(
    condition: &Condition,
    spec: &CheckSpec,
    node: &Node,
    problems: &mut Vec<Problem>,
) {
    let timeout = spec.timeout.duration();
    let bounds = seen(spec);
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
        None if condition.where_it_holds(&bounds).is_none() => {
            let all = Bounds::of_probe(timeout.as_secs_f64());
            if let Some(holds) = condition.where_it_holds(&all) {
                let codes = REDIRECTS.iter().filter(|code| holds.has_status(**code));
                let codes: Vec<_> = codes.map(u16::to_string).collect();
                let which = match codes.as_slice() {
                    [one] => format!("the status {one} is"),
                    _ => format!("the statuses {} are", codes.join(", ")),
                };
                let message = format!(
                    "{which} not seen: redirects are followed, and the answer at their end is judged"
                );
                return say(Code::NeverHolds, message, Some(at_the_end()));
            }
            let message = "this condition never holds, so that the check is always down";
            let facts = condition.quantities().into_iter().map(|of| match of {
                Quantity::Status => "a status is a number from 100 to 599".to_owned(),
                Quantity::Latency(_) => format!(
                    "a latency is a number of seconds, from 0 to the `timeout`, which is {}",
                    Literal::duration(timeout)
                ),
            });
            let mut facts: Vec<_> = facts.collect();
            facts.dedup();
            say(
                Code::NeverHolds,
                message.to_owned(),
                Some(facts.join("; ")).filter(|facts| !facts.is_empty()),
            );
        }
        None => {
            for part in condition.idle(&bounds) {
                let message = format!(
                    "`{part}` always holds: the probe is over after its `timeout`, which is {}",
                    Literal::duration(timeout)
                );
                say(Code::AlwaysHolds, message, None);
            }
            let mut wrong = Vec::new();
            capitals(condition.expression(), &mut wrong);
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
