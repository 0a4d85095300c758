//! `format` and `formatlist`: the verbs of Terraform's, each bounded in width and precision.

use std::iter::Peekable;
use std::str::CharIndices;

use crate::manifest::eval::functions::text::Text;
use crate::manifest::eval::functions::verb::Verb;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, limits,
};
use crate::manifest::eval::value::{Node, Value};

const FORMAT_TEXT: Parameter = Parameter::new("format", Wants::String);
const VALUES: Option<Parameter> = Some(
    Parameter::new("values", Wants::Any)
        .sees(Sees::Text)
        .or_null(),
);

pub(super) const FORMAT: Function = Function {
    name: "format",
    group: Group::String,
    parameters: &[FORMAT_TEXT],
    rest: VALUES,
    result: Kind::String,
    about: "The text with the values in the places of its verbs: `%s` a string, `%d` a whole \
            number, `%f` a number, `%t` a bool, `%q` a quoted string, `%v` anything, `%%` a `%`.",
    example: r#"format("%s-%02d", "node", 7)"#,
    gives: r#""node-07""#,
    call: |args, _| {
        let values: Vec<&Value> = args.iter().skip(1).map(|node| &node.value).collect();
        format(arguments::text(args, 0)?, &values)
    },
};

pub(super) const FORMATLIST: Function = Function {
    name: "formatlist",
    group: Group::String,
    parameters: &[FORMAT_TEXT],
    rest: VALUES,
    result: Kind::Strings,
    about: "What `format` gives for each element of the lists, which are of one length; what is \
            no list is the same each time.",
    example: r#"formatlist("https://%s.%s/", ["eu", "us"], "example.com")"#,
    gives: r#"["https://eu.example.com/", "https://us.example.com/"]"#,
    call: |args, span| {
        let mut count = None;
        for (at, node) in args.iter().enumerate().skip(1) {
            let (Value::List(items) | Value::Set(items)) = &node.value else {
                continue;
            };
            let first = *count.get_or_insert(items.len());
            if first != items.len() {
                let length = items.len();
                let message = format!("the lists must have one length, not {first} and {length}");
                return Err(Failure::new(message).at(at));
            }
        }
        let count = count.unwrap_or(1);
        limits::parts(count.saturating_mul(args.len()))?;
        let (mut texts, mut bytes) = (Vec::new(), 0);
        for row in 0..count {
            let values: Vec<&Value> = args.iter().skip(1).map(|node| at(node, row)).collect();
            let text = format(arguments::text(args, 0)?, &values)?;
            if let Value::String(text) = &text {
                bytes += text.len();
            }
            if bytes > limits::MAX_TEXTS {
                return Err(Failure::new("the result would be more than 16 MiB of text"));
            }
            texts.push(text);
        }
        Ok(Value::list(texts, span))
    },
};

fn at(node: &Node, row: usize) -> &Value {
    match &node.value {
        Value::List(items) | Value::Set(items) => items.get(row).map_or(&Value::Null, |n| &n.value),
        value => value,
    }
}

fn format(pattern: &str, values: &[&Value]) -> Result<Value, Failure> {
    let mut text = Text::default();
    let mut rest = pattern.char_indices().peekable();
    let (mut next, mut used) = (0, 0);
    while let Some((start, c)) = rest.next() {
        if c != '%' {
            text.push(c.encode_utf8(&mut [0; 4]))?;
            continue;
        }
        if rest.next_if(|(_, c)| *c == '%').is_some() {
            text.push("%")?;
            continue;
        }
        let (verb, index) = read(&mut rest)?;
        let end = rest.peek().map_or(pattern.len(), |(end, _)| *end);
        let raw = pattern.get(start..end).unwrap_or_default();
        let at = index.unwrap_or(next);
        let Some(value) = values.get(at) else {
            let (needed, given) = (at.saturating_add(1), values.len());
            let message = format!("`{raw}` needs value {needed}, but {given} are given");
            return Err(Failure::new(message).at(0));
        };
        verb.write(value, &mut text).map_err(|failure| {
            let message = format!("`{raw}`: {}", failure.message);
            Failure { message, ..failure }
        })?;
        next = at + 1;
        used = used.max(next);
    }
    if used < values.len() {
        let given = values.len();
        return Err(
            Failure::new(format!("{given} values are given, but {used} used")).at(used + 1),
        );
    }
    Ok(text.finish())
}

/// A verb after its `%`, and which value it names, from 0.
fn read(rest: &mut Peekable<CharIndices<'_>>) -> Result<(Verb, Option<usize>), Failure> {
    let mut verb = Verb::default();
    while let Some((_, flag)) = rest.next_if(|(_, c)| matches!(c, ' ' | '+' | '-' | '0' | '#')) {
        match flag {
            ' ' => verb.space = true,
            '+' => verb.plus = true,
            '-' => verb.minus = true,
            '0' => verb.zero = true,
            _ => verb.sharp = true,
        }
    }
    verb.width = digits(rest).unwrap_or(0);
    if rest.next_if(|(_, c)| *c == '.').is_some() {
        let precision = digits(rest);
        verb.precision = Some(precision.ok_or_else(|| wrong("a precision has no number"))?);
    }
    if verb.width > 10_000 || verb.precision > Some(1_000) {
        return Err(wrong("a width may be 10000 and a precision 1000 at most"));
    }
    let mut index = None;
    if rest.next_if(|(_, c)| *c == '[').is_some() {
        let number = digits(rest).and_then(|number| number.checked_sub(1));
        index = Some(number.ok_or_else(|| wrong("`[` must be followed by a number from 1"))?);
        if rest.next_if(|(_, c)| *c == ']').is_none() {
            return Err(wrong("a `]` is missing"));
        }
    }
    match rest.next() {
        Some((_, mode)) if "vtbdoxXeEfgGsq".contains(mode) => verb.mode = mode,
        Some((_, mode)) => {
            return Err(wrong(&format!("there is no verb `%{mode}`"))
                .hint("a `%` that is no verb is written `%%`"));
        }
        None => return Err(wrong("a verb is missing").hint("a `%` is written `%%`")),
    }
    Ok((verb, index))
}

fn wrong(why: &str) -> Failure {
    Failure::new(format!("in the format, {why}")).at(0)
}

/// A number, if one stands there; one that is too large is the largest.
fn digits(rest: &mut Peekable<CharIndices<'_>>) -> Option<usize> {
    let mut number: Option<usize> = None;
    while let Some(digit) = rest.peek().and_then(|(_, c)| c.to_digit(10)) {
        rest.next();
        let so_far = number.unwrap_or(0).saturating_mul(10);
        number = Some(so_far.saturating_add(digit as usize));
    }
    number
}
