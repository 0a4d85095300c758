//! Values: what an expression comes to. Every part knows the place it was written at, so
//! that a mistake is told there. Copies are cheap: long things are shared.

use std::sync::Arc;

use super::typing::Type;
use crate::manifest::source::Span;
use crate::model::secret;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// Finite.
    Float(f64),
    String(Arc<str>),
    /// A text in which references to secrets stand; never without one.
    Secret(Arc<[Piece]>),
    List(Arc<[Node]>),
    /// What `toset` gives: strings or numbers, ascending, each once.
    Set(Arc<[Node]>),
    Object(Arc<Object>),
    /// `webhook.x`, `template.x`, `check.x`: its parts.
    Reference(Arc<[String]>),
    /// Nobody has said it yet; its type is known as far as this goes.
    Unknown(Type),
    /// Something that was already reported: no second problem about it.
    Invalid,
}

/// A piece of a text with secrets in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    Text(Arc<str>),
    /// The name of a secret.
    Secret(Arc<str>),
}

/// A text with secrets as checks and receivers have it; `None` if a name is none.
pub fn secret_text(pieces: &[Piece]) -> Option<secret::Text> {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => Some(secret::Piece::Plain(text.to_string())),
        Piece::Secret(name) => name.parse().ok().map(secret::Piece::Secret),
    };
    let pieces: Option<Vec<_>> = pieces.iter().map(piece).collect();
    pieces.map(secret::Text::new)
}

/// A key of an object.
#[derive(Clone, Debug)]
pub struct Key {
    pub text: Arc<str>,
    pub span: Span,
}

/// The entries of an object, ascending by key; a key stands once.
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(Key, Node)>);

impl Object {
    /// An object of these entries; of a key that stands twice the last one counts.
    pub fn new(mut entries: Vec<(Key, Node)>) -> Self {
        entries.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
        let mut kept: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
        for entry in entries {
            match kept.last_mut() {
                Some(last) if last.0.text == entry.0.text => *last = entry,
                _ => kept.push(entry),
            }
        }
        Self(kept)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let at = self.0.binary_search_by(|(k, _)| (*k.text).cmp(key)).ok()?;
        self.0.get(at).map(|(_, node)| node)
    }

    /// The entries, by key.
    pub fn entries(&self) -> &[(Key, Node)] {
        &self.0
    }
}

impl Value {
    /// A text.
    pub fn string(text: impl AsRef<str>) -> Self {
        Self::String(Arc::from(text.as_ref()))
    }

    /// A list of values that were all written at one place.
    pub fn list(values: impl IntoIterator<Item = Self>, span: Span) -> Self {
        let nodes = values.into_iter().map(|value| Node { span, value });
        Self::List(nodes.collect())
    }

    /// An object of values that were all written at one place.
    pub fn object<K: AsRef<str>>(entries: impl IntoIterator<Item = (K, Self)>, span: Span) -> Self {
        let entry = |(key, value): (K, Self)| {
            let text = Arc::from(key.as_ref());
            (Key { text, span }, Node { span, value })
        };
        Self::Object(Arc::new(Object::new(
            entries.into_iter().map(entry).collect(),
        )))
    }

    /// A number: whole if it is one.
    pub fn number(number: f64) -> Self {
        // 2^53: above it neighbours are missing.
        if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
            Self::Integer(number as i64)
        } else {
            Self::Float(number)
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Secret(_) => "a secret",
            Self::List(_) => "a list",
            Self::Set(_) => "a set",
            Self::Object(_) => "an object",
            Self::Reference(_) => "a reference",
            Self::Unknown(of) => of.kind(),
            Self::Invalid => "an invalid value",
        }
    }
}
