//! Texts, by character and by line.

use crate::manifest::eval::functions::text::Text;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Wants, arguments,
};
use crate::manifest::eval::value::Value;

const TEXT: Parameter = Parameter::new("text", Wants::String);

pub(super) const SUBSTR: Function = Function {
    name: "substr",
    group: Group::String,
    parameters: &[
        TEXT,
        Parameter::new("offset", Wants::Integer),
        Parameter::new("length", Wants::Integer),
    ],
    rest: None,
    result: Kind::String,
    about: "So many characters from an offset on; a negative offset counts from the end, and a \
            length of -1 takes the rest.",
    example: r#"substr("example", 0, 4)"#,
    gives: r#""exam""#,
    call: |args, _| {
        let text = arguments::text(args, 0)?;
        let (offset, length) = (arguments::integer(args, 1)?, arguments::integer(args, 2)?);
        let offset = match usize::try_from(offset) {
            Ok(offset) => offset,
            // Further back than the text is long means its start.
            Err(_) => {
                let back = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
                text.chars().count().saturating_sub(back)
            }
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let part: String = text.chars().skip(offset).take(length).collect();
        Ok(Value::string(part))
    },
};

pub(super) const STRREV: Function = Function {
    name: "strrev",
    group: Group::String,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The characters of the text, last to first.",
    example: r#"strrev("abc")"#,
    gives: r#""cba""#,
    call: |args, _| {
        Ok(Value::string(
            arguments::text(args, 0)?.chars().rev().collect::<String>(),
        ))
    },
};

pub(super) const INDENT: Function = Function {
    name: "indent",
    group: Group::String,
    parameters: &[Parameter::new("spaces", Wants::Integer), TEXT],
    rest: None,
    result: Kind::String,
    about: "The text with so many spaces before each of its lines but the first.",
    example: r#"indent(2, "a\nb")"#,
    gives: r#""a\n  b""#,
    call: |args, _| {
        let Ok(spaces) = usize::try_from(arguments::integer(args, 0)?) else {
            return Err(Failure::new("the number of spaces must not be negative").at(0));
        };
        let mut text = Text::default();
        for (at, line) in arguments::text(args, 1)?.split('\n').enumerate() {
            if at > 0 {
                text.push("\n")?;
                text.repeat(' ', spaces)?;
            }
            text.push(line)?;
        }
        Ok(text.finish())
    },
};

pub(super) const CHOMP: Function = Function {
    name: "chomp",
    group: Group::String,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The text without line ends at its end.",
    example: r#"chomp("up\n")"#,
    gives: r#""up""#,
    call: |args, _| {
        Ok(Value::string(
            arguments::text(args, 0)?.trim_end_matches(['\n', '\r']),
        ))
    },
};
