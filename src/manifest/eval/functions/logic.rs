//! Choosing: the first that is there, whether all or any hold, the only one.

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Null, Parameter, Sees, Wants, arguments,
};
use crate::manifest::eval::value::{Node, Presence, Value};

const BOOLS: Parameter = Parameter::new("list", Wants::Bools).sees(Sees::Shape);

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

pub(super) const ALLTRUE: Function = Function {
    name: "alltrue",
    group: Group::Collection,
    parameters: &[BOOLS],
    rest: None,
    result: Kind::Bool,
    about: "Whether every element of the list is true; so it is of an empty list.",
    example: "alltrue([true, false])",
    gives: "false",
    call: |args, _| {
        let mut unknown = false;
        for item in arguments::list(args, 0)? {
            match &item.value {
                Value::Bool(true) => {}
                Value::Unknown(_) => unknown = true,
                value => {
                    plain(value)?;
                    return Ok(Value::Bool(false));
                }
            }
        }
        Ok(settled(unknown, true))
    },
};

pub(super) const ANYTRUE: Function = Function {
    name: "anytrue",
    group: Group::Collection,
    parameters: &[BOOLS],
    rest: None,
    result: Kind::Bool,
    about: "Whether an element of the list is true; of an empty list none is.",
    example: "anytrue([true, false])",
    gives: "true",
    call: |args, _| {
        let mut unknown = false;
        for item in arguments::list(args, 0)? {
            match &item.value {
                Value::Bool(true) => return Ok(Value::Bool(true)),
                Value::Unknown(_) => unknown = true,
                value => plain(value)?,
            }
        }
        Ok(settled(unknown, false))
    },
};

fn plain(value: &Value) -> Result<(), Failure> {
    match value {
        Value::Secret(_) => Err(Failure::new("the value of a secret is not known here").at(0)),
        _ => Ok(()),
    }
}

fn settled(unknown: bool, known: bool) -> Value {
    if unknown {
        Value::Unknown(Kind::Bool.unknown())
    } else {
        Value::Bool(known)
    }
}

pub(super) const ONE: Function = Function {
    name: "one",
    group: Group::Collection,
    parameters: &[Parameter::new("list", Wants::List).sees(Sees::Shape)],
    rest: None,
    result: Kind::Any,
    about: "The only element of the list, or null if it is empty; with more the call fails.",
    example: r#"one(["eu"])"#,
    gives: r#""eu""#,
    call: |args, _| match arguments::list(args, 0)? {
        [] => Ok(Value::Null),
        [only] => Ok(only.value.clone()),
        more => {
            let count = more.len();
            Err(Failure::new(format!(
                "the list must have at most one element, not {count}"
            ))
            .at(0))
        }
    },
};
