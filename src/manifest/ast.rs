//! A file as a tree, with the place of everything. It owes nothing to the parser
//! that made it, which is gone by then.

use crate::manifest::source::Span;

/// What stands between the braces of a block, or in a file.
#[derive(Debug, Default)]
pub struct Body {
    pub items: Vec<Item>,
}

#[derive(Debug)]
pub enum Item {
    Attribute(Attribute),
    Block(Block),
}

/// `name = value`
#[derive(Debug)]
pub struct Attribute {
    pub name: String,
    pub span: Span,
    pub value: Node,
}

/// `kind "label" { body }`
#[derive(Debug)]
pub struct Block {
    pub kind: String,
    pub span: Span,
    pub labels: Vec<(String, Span)>,
    pub body: Body,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    List(Vec<Node>),
    /// In the order of the file; a key stands once.
    Object(Vec<(Key, Node)>),
    /// `webhook.x`: its parts.
    Reference(Vec<String>),
    /// Something that was already reported: no second problem about it.
    Invalid,
}

/// A key of an object.
#[derive(Clone, Debug)]
pub struct Key {
    pub text: String,
    pub span: Span,
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
            Self::Reference(_) => "a reference",
            Self::Invalid => "an invalid value",
        }
    }
}
