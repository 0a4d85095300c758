//! Numbers: whole ones exactly as long as they fit, others as 64-bit floats; never infinite,
//! and never something that is no number.

use std::cmp::Ordering;

use crate::manifest::eval::decimal;
use crate::manifest::eval::functions::order::order;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Wants, arguments,
};
use crate::manifest::eval::value::{Node, Value};

const NUMBER: Parameter = Parameter::new("number", Wants::Number);
const NUMBERS: Option<Parameter> = Some(Parameter::new("numbers", Wants::Number));

pub(super) const ABS: Function = Function {
    name: "abs",
    group: Group::Number,
    parameters: &[NUMBER],
    rest: None,
    result: Kind::Number,
    about: "The number without its sign.",
    example: "abs(-3)",
    gives: "3",
    call: |args, _| match arguments::value(args, 0)? {
        Value::Integer(whole) => match whole.checked_abs() {
            Some(whole) => Ok(Value::Integer(whole)),
            None => finite(-(*whole as f64)),
        },
        _ => finite(arguments::float(args, 0)?.abs()),
    },
};

pub(super) const CEIL: Function = Function {
    name: "ceil",
    group: Group::Number,
    parameters: &[NUMBER],
    rest: None,
    result: Kind::Number,
    about: "The next whole number that is not less.",
    example: "ceil(1.2)",
    gives: "2",
    call: |args, _| rounded(args, f64::ceil),
};

pub(super) const FLOOR: Function = Function {
    name: "floor",
    group: Group::Number,
    parameters: &[NUMBER],
    rest: None,
    result: Kind::Number,
    about: "The next whole number that is not greater.",
    example: "floor(1.8)",
    gives: "1",
    call: |args, _| rounded(args, f64::floor),
};

fn rounded(args: &[Node], round: fn(f64) -> f64) -> Result<Value, Failure> {
    match arguments::value(args, 0)? {
        whole @ Value::Integer(_) => Ok(whole.clone()),
        _ => finite(round(arguments::float(args, 0)?)),
    }
}

pub(super) const MAX: Function = Function {
    name: "max",
    group: Group::Number,
    parameters: &[NUMBER],
    rest: NUMBERS,
    result: Kind::Number,
    about: "The greatest of the numbers.",
    example: "max(3, 12, 5)",
    gives: "12",
    call: |args, _| outermost(args, Ordering::Greater),
};

pub(super) const MIN: Function = Function {
    name: "min",
    group: Group::Number,
    parameters: &[NUMBER],
    rest: NUMBERS,
    result: Kind::Number,
    about: "The least of the numbers.",
    example: "min(3, 12, 5)",
    gives: "3",
    call: |args, _| outermost(args, Ordering::Less),
};

fn outermost(args: &[Node], way: Ordering) -> Result<Value, Failure> {
    let mut best = arguments::value(args, 0)?;
    for node in args {
        if order(&node.value, best) == way {
            best = &node.value;
        }
    }
    Ok(best.clone())
}

pub(super) const SUM: Function = Function {
    name: "sum",
    group: Group::Number,
    parameters: &[Parameter::new("list", Wants::Numbers)],
    rest: None,
    result: Kind::Number,
    about: "The sum of the numbers of a list, which must not be empty.",
    example: "sum([1, 2, 3.5])",
    gives: "6.5",
    call: |args, _| {
        let items = arguments::list(args, 0)?;
        if items.is_empty() {
            return Err(Failure::new("the list is empty").at(0));
        }
        // Exact: 10,000 numbers of 64 bits fit.
        let (mut whole, mut rest, mut exact) = (0_i128, 0.0, true);
        for item in items {
            match &item.value {
                Value::Integer(number) => whole += i128::from(*number),
                Value::Float(number) => (rest, exact) = (decimal::sum(rest, *number), false),
                _ => return Err(Failure::new("an element of the list is null").at(0)),
            }
        }
        match i64::try_from(whole) {
            Ok(whole) if exact => Ok(Value::Integer(whole)),
            _ => finite(decimal::sum(whole as f64, rest)),
        }
    },
};

pub(super) const POW: Function = Function {
    name: "pow",
    group: Group::Number,
    parameters: &[NUMBER, Parameter::new("power", Wants::Number)],
    rest: None,
    result: Kind::Number,
    about: "The number raised to a power.",
    example: "pow(2, 10)",
    gives: "1024",
    call: |args, _| {
        if let (Value::Integer(number), Value::Integer(power)) =
            (arguments::value(args, 0)?, arguments::value(args, 1)?)
            && let Ok(power) = u32::try_from(*power)
            && let Some(whole) = number.checked_pow(power)
        {
            return Ok(Value::Integer(whole));
        }
        finite(arguments::float(args, 0)?.powf(arguments::float(args, 1)?))
    },
};

pub(super) const LOG: Function = Function {
    name: "log",
    group: Group::Number,
    parameters: &[NUMBER, Parameter::new("base", Wants::Number)],
    rest: None,
    result: Kind::Number,
    about: "The logarithm of the number to a base.",
    example: "log(16, 2)",
    gives: "4",
    call: |args, _| {
        let (number, base) = (arguments::float(args, 0)?, arguments::float(args, 1)?);
        // These two are exact where the general one is not.
        if base == 2.0 {
            return finite(number.log2());
        }
        if base == 10.0 {
            return finite(number.log10());
        }
        finite(number.ln() / base.ln())
    },
};

pub(super) const SIGNUM: Function = Function {
    name: "signum",
    group: Group::Number,
    parameters: &[NUMBER],
    rest: None,
    result: Kind::Number,
    about: "-1, 0 or 1: the sign of the number.",
    example: "signum(-13)",
    gives: "-1",
    call: |args, _| {
        let sign = order(arguments::value(args, 0)?, &Value::Integer(0));
        Ok(Value::Integer(sign as i64))
    },
};

pub(super) const PARSEINT: Function = Function {
    name: "parseint",
    group: Group::Number,
    parameters: &[
        Parameter::new("text", Wants::String),
        Parameter::new("base", Wants::Integer),
    ],
    rest: None,
    result: Kind::Number,
    about: "The whole number that is written in a base from 2 to 62.",
    example: r#"parseint("ff", 16)"#,
    gives: "255",
    call: |args, _| {
        let (text, base) = (arguments::text(args, 0)?, arguments::integer(args, 1)?);
        if !(2..=62).contains(&base) {
            return Err(Failure::new(format!("the base must be from 2 to 62, not {base}")).at(1));
        }
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let failure = |why: &str| Failure::new(format!("the text {why}")).at(0);
        if digits.is_empty() {
            return Err(failure("has no digits"));
        }
        let mut number = 0_i64;
        for c in digits.chars() {
            let digit = digit(c, base).filter(|digit| *digit < base);
            let digit = digit.ok_or_else(|| failure(&format!("is no number in base {base}")))?;
            let signed = if negative { -digit } else { digit };
            number = number
                .checked_mul(base)
                .and_then(|number| number.checked_add(signed))
                .ok_or_else(|| failure("is a number of more than 64 bits"))?;
        }
        Ok(Value::Integer(number))
    },
};

/// 0 to 9, then a to z, then A to Z; up to base 36 their case does not matter.
fn digit(c: char, base: i64) -> Option<i64> {
    match c {
        'A'..='Z' if base > 36 => Some(36 + i64::from(u32::from(c) - u32::from('A'))),
        c => c.to_digit(36).map(i64::from),
    }
}

fn finite(number: f64) -> Result<Value, Failure> {
    if number.is_finite() {
        return Ok(Value::number(number));
    }
    Err(Failure::new(
        "the result is no number, or too large for one",
    ))
}
