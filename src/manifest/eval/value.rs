//! Values: what an expression comes to. Every part knows the place it was written at, so
//! that a mistake is told there. Copies are cheap: long things are shared.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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

/// What kind of values something can have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Type {
    Any,
    Bool,
    Number,
    String,
    List(Box<Self>),
    Set(Box<Self>),
    Map(Box<Self>),
    /// Whether each attribute may be left out.
    Object(BTreeMap<String, (Self, Presence)>),
    Tuple(Vec<Self>),
}

/// Whether an attribute of an object must be given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presence {
    Required,
    /// Null without it.
    Optional,
}

impl fmt::Display for Type {
    /// As it is written in `type = ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Bool => f.write_str("bool"),
            Self::Number => f.write_str("number"),
            Self::String => f.write_str("string"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Set(of) => write!(f, "set({of})"),
            Self::Map(of) => write!(f, "map({of})"),
            Self::Object(attributes) => {
                f.write_str("object({")?;
                for (at, (name, (of, presence))) in attributes.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { " " })?;
                    match presence {
                        Presence::Required => write!(f, "{name} = {of}")?,
                        Presence::Optional => write!(f, "{name} = optional({of})")?,
                    }
                }
                f.write_str(" })")
            }
            Self::Tuple(items) => {
                f.write_str("tuple([")?;
                for (at, of) in items.iter().enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    write!(f, "{comma}{of}")?;
                }
                f.write_str("])")
            }
        }
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

impl Type {
    /// What a value of it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Any => "an unknown value",
            Self::Bool => "a bool",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List(_) | Self::Tuple(_) => "a list",
            Self::Set(_) => "a set",
            Self::Map(_) | Self::Object(_) => "an object",
        }
    }
}

/// Equal as HCL's `==` has it: of the same kind and the same content, wherever it was
/// written. A whole number equals the same number with a point.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Integer(a), Self::Float(b)) | (Self::Float(b), Self::Integer(a)) => {
                order(*a, *b) == Some(Ordering::Equal)
            }
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Secret(a), Self::Secret(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Set(a), Self::Set(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.value == b.value)
            }
            (Self::Object(a), Self::Object(b)) => {
                let (a, b) = (a.entries(), b.entries());
                let same = |((ka, va), (kb, vb)): (&(Key, Node), &(Key, Node))| {
                    ka.text == kb.text && va.value == vb.value
                };
                a.len() == b.len() && a.iter().zip(b).all(same)
            }
            (Self::Reference(a), Self::Reference(b)) => a == b,
            _ => false,
        }
    }
}

/// Which is greater, exactly: above 2^53 not every whole number is an f64.
pub fn order(whole: i64, other: f64) -> Option<Ordering> {
    // 2^63, which no i64 reaches.
    const END: f64 = 9_223_372_036_854_775_808.0;
    match other {
        other if other >= END => Some(Ordering::Less),
        other if other < -END => Some(Ordering::Greater),
        other => match whole.cmp(&(other.floor() as i64)) {
            Ordering::Equal => 0.0.partial_cmp(&other.fract().abs()),
            unequal => Some(unequal),
        },
    }
}
