//! Texts: case, edges, taking apart and putting together.

use crate::manifest::eval::functions::text::Text;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, limits,
};
use crate::manifest::eval::value::{Node, Value};

const TEXT: Parameter = Parameter::new("text", Wants::String);

/// A character's capital. One that would be several, as that of `ß`, stays as it is, as in Go.
fn capital(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

pub(super) const UPPER: Function = Function {
    name: "upper",
    group: Group::String,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The text in upper case.",
    example: r#"upper("eu")"#,
    gives: r#""EU""#,
    call: |args, _| {
        let upper = arguments::text(args, 0)?.chars().map(capital);
        Ok(Value::string(upper.collect::<String>()))
    },
};

pub(super) const LOWER: Function = Function {
    name: "lower",
    group: Group::String,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The text in lower case.",
    example: r#"lower("EU")"#,
    gives: r#""eu""#,
    call: |args, _| {
        let lower = arguments::text(args, 0)?.chars();
        let lower = lower.map(|c| c.to_lowercase().next().unwrap_or(c));
        Ok(Value::string(lower.collect::<String>()))
    },
};

pub(super) const TITLE: Function = Function {
    name: "title",
    group: Group::String,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The text with the first letter of each word in upper case.",
    example: r#"title("shop api")"#,
    gives: r#""Shop Api""#,
    call: |args, _| {
        let mut titled = String::new();
        let mut first = true;
        for c in arguments::text(args, 0)?.chars() {
            if first {
                titled.push(capital(c));
            } else {
                titled.push(c);
            }
            // As in Go: punctuation ends a word only if it is ASCII.
            first = match c {
                c if c.is_ascii() => !c.is_ascii_alphanumeric() && c != '_',
                c => c.is_whitespace(),
            };
        }
        Ok(Value::string(titled))
    },
};

pub(super) const TRIM: Function = Function {
    name: "trim",
    group: Group::String,
    parameters: &[TEXT, Parameter::new("characters", Wants::String)],
    rest: None,
    result: Kind::String,
    about: "The text without any of the characters at its start and its end.",
    example: r#"trim("/shop/", "/")"#,
    gives: r#""shop""#,
    call: |args, _| {
        let set: Vec<char> = arguments::text(args, 1)?
            .chars()
            .take(limits::MAX_ENTRIES)
            .collect();
        Ok(Value::string(
            arguments::text(args, 0)?.trim_matches(set.as_slice()),
        ))
    },
};

pub(super) const TRIMSPACE: Function = Function {
    name: "trimspace",
    group: Group::String,
    parameters: &[TEXT],
    rest: None,
    result: Kind::String,
    about: "The text without white space at its start and its end.",
    example: r#"trimspace("  up ")"#,
    gives: r#""up""#,
    call: |args, _| Ok(Value::string(arguments::text(args, 0)?.trim())),
};

pub(super) const TRIMPREFIX: Function = Function {
    name: "trimprefix",
    group: Group::String,
    parameters: &[TEXT, Parameter::new("prefix", Wants::String)],
    rest: None,
    result: Kind::String,
    about: "The text without a prefix, if it starts with it.",
    example: r#"trimprefix("www.example.com", "www.")"#,
    gives: r#""example.com""#,
    call: |args, _| {
        let text = arguments::text(args, 0)?;
        Ok(Value::string(
            text.strip_prefix(arguments::text(args, 1)?).unwrap_or(text),
        ))
    },
};

pub(super) const TRIMSUFFIX: Function = Function {
    name: "trimsuffix",
    group: Group::String,
    parameters: &[TEXT, Parameter::new("suffix", Wants::String)],
    rest: None,
    result: Kind::String,
    about: "The text without a suffix, if it ends with it.",
    example: r#"trimsuffix("shop.example", ".example")"#,
    gives: r#""shop""#,
    call: |args, _| {
        let text = arguments::text(args, 0)?;
        Ok(Value::string(
            text.strip_suffix(arguments::text(args, 1)?).unwrap_or(text),
        ))
    },
};

pub(super) const STARTSWITH: Function = Function {
    name: "startswith",
    group: Group::String,
    parameters: &[TEXT, Parameter::new("prefix", Wants::String)],
    rest: None,
    result: Kind::Bool,
    about: "Whether the text starts with a prefix.",
    example: r#"startswith("eu-west", "eu-")"#,
    gives: "true",
    call: |args, _| {
        Ok(Value::Bool(
            arguments::text(args, 0)?.starts_with(arguments::text(args, 1)?),
        ))
    },
};

pub(super) const ENDSWITH: Function = Function {
    name: "endswith",
    group: Group::String,
    parameters: &[TEXT, Parameter::new("suffix", Wants::String)],
    rest: None,
    result: Kind::Bool,
    about: "Whether the text ends with a suffix.",
    example: r#"endswith("eu-west", "-west")"#,
    gives: "true",
    call: |args, _| {
        Ok(Value::Bool(
            arguments::text(args, 0)?.ends_with(arguments::text(args, 1)?),
        ))
    },
};

pub(super) const STRCONTAINS: Function = Function {
    name: "strcontains",
    group: Group::String,
    parameters: &[TEXT, Parameter::new("part", Wants::String)],
    rest: None,
    result: Kind::Bool,
    about: "Whether a part stands in the text.",
    example: r#"strcontains("eu-west", "u-w")"#,
    gives: "true",
    call: |args, _| {
        Ok(Value::Bool(
            arguments::text(args, 0)?.contains(arguments::text(args, 1)?),
        ))
    },
};

pub(super) const SPLIT: Function = Function {
    name: "split",
    group: Group::String,
    parameters: &[Parameter::new("separator", Wants::String), TEXT],
    rest: None,
    result: Kind::Strings,
    about: "The parts of the text between the separators; each character if that is empty.",
    example: r#"split(",", "eu,us")"#,
    gives: r#"["eu", "us"]"#,
    call: |args, span| {
        let (separator, text) = (arguments::text(args, 0)?, arguments::text(args, 1)?);
        if separator.is_empty() {
            let characters = text
                .char_indices()
                .map(|(at, c)| text.get(at..at + c.len_utf8()).unwrap_or_default());
            let characters: Vec<&str> = characters.take(limits::MAX_ENTRIES + 1).collect();
            limits::entries(characters.len())?;
            return Ok(Value::list(characters.into_iter().map(Value::string), span));
        }
        let parts: Vec<&str> = text
            .split(separator)
            .take(limits::MAX_ENTRIES + 1)
            .collect();
        limits::entries(parts.len())?;
        Ok(Value::list(parts.into_iter().map(Value::string), span))
    },
};

pub(super) const JOIN: Function = Function {
    name: "join",
    group: Group::String,
    parameters: &[
        Parameter::new("separator", Wants::String).sees(Sees::Text),
        Parameter::new("list", Wants::Strings).sees(Sees::Text),
    ],
    rest: Some(Parameter::new("lists", Wants::Strings).sees(Sees::Text)),
    result: Kind::String,
    about: "The elements of the lists as one text, with the separator between them.",
    example: r#"join(", ", ["eu", "us"])"#,
    gives: r#""eu, us""#,
    call: |args, _| {
        let separator = arguments::value(args, 0)?;
        let mut text = Text::default();
        let mut first = true;
        for at in 1..args.len() {
            for item in arguments::list(args, at)? {
                if !first {
                    text.value(separator)?;
                }
                first = false;
                text.value(not_null(item, at)?)?;
            }
        }
        Ok(text.finish())
    },
};

fn not_null(item: &Node, at: usize) -> Result<&Value, Failure> {
    match &item.value {
        Value::Null => Err(Failure::new("an element of the list is null").at(at)),
        value => Ok(value),
    }
}
