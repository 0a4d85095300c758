//! `range`: numbers from a start up to a limit.

use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Wants, arguments, limits,
};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::source::Span;

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
