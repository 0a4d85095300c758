//! Locals: evaluated once, each after those that it refers to.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::ast::Expression;
use crate::manifest::attributes::variables::LOCALS;
use crate::manifest::declare::Gaps;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::scope::{Known, Members, NO_EACH, Scope};
use crate::manifest::eval::show::{Sensitivity, evaluate};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::outside::Outside;
use crate::manifest::references::references;
use crate::manifest::source::Span;

/// The values of locals, by name.
pub(super) fn values(
    locals: &BTreeMap<String, (Span, Expression)>,
    gaps: &Gaps,
    variables: &Members,
    outside: &Outside<'_>,
    problems: &mut Vec<Problem>,
) -> Members {
    let mut members = Members::new();
    members.torn = gaps.may_hold(LOCALS.name, None);
    let ordered = order(locals, problems);
    // Those in a circle, which is reported, and those that hang on one.
    let known: BTreeSet<&str> = ordered.iter().copied().collect();
    for (name, (span, _)) in locals {
        if !known.contains(name.as_str()) {
            let node = Node {
                span: *span,
                value: Value::Invalid,
            };
            let sensitive = false;
            members.insert(name.clone(), Known { node, sensitive });
        }
    }
    for name in ordered {
        let Some((span, expression)) = locals.get(name) else {
            continue;
        };
        let scope = Scope::of_file(variables, &members, NO_EACH, outside, &outside.work);
        let (node, sensitivity) = evaluate(expression, &scope, problems);
        let sensitive = sensitivity == Sensitivity::Sensitive;
        let node = Node {
            span: *span,
            ..node
        };
        members.insert(name.to_owned(), Known { node, sensitive });
    }
    members
}

/// How far a local is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// On the way, at this depth: met again, it is in a circle.
    Open(usize),
    Done,
    /// Part of a circle, or refers to one.
    Circular,
}

/// A local on the way, and how many of those that it refers to were looked at.
struct Step<'l> {
    name: &'l str,
    at: usize,
    circular: bool,
    /// Whether a circle through it was told.
    told: bool,
}

/// The names, each after those that it refers to, without those in a circle and those that
/// hang on one. Each reference is looked at once: there may be thousands.
fn order<'l>(
    locals: &'l BTreeMap<String, (Span, Expression)>,
    problems: &mut Vec<Problem>,
) -> Vec<&'l str> {
    let needs: BTreeMap<&str, Vec<(&'l str, Span)>> = locals
        .iter()
        .map(|(name, (_, expression))| {
            let mut found = Vec::new();
            references(expression, &mut |root, name, span| {
                if root == "local"
                    && let Some((name, _)) = locals.get_key_value(name)
                {
                    found.push((name.as_str(), span));
                }
            });
            (name.as_str(), found)
        })
        .collect();
    let mut marks: BTreeMap<&str, Mark> = BTreeMap::new();
    let mut ordered = Vec::with_capacity(locals.len());
    for start in locals.keys() {
        if marks.contains_key(start.as_str()) {
            continue;
        }
        // A walk of its own: thousands of locals may hang on one another.
        let begin = |name| Step {
            name,
            at: 0,
            circular: false,
            told: false,
        };
        let mut path: Vec<Step<'_>> = vec![begin(start)];
        marks.insert(start, Mark::Open(0));
        while let Some(step) = path.last_mut() {
            let next = needs.get(step.name).and_then(|needs| needs.get(step.at));
            step.at += 1;
            let Some((next, span)) = next else {
                let (name, circular) = (step.name, step.circular);
                path.pop();
                match circular {
                    true => marks.insert(name, Mark::Circular),
                    false => marks.insert(name, Mark::Done),
                };
                match path.last_mut() {
                    Some(above) if circular => above.circular = true,
                    _ => {}
                }
                if !circular {
                    ordered.push(name);
                }
                continue;
            };
            match marks.get(next).copied() {
                Some(Mark::Done) => {}
                Some(Mark::Circular) => step.circular = true,
                Some(Mark::Open(depth)) => {
                    step.circular = true;
                    let circle = path.get_mut(depth..).unwrap_or_default();
                    // One circle is told for each name that closes one.
                    let told = |first: &mut Step<'_>| std::mem::replace(&mut first.told, true);
                    if circle.first_mut().map(told) == Some(false) {
                        problems.push(Problem::new(Code::Cycle, *span, way(circle)));
                    }
                }
                None => {
                    marks.insert(next, Mark::Open(path.len()));
                    path.push(begin(next));
                }
            }
        }
    }
    ordered
}

/// The most names of a circle that are told.
const MOST_TOLD: usize = 10;

/// A circle in words.
fn way(circle: &[Step<'_>]) -> String {
    let mut way = String::from("these locals need each other: ");
    for step in circle.iter().take(MOST_TOLD) {
        way.push_str(&format!("local.{} -> ", step.name));
    }
    if let Some(more) = circle.len().checked_sub(MOST_TOLD + 1) {
        way.push_str(&format!("{} more -> ", more + 1));
    }
    let first = circle.first().map_or("", |step| step.name);
    way.push_str(&format!("local.{first}"));
    way
}
