//! From one kind of value to another, as HCL converts: numbers and bools to strings and back,
//! lists to sets and back.

use std::sync::Arc;

use super::coerce::{bool, number, string, unify};
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, set,
};
use crate::manifest::eval::value::{Key, Node, Object, Value};
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
