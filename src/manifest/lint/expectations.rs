//! Asserts that cannot fail, and those that cannot hold.

mod together;
mod conditions;

use self::conditions::condition;
use self::together::Together;
use crate::manifest::attributes::assert::ASSERT;
use crate::manifest::attributes::check::CHECK;
use crate::manifest::condition::{Bounds, Condition};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::Value;
use crate::manifest::layer::{Inner, Layer};
use crate::manifest::literal::Literal;
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
