//! What an expression refers to, and which expressions stand directly inside it.

use crate::manifest::ast::{Expression, Kind, Part};
use crate::manifest::source::Span;

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
