//! The first value, or the first list, that is there.

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Null, Parameter, Sees, Wants,
};
use crate::manifest::eval::typing::Presence;
use crate::manifest::eval::value::{Node, Value};

pub(super) const COALESCE: Function = Function {
    name: "coalesce",
    group: Group::Collection,
    parameters: &[Parameter::new("value", Wants::Any)
        .sees(Sees::Nothing)
        .or_null()],
    rest: Some(
        Parameter::new("values", Wants::Any)
            .sees(Sees::Nothing)
            .or_null(),
    ),
    result: Kind::Any,
    about: "The first of the values that is neither null nor an empty string.",
    example: r#"coalesce("", null, "eu")"#,
    gives: r#""eu""#,
    call: |args, _| {
        let empty = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        // One that is not known yet may be empty, and then another one counts.
        match args.iter().find(|node| !empty(&node.value)) {
            Some(Node {
                value: Value::Unknown(_),
                ..
            }) => Ok(Value::Unknown(Kind::Any.unknown())),
            Some(node) => Ok(node.value.clone()),
            None => Err(Failure::new("every value is null or an empty string")),
        }
    },
};

pub(super) const COALESCELIST: Function = Function {
    name: "coalescelist",
    group: Group::Collection,
    parameters: &[LISTS],
    rest: Some(LISTS),
    result: Kind::List,
    about: "The first of the lists that is neither null nor empty.",
    example: "coalescelist([], [1, 2])",
    gives: "[1, 2]",
    call: |args, _| {
        let empty = |value: &Value| match value {
            Value::Null => true,
            Value::List(items) | Value::Set(items) => items.is_empty(),
            _ => false,
        };
        match args.iter().find(|node| !empty(&node.value)) {
            Some(Node {
                value: Value::Unknown(_),
                ..
            }) => Ok(Value::Unknown(Kind::List.unknown())),
            Some(node) => Ok(node.value.clone()),
            None => Err(Failure::new("every list is empty")),
        }
    },
};

const LISTS: Parameter = Parameter {
    name: "lists",
    wants: Wants::List,
    presence: Presence::Required,
    sees: Sees::Nothing,
    null: Null::Taken,
};
