//! Values for people: what went into an expression that has a problem.

use std::sync::Arc;

use super::Evaluator;
use super::convert::cut;
use super::scope::{Root, Scope};
use super::value::{Node, Object, Value, secret_text};
use crate::manifest::ast::Expression;
use crate::manifest::diagnostic::Problem;
use crate::manifest::literal::Literal;
use crate::manifest::references::references;

/// The most values that are told.
const MOST: usize = 6;
/// The most parts of a value of which a beginning is shown, and characters of a text.
const MOST_PARTS: usize = 100;
const LONG: usize = 200;

/// A value in the notation of the files, cut to a line.
pub fn shown(value: &Value) -> String {
    let mut left = MOST_PARTS;
    match literal(&beginning(value, &mut left)) {
        Some(literal) => cut(&literal.to_string()),
        None => format!("({})", value.kind()),
    }
}

/// As much of a value as a line can show: most of a large one is never looked at.
fn beginning(value: &Value, left: &mut usize) -> Value {
    let mut some = |nodes: &[Node]| -> Arc<[Node]> {
        let mut made = Vec::new();
        for node in nodes {
            if *left == 0 {
                break;
            }
            *left -= 1;
            let value = beginning(&node.value, left);
            let span = node.span;
            made.push(Node { span, value });
        }
        made.into()
    };
    match value {
        Value::List(items) => Value::List(some(items)),
        Value::Set(items) => Value::Set(some(items)),
        Value::Object(object) => {
            let mut made = Vec::new();
            for (key, node) in object.entries() {
                if *left == 0 {
                    break;
                }
                *left -= 1;
                let (span, value) = (node.span, beginning(&node.value, left));
                made.push((key.clone(), Node { span, value }));
            }
            Value::Object(Arc::new(Object::new(made)))
        }
        Value::String(text) if text.len() > LONG => {
            Value::string(text.chars().take(LONG).collect::<String>())
        }
        value => value.clone(),
    }
}

/// A value in the notation of the files; `None` if it cannot be written.
pub fn literal(value: &Value) -> Option<Literal> {
    Some(match value {
        Value::Null => Literal::Null,
        Value::Bool(truth) => Literal::Bool(*truth),
        Value::Integer(number) => Literal::Integer(*number),
        Value::Float(number) => Literal::Float(number.to_string()),
        Value::String(text) => Literal::text(text),
        Value::Secret(pieces) => Literal::template(&secret_text(pieces)?),
        Value::List(items) => {
            let items = items.iter().map(|node| literal(&node.value));
            Literal::List(items.collect::<Option<_>>()?)
        }
        Value::Set(items) => {
            let items = items.iter().map(|node| literal(&node.value));
            let list = Literal::List(items.collect::<Option<_>>()?);
            Literal::Reference(format!("toset({list})"))
        }
        Value::Object(object) => {
            let entries = object.entries().iter();
            let entry = |(key, node): &(super::value::Key, super::value::Node)| {
                Some((key.text.to_string(), literal(&node.value)?))
            };
            Literal::Object(entries.map(entry).collect::<Option<_>>()?)
        }
        Value::Reference(parts) => Literal::Reference(reference(parts)),
        Value::Unknown(_) | Value::Invalid => return None,
    })
}

/// `webhook.x`, `check.x["key"]`
pub fn reference(parts: &[String]) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() && !part.starts_with('[') {
            text.push('.');
        }
        text.push_str(part);
    }
    text
}

/// A problem of an expression, with the values that its names have.
pub fn with_values(mut problem: Problem, expression: &Expression, scope: &Scope<'_>) -> Problem {
    let at = problem.span;
    references(expression, &mut |root, name, span| {
        // Of a long expression only what the problem's own part says.
        let inside = at.is_none_or(|at| {
            at.file != span.file || (at.start <= span.end && span.start <= at.end)
        });
        if !inside || problem.values.len() >= MOST {
            return;
        }
        let value = match scope.root(root) {
            Some(Root::Members(members)) => match members.get(name) {
                Some(known) if known.sensitive => "(sensitive)".to_owned(),
                Some(known) => shown(&known.node.value),
                None => return,
            },
            Some(Root::Value(Value::Object(object))) => match object.get(name) {
                Some(node) => shown(&node.value),
                None => return,
            },
            _ => return,
        };
        let path = format!("{root}.{name}");
        if !problem.values.iter().any(|(told, _)| *told == path) {
            problem.values.push((path, value));
        }
    });
    problem
}

/// Evaluates an expression and tells its problems with the values that went in.
pub fn evaluate(
    expression: &Expression,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> (super::value::Node, Sensitivity) {
    let mut evaluator = Evaluator::new(scope);
    let node = evaluator.evaluate_whole(expression);
    let sensitivity = match evaluator.sensitive {
        true => Sensitivity::Sensitive,
        false => Sensitivity::Plain,
    };
    let found = std::mem::take(&mut evaluator.problems);
    let told = found
        .into_iter()
        .map(|problem| with_values(problem, expression, scope));
    problems.extend(told);
    (node, sensitivity)
}

/// Whether a value may be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sensitivity {
    Plain,
    Sensitive,
}
