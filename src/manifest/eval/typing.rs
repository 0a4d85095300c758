//! Types: which kinds of values something can have, and which of them can be which others.

use std::collections::BTreeMap;
use std::fmt;

use super::value::{Key, Node, Value};

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
/// The type of a value as far as it has one.
pub(in crate::manifest) fn type_of(value: &Value) -> Type {
    match value {
        Value::Null | Value::Invalid | Value::Reference(_) => Type::Any,
        Value::Bool(_) => Type::Bool,
        Value::Integer(_) | Value::Float(_) => Type::Number,
        Value::String(_) | Value::Secret(_) => Type::String,
        Value::List(items) => Type::Tuple(items.iter().map(|node| type_of(&node.value)).collect()),
        Value::Set(_) => Type::Set(Box::new(Type::String)),
        Value::Object(object) => {
            let entries = object.entries().iter();
            let attribute = |(key, node): &(Key, Node)| {
                (
                    key.text.to_string(),
                    (type_of(&node.value), Presence::Required),
                )
            };
            Type::Object(entries.map(attribute).collect::<BTreeMap<_, _>>())
        }
        Value::Unknown(of) => of.clone(),
    }
}

/// Whether a value of one type can be one of another.
pub(in crate::manifest) fn fits(of: &Type, wanted: &Type) -> bool {
    let scalar = |of: &Type| matches!(of, Type::String | Type::Number | Type::Bool);
    match (of, wanted) {
        (Type::Any, _) | (_, Type::Any) => true,
        (of, Type::String) => scalar(of),
        (Type::String | Type::Number, Type::Number) | (Type::String | Type::Bool, Type::Bool) => {
            true
        }
        (Type::List(of) | Type::Set(of), Type::List(wanted) | Type::Set(wanted)) => {
            fits(of, wanted)
        }
        (Type::Tuple(items), Type::List(wanted) | Type::Set(wanted)) => {
            items.iter().all(|of| fits(of, wanted))
        }
        (Type::Tuple(items), Type::Tuple(wanted)) => {
            items.len() == wanted.len() && items.iter().zip(wanted).all(|(a, b)| fits(a, b))
        }
        (Type::List(_) | Type::Set(_), Type::Tuple(_)) => true,
        (Type::Map(of), Type::Map(wanted)) => fits(of, wanted),
        (Type::Object(attributes), Type::Map(wanted)) => {
            attributes.values().all(|(of, _)| fits(of, wanted))
        }
        (Type::Map(_), Type::Object(_)) => true,
        (Type::Object(have), Type::Object(want)) => {
            want.iter()
                .all(|(name, (wanted, presence))| match have.get(name) {
                    Some((of, _)) => fits(of, wanted),
                    None => *presence == Presence::Optional,
                })
        }
        _ => false,
    }
}
