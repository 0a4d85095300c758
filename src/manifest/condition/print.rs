//! Expressions as text, in one way for one meaning.

use std::fmt::Write as _;

use crate::manifest::ast::{ELEMENT, Expression, Intro, Kind, Part};
use crate::manifest::literal::Literal;

/// How tightly a conditional binds: less than any operator.
const CONDITIONAL: u8 = 0;
/// What an operator binds more tightly than a conditional, see `Operator::precedence`.
const OPERATORS: u8 = 1;
const UNARY: u8 = 10;
const TERM: u8 = 11;

/// The text of an expression.
pub(super) fn text(expression: &Expression) -> String {
    let mut out = String::new();
    write(expression, CONDITIONAL, &mut out);
    out
}

/// How tightly an expression holds together.
fn binds(expression: &Expression) -> u8 {
    match &expression.kind {
        Kind::Conditional(_) => CONDITIONAL,
        Kind::Binary(operator, _) => OPERATORS + operator.precedence(),
        Kind::Not(_) | Kind::Negative(_) => UNARY,
        Kind::Integer(number) if *number < 0 => UNARY,
        Kind::Float(number) if *number < 0.0 => UNARY,
        _ => TERM,
    }
}

/// Writes an expression, in parentheses if it binds less tightly than is needed.
fn write(expression: &Expression, needed: u8, out: &mut String) {
    if binds(expression) < needed {
        out.push('(');
        write(expression, CONDITIONAL, out);
        out.push(')');
        return;
    }
    match &expression.kind {
        Kind::Null | Kind::Invalid => out.push_str("null"),
        Kind::Bool(truth) => push(out, truth),
        Kind::Integer(number) => push(out, number),
        Kind::Float(number) => push(out, number),
        Kind::String(text) => push(out, Literal::text(text)),
        Kind::Template(parts) => {
            out.push('"');
            write_parts(parts, out);
            out.push('"');
        }
        Kind::List(items) => {
            out.push('[');
            separated(items, out);
            out.push(']');
        }
        Kind::Object(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { " " });
                match &key.kind {
                    Kind::String(text) => push(out, Literal::text(text)),
                    _ => {
                        out.push('(');
                        write(key, CONDITIONAL, out);
                        out.push(')');
                    }
                }
                out.push_str(" = ");
                write(value, CONDITIONAL, out);
            }
            out.push_str(" }");
        }
        // What a splat asks stands behind its `[*]`.
        Kind::Variable(name) if **name == *ELEMENT => {}
        Kind::Variable(name) => out.push_str(name),
        Kind::Attribute(of, name) => {
            write_of(of, out);
            out.push('.');
            out.push_str(name);
        }
        Kind::Index(of, at) => {
            write_of(of, out);
            out.push('[');
            write(at, CONDITIONAL, out);
            out.push(']');
        }
        Kind::Splat(splat) => {
            write_of(&splat.of, out);
            out.push_str("[*]");
            write(&splat.each, CONDITIONAL, out);
        }
        Kind::Call(call) => {
            out.push_str(&call.name);
            out.push('(');
            separated(&call.arguments, out);
            out.push_str(if call.expand { "...)" } else { ")" });
        }
        Kind::Not(of) => {
            out.push('!');
            write(of, TERM, out);
        }
        Kind::Negative(of) => {
            out.push('-');
            write(of, TERM, out);
        }
        Kind::Binary(operator, sides) => {
            let [left, right] = &**sides;
            let own = OPERATORS + operator.precedence();
            write(left, own, out);
            push(out, format_args!(" {} ", operator.sign()));
            write(right, own + 1, out);
        }
        Kind::Conditional(parts) => {
            let [condition, then, otherwise] = &**parts;
            write(condition, OPERATORS, out);
            out.push_str(" ? ");
            write(then, OPERATORS, out);
            out.push_str(" : ");
            write(otherwise, OPERATORS, out);
        }
        Kind::For(each) => {
            out.push(if each.key.is_some() { '{' } else { '[' });
            out.push_str("for ");
            write_intro(&each.intro, out);
            out.push_str(" : ");
            if let Some(key) = &each.key {
                write(key, CONDITIONAL, out);
                out.push_str(" => ");
            }
            write(&each.value, CONDITIONAL, out);
            out.push_str(if each.grouping { "..." } else { "" });
            if let Some(condition) = &each.condition {
                out.push_str(" if ");
                write(condition, CONDITIONAL, out);
            }
            out.push(if each.key.is_some() { '}' } else { ']' });
        }
    }
}

fn push(out: &mut String, what: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    write!(out, "{what}").unwrap_or_default();
}

/// What something is asked of.
fn write_of(of: &Expression, out: &mut String) {
    // `1.a` and `{}.a` would be read otherwise.
    let plain = matches!(
        of.kind,
        Kind::Variable(_) | Kind::Attribute(..) | Kind::Index(..) | Kind::Call(_)
    );
    if plain {
        return write(of, TERM, out);
    }
    out.push('(');
    write(of, CONDITIONAL, out);
    out.push(')');
}

fn separated(items: &[Expression], out: &mut String) {
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write(item, CONDITIONAL, out);
    }
}

fn write_intro(intro: &Intro, out: &mut String) {
    if let Some(key) = &intro.key {
        out.push_str(key);
        out.push_str(", ");
    }
    out.push_str(&intro.value);
    out.push_str(" in ");
    write(&intro.collection, CONDITIONAL, out);
}

fn write_parts(parts: &[Part], out: &mut String) {
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => {
                // Before a bracket these two would be read as its escape.
                let (plain, sign) = match (text.strip_suffix(['$', '%']), at + 1 < parts.len()) {
                    (Some(plain), true) => (plain, text.chars().last()),
                    _ => (&**text, None),
                };
                let quoted = Literal::text(plain).to_string();
                let inner = quoted
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'));
                out.push_str(inner.unwrap_or_default());
                if let Some(sign) = sign {
                    push(out, format_args!("\\u{:04x}", u32::from(sign)));
                }
            }
            Part::Value(value) => {
                out.push_str("${");
                write(value, CONDITIONAL, out);
                out.push('}');
            }
            Part::If(condition, then, otherwise) => {
                out.push_str("%{ if ");
                write(condition, CONDITIONAL, out);
                out.push_str(" }");
                write_parts(then, out);
                if !otherwise.is_empty() {
                    out.push_str("%{ else }");
                    write_parts(otherwise, out);
                }
                out.push_str("%{ endif }");
            }
            Part::For(intro, inner) => {
                out.push_str("%{ for ");
                write_intro(intro, out);
                out.push_str(" }");
                write_parts(inner, out);
                out.push_str("%{ endfor }");
            }
        }
    }
}
