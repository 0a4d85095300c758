//! Lists, by place.

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, limits,
};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::source::Span;

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

pub(super) const RANGE: Function = Function {
    name: "range",
    group: Group::Collection,
    parameters: &[
        Parameter::new("start", Wants::Number),
        Parameter::new("limit", Wants::Number).optional(),
        Parameter::new("step", Wants::Number).optional(),
    ],
    rest: None,
    result: Kind::List,
    about: "The numbers from a start up to, but without, a limit; with one number that is the \
            limit.",
    example: "range(3)",
    gives: "[0, 1, 2]",
    call: |args, span| {
        let zero = Value::Integer(0);
        let (start, limit) = match args.len() {
            1 => (&zero, arguments::value(args, 0)?),
            _ => (arguments::value(args, 0)?, arguments::value(args, 1)?),
        };
        let (from, to) = (number(start)?, number(limit)?);
        let step = match args.get(2) {
            Some(step) => step.value.clone(),
            None => Value::Integer(if to < from { -1 } else { 1 }),
        };
        let by = number(&step)?;
        if by == 0.0 {
            return Err(Failure::new("the step must not be 0").at(2));
        }
        if (by > 0.0 && to < from) || (by < 0.0 && to > from) {
            let way = if by > 0.0 { "positive" } else { "negative" };
            let message = format!("a {way} step does not lead from {from} to {to}");
            return Err(Failure::new(message).at(2));
        }
        match (start, limit, &step) {
            (Value::Integer(start), Value::Integer(limit), Value::Integer(step)) => {
                whole(*start, *limit, *step, span)
            }
            _ => fractions(from, to, by, span),
        }
    },
};

fn number(value: &Value) -> Result<f64, Failure> {
    arguments::float(
        &[Node {
            span: Span {
                file: 0,
                start: 0,
                end: 0,
            },
            value: value.clone(),
        }],
        0,
    )
}

fn whole(start: i64, limit: i64, step: i64, span: Span) -> Result<Value, Failure> {
    let mut numbers = Vec::new();
    let mut next = Some(start);
    while let Some(at) = next.filter(|at| if step > 0 { *at < limit } else { *at > limit }) {
        limits::entries(numbers.len() + 1)?;
        numbers.push(Value::Integer(at));
        next = at.checked_add(step);
    }
    Ok(Value::list(numbers, span))
}

fn fractions(start: f64, limit: f64, step: f64, span: Span) -> Result<Value, Failure> {
    let mut numbers = Vec::new();
    loop {
        // By multiplying, so that errors do not add up.
        let at = start + step * numbers.len() as f64;
        let inside = if step > 0.0 { at < limit } else { at > limit };
        if !inside {
            return Ok(Value::list(numbers, span));
        }
        limits::entries(numbers.len() + 1)?;
        numbers.push(Value::number(at));
    }
}
