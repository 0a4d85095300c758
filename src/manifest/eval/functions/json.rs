//! JSON. A text with secrets in it stays one: what is escaped is the text around them, so a
//! secret that itself needs escaping makes JSON that is broken. Whoever wants a secret in a
//! body chooses one without quotes, backslashes and control characters.

use serde_json::Value as Json;

use crate::manifest::eval::functions::text::Text;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, limits,
};
use crate::manifest::eval::value::{Piece, Value};
use crate::manifest::source::Span;

pub(super) const JSONENCODE: Function = Function {
    name: "jsonencode",
    group: Group::Encoding,
    parameters: &[Parameter::new("value", Wants::Any)
        .sees(Sees::Text)
        .or_null()],
    rest: None,
    result: Kind::String,
    about: "The value as JSON, the keys of objects ascending.",
    example: r#"jsonencode({ name = "eu", ports = [80, 443] })"#,
    gives: r#""{\"name\":\"eu\",\"ports\":[80,443]}""#,
    call: |args, _| {
        let mut text = Text::default();
        encode(arguments::value(args, 0)?, &mut text)?;
        Ok(text.finish())
    },
};

pub(super) const JSONDECODE: Function = Function {
    name: "jsondecode",
    group: Group::Encoding,
    parameters: &[Parameter::new("text", Wants::String)],
    rest: None,
    result: Kind::Any,
    about: "The value of a text of JSON.",
    example: r#"jsondecode("{\"up\": true}")"#,
    gives: "{ up = true }",
    call: |args, span| {
        let json: Json = serde_json::from_str(arguments::text(args, 0)?)
            .map_err(|error| Failure::new(format!("no JSON: {error}")).at(0))?;
        let mut count = 0;
        decode(json, span, 0, &mut count).map_err(|failure| failure.at(0))
    },
};

/// Writes a value as JSON, as far as there is JSON for it.
pub(super) fn encode(value: &Value, text: &mut Text) -> Result<(), Failure> {
    match value {
        Value::Null => text.push("null"),
        // As Terraform has them: without an exponent.
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => text.value(value),
        Value::String(string) => {
            text.push("\"")?;
            escape(string, text)?;
            text.push("\"")
        }
        Value::Secret(pieces) => {
            text.push("\"")?;
            for piece in pieces.iter() {
                match piece {
                    Piece::Text(string) => escape(string, text)?,
                    Piece::Secret(name) => text.secret(name)?,
                }
            }
            text.push("\"")
        }
        Value::List(items) | Value::Set(items) => {
            text.push("[")?;
            for (at, item) in items.iter().enumerate() {
                text.push(if at > 0 { "," } else { "" })?;
                encode(&item.value, text)?;
            }
            text.push("]")
        }
        Value::Object(object) => {
            text.push("{")?;
            for (at, (key, node)) in object.entries().iter().enumerate() {
                text.push(if at > 0 { ",\"" } else { "\"" })?;
                escape(&key.text, text)?;
                text.push("\":")?;
                encode(&node.value, text)?;
            }
            text.push("}")
        }
        Value::Reference(_) | Value::Unknown(_) | Value::Invalid => Err(Failure::new(format!(
            "there is no JSON for {}",
            value.kind()
        ))),
    }
}

/// As Terraform has it: also what HTML would read is escaped.
fn escape(string: &str, text: &mut Text) -> Result<(), Failure> {
    let mut escaped = String::new();
    for c in string.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => escaped.push(c),
        }
    }
    text.push(&escaped)
}

/// Bounded in all directions; a whole number that does not fit becomes a float.
fn decode(json: Json, span: Span, depth: usize, count: &mut usize) -> Result<Value, Failure> {
    *count += 1;
    limits::parts(*count)?;
    limits::depth(depth)?;
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(bool),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Integer(whole),
            (None, Some(float)) if float.is_finite() => Value::number(float),
            _ => return Err(Failure::new(format!("{number} is too large for a number"))),
        },
        Json::String(text) => Value::string(text),
        Json::Array(items) => {
            limits::entries(items.len())?;
            let items = items
                .into_iter()
                .map(|item| decode(item, span, depth + 1, count));
            Value::list(items.collect::<Result<Vec<_>, _>>()?, span)
        }
        Json::Object(entries) => {
            limits::entries(entries.len())?;
            let entries = entries.into_iter();
            let entries = entries
                .map(|(key, value)| Ok((key, decode(value, span, depth + 1, count)?)))
                .collect::<Result<Vec<_>, Failure>>()?;
            Value::object(entries, span)
        }
    })
}
