//! Strings in which something is inserted. A secret in one stays a reference in it.

use std::sync::Arc;

use super::typing::Type;
use super::value::{Piece, Value};
use super::{Evaluator, MAX_TEXT, convert};
use crate::manifest::ast::Part;
use crate::manifest::diagnostic::Code;
use crate::manifest::source::Span;

/// What a reference takes besides its name.
const REFERENCE: usize = "${secret(\"\")}".len();

/// A text while it is put together.
#[derive(Default)]
pub(super) struct Builder {
    pieces: Vec<Piece>,
    text: String,
    length: usize,
    unknown: bool,
    invalid: bool,
}

impl Builder {
    fn push(&mut self, text: &str) {
        self.length += text.len();
        if self.length <= MAX_TEXT {
            self.text.push_str(text);
        }
    }

    fn pieces(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.push(text),
                Piece::Secret(name) => {
                    self.flush();
                    // As it is written: a text of references alone has an end too.
                    self.length += name.len() + REFERENCE;
                    if self.length > MAX_TEXT {
                        continue;
                    }
                    self.pieces.push(Piece::Secret(Arc::clone(name)));
                }
            }
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.pieces.push(Piece::Text(Arc::from(text)));
        }
    }
}

impl Evaluator<'_> {
    pub(super) fn template(&mut self, parts: &[Part], span: Span) -> Value {
        // `"${x}"` is x itself.
        if let [Part::Value(only)] = parts {
            return self.evaluate(only).value;
        }
        let mut builder = Builder::default();
        self.parts(parts, &mut builder);
        if builder.invalid || !self.step(builder.length.min(MAX_TEXT) / 64, span) {
            return Value::Invalid;
        }
        if builder.unknown {
            return Value::Unknown(Type::String);
        }
        if builder.length > MAX_TEXT {
            return self.refuse(
                Code::TooMuchWork,
                span,
                "this text would be longer than 1 MiB",
            );
        }
        if builder.pieces.is_empty() {
            return Value::String(Arc::from(builder.text));
        }
        builder.flush();
        Value::Secret(Arc::from(builder.pieces))
    }

    fn parts(&mut self, parts: &[Part], builder: &mut Builder) {
        for part in parts {
            match part {
                Part::Text(text) => builder.push(text),
                Part::Value(value) => self.insert(value, builder),
                Part::If(condition, then, otherwise) => {
                    let node = self.evaluate(condition);
                    match self.truth(&node, "`if`") {
                        Some(true) => self.parts(then, builder),
                        Some(false) => self.parts(otherwise, builder),
                        None if matches!(node.value, Value::Unknown(_)) => builder.unknown = true,
                        None => builder.invalid = true,
                    }
                }
                Part::For(intro, inner) => match self.elements(intro) {
                    Ok(elements) => {
                        for element in elements {
                            let enough =
                                builder.length > MAX_TEXT || !self.step(1, intro.collection.span);
                            if enough {
                                builder.invalid |= builder.length <= MAX_TEXT;
                                break;
                            }
                            self.with_element(intro, element, |this| this.parts(inner, builder));
                        }
                    }
                    Err(Value::Unknown(_)) => builder.unknown = true,
                    Err(_) => builder.invalid = true,
                },
            }
        }
    }

    fn insert(&mut self, value: &crate::manifest::ast::Expression, builder: &mut Builder) {
        let node = self.evaluate(value);
        if let Some(text) = convert::text(&node.value) {
            return builder.push(&text);
        }
        match &node.value {
            Value::Secret(pieces) => builder.pieces(pieces),
            Value::Invalid => builder.invalid = true,
            Value::Unknown(Type::Any | Type::String | Type::Number | Type::Bool) => {
                builder.unknown = true;
            }
            other => {
                let message = format!("{} cannot be inserted into a string", other.kind());
                let problem = crate::manifest::diagnostic::Problem::new(
                    Code::WrongOperand,
                    node.span,
                    message,
                );
                let hint = match other {
                    Value::Null => None,
                    Value::List(_) | Value::Set(_) => Some("put it together: join(\", \", ...)"),
                    _ => Some("write it as JSON: jsonencode(...)"),
                };
                self.problem(problem.maybe_hint(hint.map(str::to_owned)));
                builder.invalid = true;
            }
        }
    }
}
