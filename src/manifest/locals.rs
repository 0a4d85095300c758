//! Locals: evaluated once, each after those that it refers to.

use std::collections::BTreeMap;

use crate::manifest::ast::{Expression, Kind, Part};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::scope::{Doors, Known, Members, Place, Root, Scope};
use crate::manifest::eval::show::{Sensitivity, evaluate};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::source::Span;

/// The values of locals, by name.
pub(super) fn values(
    locals: &BTreeMap<String, (Span, Expression)>,
    variables: &Members,
    doors: &dyn Doors,
    problems: &mut Vec<Problem>,
) -> Members {
    let mut members = Members::new();
    for name in order(locals, problems) {
        let Some((span, expression)) = locals.get(name) else {
            continue;
        };
        let scope = Scope {
            roots: vec![
                ("var", Root::Members(variables)),
                ("local", Root::Members(&members)),
                ("webhook", Root::Reference),
                ("template", Root::Reference),
                (
                    "each",
                    Root::Misplaced("`each` is known in a check with `for_each` only"),
                ),
                (
                    "response",
                    Root::Misplaced("`response` is known in a `condition` only"),
                ),
            ],
            place: Place::File,
            doors,
        };
        let (node, sensitivity) = evaluate(expression, &scope, problems);
        let sensitive = sensitivity == Sensitivity::Sensitive;
        let node = Node {
            span: *span,
            ..node
        };
        members.insert(name.to_owned(), Known { node, sensitive });
    }
    // Those in a circle, which was reported.
    for (name, (span, _)) in locals {
        members.entry(name.clone()).or_insert_with(|| Known {
            node: Node {
                span: *span,
                value: Value::Invalid,
            },
            sensitive: false,
        });
    }
    members
}

/// How far a local is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// On the way to itself, if it is met again.
    Open,
    Done,
    /// Part of a circle, or refers to one.
    Circular,
}

/// The names, each after those that it refers to, without those in a circle.
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
        // A walk of its own: thousands of locals may hang on one another.
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        if marks.contains_key(start.as_str()) {
            continue;
        }
        marks.insert(start, Mark::Open);
        while let Some((name, at)) = path.last_mut() {
            let name = *name;
            let next = needs.get(name).and_then(|needs| needs.get(*at));
            *at += 1;
            let Some((next, span)) = next else {
                if marks.get(name) == Some(&Mark::Open) {
                    marks.insert(name, Mark::Done);
                    ordered.push(name);
                }
                path.pop();
                continue;
            };
            match marks.get(next) {
                Some(Mark::Done) => {}
                Some(Mark::Circular) => {
                    marks.insert(name, Mark::Circular);
                }
                Some(Mark::Open) => {
                    let circle = path.iter().map(|(name, _)| *name);
                    let circle: Vec<&str> = circle.skip_while(|name| name != next).collect();
                    for name in &circle {
                        marks.insert(name, Mark::Circular);
                    }
                    let way = circle.iter().chain([next]);
                    let way: Vec<String> = way.map(|name| format!("local.{name}")).collect();
                    let message = format!("these locals need each other: {}", way.join(" -> "));
                    problems.push(Problem::new(Code::Cycle, *span, message));
                }
                None => {
                    marks.insert(next, Mark::Open);
                    path.push((next, 0));
                }
            }
        }
    }
    // What hangs on a circle may have been ordered before that was known; its evaluation
    // meets an invalid value, and says nothing more.
    ordered
}

/// Tells every `root.name` of an expression.
pub(super) fn references(expression: &Expression, tell: &mut dyn FnMut(&str, &str, Span)) {
    let mut each = |inner: &Expression| references(inner, tell);
    match &expression.kind {
        Kind::Attribute(of, name) => match &of.kind {
            Kind::Variable(root) => tell(root, name, expression.span),
            _ => each(of),
        },
        Kind::Index(of, at) => match (&of.kind, &at.kind) {
            (Kind::Variable(root), Kind::String(name)) => tell(root, name, expression.span),
            _ => {
                each(of);
                each(at);
            }
        },
        _ => children(expression, &mut each),
    }
}

/// Goes to each expression directly inside this one.
pub(super) fn children(expression: &Expression, each: &mut dyn FnMut(&Expression)) {
    match &expression.kind {
        Kind::Template(parts) => parts.iter().for_each(|part| part_children(part, each)),
        Kind::List(items) => items.iter().for_each(each),
        Kind::Object(entries) => {
            for (key, value) in entries {
                each(key);
                each(value);
            }
        }
        Kind::Attribute(of, _) | Kind::Not(of) | Kind::Negative(of) => each(of),
        Kind::Index(of, at) => {
            each(of);
            each(at);
        }
        Kind::Splat(splat) => {
            each(&splat.of);
            each(&splat.each);
        }
        Kind::Call(call) => call.arguments.iter().for_each(each),
        Kind::Binary(_, sides) => sides.iter().for_each(each),
        Kind::Conditional(parts) => parts.iter().for_each(each),
        Kind::For(inner) => {
            each(&inner.intro.collection);
            inner.key.iter().for_each(&mut *each);
            each(&inner.value);
            inner.condition.iter().for_each(each);
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Integer(_)
        | Kind::Float(_)
        | Kind::String(_)
        | Kind::Variable(_)
        | Kind::Invalid => {}
    }
}

fn part_children(part: &Part, each: &mut dyn FnMut(&Expression)) {
    match part {
        Part::Text(_) => {}
        Part::Value(value) => each(value),
        Part::If(condition, then, otherwise) => {
            each(condition);
            then.iter().for_each(|part| part_children(part, each));
            otherwise.iter().for_each(|part| part_children(part, each));
        }
        Part::For(intro, parts) => {
            each(&intro.collection);
            parts.iter().for_each(|part| part_children(part, each));
        }
    }
}
