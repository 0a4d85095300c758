//! Lists, by place.

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments,
};
use crate::manifest::eval::value::Value;

const LIST: Parameter = Parameter::new("list", Wants::List).sees(Sees::Shape);

pub(super) const ELEMENT: Function = Function {
    name: "element",
    group: Group::Collection,
    parameters: &[LIST, Parameter::new("place", Wants::Integer)],
    rest: None,
    result: Kind::Any,
    about: "The element at a place, from 0; past the end it starts again, and -1 is the last.",
    example: r#"element(["a", "b", "c"], 4)"#,
    gives: r#""b""#,
    call: |args, _| {
        let items = arguments::list(args, 0)?;
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let place = arguments::integer(args, 1)?.checked_rem_euclid(length);
        let found = place.and_then(|at| items.get(usize::try_from(at).ok()?));
        match found {
            Some(item) => Ok(item.value.clone()),
            None => Err(Failure::new("the list is empty").at(0)),
        }
    },
};

pub(super) const SLICE: Function = Function {
    name: "slice",
    group: Group::Collection,
    parameters: &[
        LIST,
        Parameter::new("start", Wants::Integer),
        Parameter::new("end", Wants::Integer),
    ],
    rest: None,
    result: Kind::List,
    about: "The elements from a start up to, but without, an end, counted from 0.",
    example: r#"slice(["a", "b", "c"], 1, 3)"#,
    gives: r#"["b", "c"]"#,
    call: |args, _| {
        let items = arguments::list(args, 0)?;
        let (start, end) = (arguments::integer(args, 1)?, arguments::integer(args, 2)?);
        let place = |at: i64| usize::try_from(at).ok().filter(|at| *at <= items.len());
        let length = items.len();
        let Some(start) = place(start) else {
            return Err(Failure::new(format!("the start must be from 0 to {length}")).at(1));
        };
        let part = place(end).and_then(|end| items.get(start..end));
        match part {
            Some(part) => Ok(Value::List(part.into())),
            None => Err(Failure::new(format!("the end must be from {start} to {length}")).at(2)),
        }
    },
};

pub(super) const REVERSE: Function = Function {
    name: "reverse",
    group: Group::Collection,
    parameters: &[LIST],
    rest: None,
    result: Kind::List,
    about: "The elements of the list, last to first.",
    example: "reverse([1, 2, 3])",
    gives: "[3, 2, 1]",
    call: |args, _| {
        Ok(Value::List(
            arguments::list(args, 0)?.iter().rev().cloned().collect(),
        ))
    },
};

pub(super) const CHUNKLIST: Function = Function {
    name: "chunklist",
    group: Group::Collection,
    parameters: &[LIST, Parameter::new("size", Wants::Integer)],
    rest: None,
    result: Kind::List,
    about: "The list in lists of so many elements; the last one has what is left.",
    example: "chunklist([1, 2, 3], 2)",
    gives: "[[1, 2], [3]]",
    call: |args, span| {
        let items = arguments::list(args, 0)?;
        let Ok(size) = usize::try_from(arguments::integer(args, 1)?) else {
            return Err(Failure::new("the size must not be negative").at(1));
        };
        // As in Terraform, 0 leaves them together.
        let size = if size == 0 { items.len().max(1) } else { size };
        Ok(Value::list(
            items.chunks(size).map(|chunk| Value::List(chunk.into())),
            span,
        ))
    },
};
