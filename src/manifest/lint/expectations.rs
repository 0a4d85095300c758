//! Asserts that cannot fail, and those that cannot hold.

use crate::manifest::ast::{Expression, Kind};
use crate::manifest::attributes::assert::ASSERT;
use crate::manifest::attributes::check::CHECK;
use crate::manifest::condition::{Bounds, Condition, Quantity};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::layer::{Inner, Layer};
use crate::manifest::literal::Literal;
use crate::manifest::references::children;
use crate::manifest::source::Span;
use crate::model::check::{Assert, CheckSpec, Method, StatusRange};

/// What is followed, so that nobody sees it.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// What is to be said of the asserts of a check.
pub(super) fn check(spec: &CheckSpec, layer: &Layer, problems: &mut Vec<Problem>) {
    let blocks = || {
        let blocks = layer.blocks.iter();
        blocks.filter(|inner| inner.kind == ASSERT.name)
    };
    let mut together = Together::new(spec, blocks().count());
    for inner in blocks() {
        let mut asserts = spec.asserts.iter();
        if let Some(assert) = asserts.find(|assert| assert.label == inner.label) {
            let condition = block(spec, layer, assert, inner, problems);
            together.add(assert, inner, condition, problems);
        }
    }
}

/// Asserts that cannot hold together.
struct Together {
    bounds: Bounds,
    /// Whether there is more than one thing to hold.
    many: bool,
    /// What those before leave, and where they are.
    before: Vec<(Bounds, Span)>,
}

impl Together {
    fn new(spec: &CheckSpec, blocks: usize) -> Self {
        Self {
            bounds: seen(spec),
            many: blocks > 1,
            before: Vec::new(),
        }
    }

    /// What an assert leaves of the responses, with what is to be said of it.
    fn add(
        &mut self,
        assert: &Assert,
        inner: &Inner,
        condition: Option<Condition>,
        problems: &mut Vec<Problem>,
    ) {
        if !self.many && condition.is_none() {
            return;
        }
        let place = |wanted: &str| {
            let mut rows = inner.layer.rows(&ASSERT);
            rows.find(|(name, _)| *name == wanted)
                .map(|(_, node)| node.span)
        };
        let status = place("status").filter(|_| !assert.status.is_empty());
        let mut parts: Vec<(Option<Bounds>, Span)> = Vec::new();
        if let Some(span) = status {
            parts.push((self.bounds.clone().with_status(&assert.status), span));
        }
        if let (Some(most), Some(span)) = (assert.max_latency, place("max_latency")) {
            let most = self.bounds.clone().with_latency(most.as_secs_f64());
            parts.push((most, span));
        }
        if let (Some(condition), Some(span)) = (condition, place("condition")) {
            parts.push((condition.where_it_holds(&self.bounds), span));
        }
        for (bounds, span) in parts {
            // What is impossible by itself was told.
            let Some(bounds) = bounds else { continue };
            let other = self.before.iter().find(|(it, _)| it.and(&bounds).is_none());
            if let Some((_, other)) = other {
                let message = "this never holds together with another of the check's asserts, so \
                               that the check is always down";
                let problem = Problem::new(Code::NeverHolds, span, message);
                problems.push(problem.also(*other, "the other is here"));
            }
            self.before.push((bounds, span));
        }
    }
}

fn block(
    spec: &CheckSpec,
    layer: &Layer,
    assert: &Assert,
    inner: &Inner,
    problems: &mut Vec<Problem>,
) -> Option<Condition> {
    let mut parsed = None;
    for (name, node) in inner.layer.rows(&ASSERT) {
        match (name, &node.value) {
            ("condition", Value::String(text)) => {
                parsed = Condition::parse(text).ok();
                if let Some(parsed) = &parsed {
                    condition(parsed, spec, node, problems);
                }
            }
            ("status", _)
                if spec.redirects.followed
                    && !assert.status.is_empty()
                    && assert.status.iter().all(is_followed) =>
            {
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
    parsed
}

fn is_followed(range: &StatusRange) -> bool {
    match range.from() == range.to() {
        true => REDIRECTS.contains(&range.from()),
        false => range.from() >= 300 && range.to() <= 399,
    }
}

fn at_the_end() -> String {
    "say where they end: `condition = startswith(response.url, \"https://www.example.com/\")`; or \
     judge the redirect itself: `follow_redirects = false`"
        .to_owned()
}

/// What can be seen of a response: not the redirects that are followed.
fn seen(spec: &CheckSpec) -> Bounds {
    let all = Bounds::of_probe(spec.timeout.duration().as_secs_f64());
    match spec.redirects.followed {
        true => all.without_statuses(&REDIRECTS),
        false => all,
    }
}

/// What is to be said of a condition, as it was folded.
fn condition(condition: &Condition, spec: &CheckSpec, node: &Node, problems: &mut Vec<Problem>) {
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
