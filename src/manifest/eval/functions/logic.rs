//! Whether all or any of a list hold, and the only element of one.

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments,
};
use crate::manifest::eval::value::Value;

const BOOLS: Parameter = Parameter::new("list", Wants::Bools).sees(Sees::Shape);

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
