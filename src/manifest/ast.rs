//! A file as a tree, with the place of everything. It owes nothing to the parser
//! that made it, which is gone by then.

use std::sync::Arc;

use crate::manifest::source::Span;

/// What stands between the braces of a block, or in a file.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub items: Vec<Item>,
}

#[derive(Clone, Debug)]
pub enum Item {
    Attribute(Attribute),
    Block(Block),
}

/// `name = value`
#[derive(Clone, Debug)]
pub struct Attribute {
    pub name: String,
    pub span: Span,
    pub value: Expression,
}

/// `kind "label" { body }`
#[derive(Clone, Debug)]
pub struct Block {
    pub kind: String,
    pub span: Span,
    pub labels: Vec<(String, Span)>,
    pub body: Body,
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub struct Expression {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(Arc<str>),
    /// A string or heredoc in which something is inserted.
    Template(Vec<Part>),
    List(Vec<Expression>),
    /// In the order of the file; what is written twice literally was reported.
    Object(Vec<(Expression, Expression)>),
    /// `var`, `local`, or what a `for` binds.
    Variable(Arc<str>),
    /// `of.name`
    Attribute(Box<Expression>, Arc<str>),
    /// `of[at]`
    Index(Box<Expression>, Box<Expression>),
    /// `of[*]...`: what is asked of each element, with the element in place of the last.
    Splat(Box<Splat>),
    Call(Box<Call>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<[Expression; 2]>),
    /// `condition ? then : otherwise`
    Conditional(Box<[Expression; 3]>),
    For(Box<For>),
    /// Something that was already reported.
    Invalid,
}

/// A part of a template.
#[derive(Clone, Debug)]
pub enum Part {
    Text(Arc<str>),
    /// `${value}`
    Value(Expression),
    /// `%{ if condition }...%{ else }...%{ endif }`
    If(Expression, Vec<Self>, Vec<Self>),
    /// `%{ for key, value in collection }...%{ endfor }`
    For(Intro, Vec<Self>),
}

/// `of[*]` and what follows it.
#[derive(Clone, Debug)]
pub struct Splat {
    pub of: Expression,
    /// Asked of each element, which it calls [`ELEMENT`].
    pub each: Expression,
}

/// The name of the element inside a splat; nobody can write it.
pub const ELEMENT: &str = "*";

/// `name(arguments)`
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    /// Where the name stands.
    pub at: Span,
    pub arguments: Vec<Expression>,
    /// `f(list...)`: the last argument is a list of arguments.
    pub expand: bool,
}

/// `for key, value in collection`
#[derive(Clone, Debug)]
pub struct Intro {
    pub key: Option<Arc<str>>,
    pub value: Arc<str>,
    pub collection: Expression,
}

/// `[for ...]` or `{for ...}`
#[derive(Clone, Debug)]
pub struct For {
    pub intro: Intro,
    /// Of an object.
    pub key: Option<Expression>,
    pub value: Expression,
    pub condition: Option<Expression>,
    /// `...`: values of the same key become a list.
    pub grouping: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
}

impl Operator {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }

    /// What binds tighter is greater.
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 0,
            Self::And => 1,
            Self::Equal | Self::NotEqual => 2,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => 3,
            Self::Plus | Self::Minus => 4,
            Self::Times | Self::Divide | Self::Modulo => 5,
        }
    }
}

impl Expression {
    /// An expression that was already reported.
    pub fn invalid(span: Span) -> Self {
        Self {
            span,
            kind: Kind::Invalid,
        }
    }

    /// `root.a.b` as its names; `None` if it is anything else.
    pub fn path(&self) -> Option<Vec<Arc<str>>> {
        match &self.kind {
            Kind::Variable(root) => Some(vec![Arc::clone(root)]),
            Kind::Attribute(of, name) => {
                let mut path = of.path()?;
                path.push(Arc::clone(name));
                Some(path)
            }
            _ => None,
        }
    }
}
