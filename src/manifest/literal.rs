//! A value in the notation of the files: how plans show it, and how `export`
//! will write it. Canonical: equal values have equal text.

use std::fmt;
use std::time::Duration;

use crate::model::name::Name;
use crate::model::quoted::escaped;
use crate::model::scalar::Scalar;
use crate::model::secret::{Piece, Text};
use crate::model::webhook::ReceiverUrl;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number with a point, as it is written.
    Float(String),
    String(String),
    List(Vec<Self>),
    /// Ordered by key.
    Object(Vec<(String, Self)>),
    /// Written as it is: `webhook.x`, `secret("x")`, and what has one in it.
    Reference(String),
}

impl Literal {
    /// A string.
    pub fn text(text: impl fmt::Display) -> Self {
        Self::String(text.to_string())
    }

    /// The same for programs; a reference as the text it is written with.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => number
                .parse::<f64>()
                .map_or(number.as_str().into(), Into::into),
            Self::String(text) | Self::Reference(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Object(entries) => {
                let entry = |(key, value): &(String, Self)| (key.clone(), value.to_json());
                serde_json::Value::Object(entries.iter().map(entry).collect())
            }
        }
    }

    /// Nothing for the default of what few checks say anything of.
    pub fn unless_default<T: PartialEq>(value: T, default: T, show: fn(T) -> Self) -> Self {
        if value == default {
            Self::Null
        } else {
            show(value)
        }
    }

    /// A text, with references where its secrets stand.
    pub fn template(text: &Text) -> Self {
        match (text.as_plain(), text.pieces()) {
            (Some(plain), _) => Self::text(plain),
            (None, [Piece::Secret(name)]) => Self::Reference(name.to_string()),
            (None, pieces) => Self::Reference(Template(pieces).to_string()),
        }
    }

    /// Headers, with references where secrets stand in their values.
    pub fn headers(headers: &[(String, Text)]) -> Self {
        let entry = |(name, value): &(String, Text)| (name.clone(), Self::template(value));
        Self::Object(headers.iter().map(entry).collect())
    }

    /// References to receivers.
    pub fn receivers(names: &[Name]) -> Self {
        Self::items(
            names
                .iter()
                .map(|name| Self::Reference(format!("webhook.{name}"))),
        )
    }

    /// Where a receiver is.
    pub fn receiver(url: &ReceiverUrl) -> Self {
        match url {
            ReceiverUrl::Url(url) => Self::text(url),
            ReceiverUrl::Secret(name) => Self::Reference(name.to_string()),
        }
    }

    /// A value of JSON.
    pub fn scalar(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Integer(number) => Self::Integer(*number),
            Scalar::String(text) => Self::text(text),
            other => Self::Reference(other.to_string()),
        }
    }

    /// A list, or null for an empty one.
    pub fn items(items: impl Iterator<Item = Self>) -> Self {
        let items: Vec<_> = items.collect();
        match items.is_empty() {
            true => Self::Null,
            false => Self::List(items),
        }
    }

    /// A number, or null without one.
    pub fn number(number: Option<u32>) -> Self {
        number.map_or(Self::Null, |number| Self::Integer(number.into()))
    }

    /// A string, or null without one.
    pub fn optional(text: Option<impl fmt::Display>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// A duration: in the largest unit that leaves no rest, with `60s` for a
    /// minute, as people write it.
    pub fn duration(duration: Duration) -> Self {
        let ms = duration.as_millis();
        let units = [
            ("d", 86_400_000, 1),
            ("h", 3_600_000, 1),
            ("m", 60_000, 2),
            ("s", 1_000, 1),
        ];
        let unit = units
            .into_iter()
            .find(|(_, length, least)| ms >= length * least && ms.is_multiple_of(*length));
        match unit {
            Some((unit, length, _)) => Self::String(format!("{}{unit}", ms / length)),
            None => Self::String(format!("{ms}ms")),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => truth.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => f.write_str(number),
            Self::String(text) => quoted(text, f),
            Self::Reference(path) => f.write_str(path),
            Self::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Object(entries) if entries.is_empty() => f.write_str("{}"),
            Self::Object(entries) => {
                f.write_str("{ ")?;
                for (at, (key, value)) in entries.iter().enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    f.write_str(comma)?;
                    quoted(key, f)?;
                    write!(f, " = {value}")?;
                }
                f.write_str(" }")
            }
        }
    }
}

/// A quoted string in which secrets stand.
struct Template<'a>(&'a [Piece]);

impl fmt::Display for Template<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for piece in self.0 {
            match piece {
                // Before `${` it would be read as its escape.
                Piece::Plain(text) => match text.strip_suffix('$') {
                    Some(before) => {
                        escaped(before, char::is_control, f)?;
                        f.write_str("${\"$\"}")?;
                    }
                    None => escaped(text, char::is_control, f)?,
                },
                Piece::Secret(name) => write!(f, "${{{name}}}")?,
            }
        }
        f.write_str("\"")
    }
}

/// A quoted string with HCL's escapes.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    escaped(text, char::is_control, f)?;
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation() {
        let check = |literal: Literal, expect: &str| assert_eq!(literal.to_string(), expect);
        check(
            Literal::text("a\"b\\${x}\n\u{7}$"),
            r#""a\"b\\$${x}\n\u0007$""#,
        );
        check(
            Literal::List(vec![Literal::Integer(200), Literal::text("2xx")]),
            r#"[200, "2xx"]"#,
        );
        check(
            Literal::Object(vec![("a b".into(), Literal::Null)]),
            r#"{ "a b" = null }"#,
        );
        let template = |pieces: &[Result<&str, &str>]| {
            Literal::template(&Text::new(pieces.iter().map(|piece| match piece {
                Ok(text) => Piece::Plain((*text).to_owned()),
                Err(name) => Piece::Secret(name.parse().unwrap()),
            })))
        };
        check(template(&[Ok("a${")]), r#""a$${""#);
        check(template(&[Err("tok")]), r#"secret("tok")"#);
        check(
            template(&[Ok("Bearer "), Err("tok"), Ok("\"$"), Err("b")]),
            r#""Bearer ${secret("tok")}\"${"$"}${secret("b")}""#,
        );
        for (ms, expect) in [
            (60_000, "60s"),
            (90_000, "90s"),
            (120_000, "2m"),
            (3_600_000, "1h"),
            (86_400_000, "1d"),
            (1_500, "1500ms"),
            (0, "0ms"),
        ] {
            let literal = Literal::duration(Duration::from_millis(ms));
            assert_eq!(literal, Literal::String(expect.into()), "{ms}");
        }
    }
}
