//! A text that grows within its limit, and keeps the secrets that stand in it.

use std::mem;
use std::sync::Arc;

use crate::manifest::eval::functions::{Failure, coerce, limits};
use crate::manifest::eval::value::{Piece, Value};

#[derive(Default)]
pub(super) struct Text {
    pieces: Vec<Piece>,
    /// What stands after the last secret.
    tail: String,
    size: usize,
}

impl Text {
    pub(super) fn push(&mut self, text: &str) -> Result<(), Failure> {
        self.grow(text.len())?;
        self.tail.push_str(text);
        Ok(())
    }

    /// The same character so many times.
    pub(super) fn repeat(&mut self, character: char, times: usize) -> Result<(), Failure> {
        self.grow(times.saturating_mul(character.len_utf8()))?;
        self.tail.extend(std::iter::repeat_n(character, times));
        Ok(())
    }

    pub(super) fn secret(&mut self, name: &Arc<str>) -> Result<(), Failure> {
        self.grow(name.len())?;
        self.close();
        self.pieces.push(Piece::Secret(Arc::clone(name)));
        Ok(())
    }

    /// A string, a number, a bool, or a text with secrets in it.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), Failure> {
        if let Value::Secret(pieces) = value {
            for piece in pieces.iter() {
                match piece {
                    Piece::Text(text) => self.push(text)?,
                    Piece::Secret(name) => self.secret(name)?,
                }
            }
            return Ok(());
        }
        match coerce::string(value) {
            Some(text) => self.push(&text),
            None => Err(Failure::new(format!("{} is no text", value.kind()))),
        }
    }

    pub(super) fn finish(mut self) -> Value {
        if self.pieces.is_empty() {
            return Value::String(Arc::from(self.tail));
        }
        self.close();
        Value::Secret(Arc::from(self.pieces))
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        self.size = self.size.saturating_add(bytes);
        limits::text_size(self.size)
    }

    fn close(&mut self) {
        if !self.tail.is_empty() {
            let text = mem::take(&mut self.tail);
            self.pieces.push(Piece::Text(Arc::from(text)));
        }
    }
}
