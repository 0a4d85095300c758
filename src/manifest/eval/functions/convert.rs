//! From one kind of value to another, as HCL converts: numbers and bools to strings and back,
//! lists to sets and back.

use std::borrow::Cow;
use std::sync::Arc;

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, set,
};
use crate::manifest::eval::value::{Key, Node, Object, Type, Value};
use crate::model::quoted::Quoted;

pub(super) const TOSTRING: Function = Function {
    name: "tostring",
    group: Group::Conversion,
    parameters: &[Parameter::new("value", Wants::Any)
        .sees(Sees::Text)
        .or_null()],
    rest: None,
    result: Kind::String,
    about: "A string, number or bool as a string.",
    example: "tostring(443)",
    gives: r#""443""#,
    call: |args, _| match arguments::value(args, 0)? {
        value @ (Value::Null | Value::String(_) | Value::Secret(_)) => Ok(value.clone()),
        value => string(value)
            .map(Value::string)
            .ok_or_else(|| cannot(value, "a string")),
    },
};

pub(super) const TONUMBER: Function = Function {
    name: "tonumber",
    group: Group::Conversion,
    parameters: &[Parameter::new("value", Wants::Any).or_null()],
    rest: None,
    result: Kind::Number,
    about: "A number, or a string that is written like one, as a number.",
    example: r#"tonumber("8080")"#,
    gives: "8080",
    call: |args, _| match arguments::value(args, 0)? {
        Value::Null => Ok(Value::Null),
        value => number(value).ok_or_else(|| cannot(value, "a number")),
    },
};

pub(super) const TOBOOL: Function = Function {
    name: "tobool",
    group: Group::Conversion,
    parameters: &[Parameter::new("value", Wants::Any).or_null()],
    rest: None,
    result: Kind::Bool,
    about: r#"A bool, or one of the strings "true" and "false", as a bool."#,
    example: r#"tobool("true")"#,
    gives: "true",
    call: |args, _| match arguments::value(args, 0)? {
        Value::Null => Ok(Value::Null),
        value => bool(value)
            .map(Value::Bool)
            .ok_or_else(|| cannot(value, "a bool")),
    },
};

pub(super) const TOLIST: Function = Function {
    name: "tolist",
    group: Group::Conversion,
    parameters: &[Parameter::new("collection", Wants::List)
        .sees(Sees::Shape)
        .or_null()],
    rest: None,
    result: Kind::List,
    about: "A list or set as a list whose elements are of one kind.",
    example: r#"tolist(["a", 1])"#,
    gives: r#"["a", "1"]"#,
    call: |args, _| match arguments::value(args, 0)? {
        Value::Null => Ok(Value::Null),
        _ => Ok(match unify(arguments::list(args, 0)?.iter().cloned())? {
            Some(items) => Value::List(items.into()),
            None => Value::Unknown(Kind::List.unknown()),
        }),
    },
};

pub(super) const TOSET: Function = Function {
    name: "toset",
    group: Group::Conversion,
    parameters: &[Parameter::new("collection", Wants::List).or_null()],
    rest: None,
    result: Kind::Set,
    about: "The strings or numbers of a list, ascending, each once.",
    example: r#"toset(["b", "a", "b"])"#,
    gives: r#"toset(["a", "b"])"#,
    call: |args, _| match arguments::value(args, 0)? {
        Value::Null => Ok(Value::Null),
        _ => set::of(arguments::list(args, 0)?.iter().cloned()),
    },
};

pub(super) const TOMAP: Function = Function {
    name: "tomap",
    group: Group::Conversion,
    parameters: &[Parameter::new("object", Wants::Object)
        .sees(Sees::Shape)
        .or_null()],
    rest: None,
    result: Kind::Object,
    about: "An object whose values are of one kind.",
    example: r#"tomap({ a = "x", b = 1 })"#,
    gives: r#"{ a = "x", b = "1" }"#,
    call: |args, _| {
        if matches!(arguments::value(args, 0)?, Value::Null) {
            return Ok(Value::Null);
        }
        let entries = arguments::object(args, 0)?.entries();
        let Some(nodes) = unify(entries.iter().map(|(_, node)| node.clone()))? else {
            return Ok(Value::Unknown(Kind::Object.unknown()));
        };
        let keys = entries.iter().map(|(key, _): &(Key, Node)| key.clone());
        Ok(Value::Object(Arc::new(Object::new(
            keys.zip(nodes).collect(),
        ))))
    },
};

fn cannot(value: &Value, kind: &str) -> Failure {
    let message = match value {
        Value::String(text) if text.len() <= 40 => format!("{} is not {kind}", Quoted(text)),
        value => format!("this is {} and cannot become {kind}", value.kind()),
    };
    Failure::new(message).at(0)
}

/// A string, number or bool as a string.
pub fn string(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Integer(whole) => Some(Cow::Owned(whole.to_string())),
        Value::Float(float) => Some(Cow::Owned(match Value::number(*float) {
            Value::Integer(whole) => whole.to_string(),
            _ => float.to_string(),
        })),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        _ => None,
    }
}

/// A number, or a string that is written as a decimal number.
pub fn number(value: &Value) -> Option<Value> {
    match value {
        Value::Integer(_) => Some(value.clone()),
        // The same number, in the form that fits it best.
        Value::Float(float) => Some(Value::number(*float)),
        Value::String(text) => parse_number(text),
        _ => None,
    }
}

/// A finite decimal number. Whole ones are exact as long as they fit.
pub(super) fn parse_number(text: &str) -> Option<Value> {
    // Rust would also read "inf" and "nan".
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if !text.chars().all(decimal) {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::Integer(whole));
    }
    let float = text.parse::<f64>().ok()?;
    float.is_finite().then(|| Value::number(float))
}

/// A bool, or a string that HCL takes for one.
pub fn bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(bool) => Some(*bool),
        Value::String(text) => match &**text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The values as values of one kind: all strings if one is. None if that hangs on a value
/// that is not known.
pub fn unify(nodes: impl Iterator<Item = Node>) -> Result<Option<Vec<Node>>, Failure> {
    let mut nodes: Vec<Node> = nodes.collect();
    let mut kinds: Vec<&'static str> = Vec::new();
    for node in &nodes {
        let kind = match &node.value {
            Value::Null | Value::Invalid => continue,
            Value::Unknown(Type::Any) => return Ok(None),
            Value::Secret(_) => "a string",
            value => value.kind(),
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.len() <= 1 {
        return Ok(Some(nodes));
    }
    let scalar = |kind: &&str| matches!(*kind, "a string" | "a number" | "a bool");
    if !kinds.iter().all(scalar) || !kinds.contains(&"a string") {
        let kinds = kinds.join(", ");
        return Err(Failure::new(format!("the elements have no kind in common: {kinds}")).at(0));
    }
    for node in &mut nodes {
        match &node.value {
            Value::Unknown(_) => node.value = Value::Unknown(Type::String),
            value => {
                if let Some(text) = string(value).map(Cow::into_owned) {
                    node.value = Value::string(text);
                }
            }
        }
    }
    Ok(Some(nodes))
}
