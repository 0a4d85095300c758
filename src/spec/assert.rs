//! Asserts as messages.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::check::{limit, list, milliseconds};
use super::{InField as _, SpecError};
use crate::model::check::{Assert, CheckSpec, StatusRange};
use crate::model::json::JsonPath;
use crate::model::scalar::Scalar;
use crate::model::value::{InvalidValue, valid_header_name};
use crate::proto::internal;
use crate::proto::internal::scalar::Value;

pub(super) fn encode(assert: &Assert) -> internal::Assert {
    internal::Assert {
        label: assert.label.clone(),
        status: assert
            .status
            .iter()
            .map(|range| internal::StatusRange {
                from: range.from().into(),
                to: range.to().into(),
            })
            .collect(),
        body_contains: assert.body_contains.clone(),
        max_latency_milliseconds: assert.max_latency.map_or(0, milliseconds),
        certificate_valid_seconds: assert
            .certificate_valid_for
            .map_or(0, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
        body_matches: assert
            .body_matches
            .iter()
            .map(ToString::to_string)
            .collect(),
        header: assert.header.clone(),
        header_matches: assert
            .header_matches
            .iter()
            .map(|(name, pattern)| (name.clone(), pattern.to_string()))
            .collect(),
        json: assert
            .json
            .iter()
            .map(|(path, scalar)| (path.to_string(), encode_scalar(scalar)))
            .collect(),
        condition: assert.condition.clone(),
        error_message: assert.error_message.clone(),
    }
}

fn encode_scalar(scalar: &Scalar) -> internal::Scalar {
    internal::Scalar {
        value: Some(match scalar {
            Scalar::Null => Value::Null(true),
            Scalar::Bool(value) => Value::Boolean(*value),
            Scalar::Integer(number) => Value::Integer(*number),
            Scalar::Number(number) => Value::Number(number.get()),
            Scalar::String(text) => Value::Text(text.clone()),
        }),
    }
}

pub(super) fn decode(wire: internal::Assert) -> Result<Assert, SpecError> {
    let most = CheckSpec::MAX_ASSERTS;
    limit(wire.status.len(), most).in_field("assert.status")?;
    limit(wire.body_contains.len(), most).in_field("assert.body_contains")?;
    limit(wire.body_matches.len(), most).in_field("assert.body_matches")?;
    limit(wire.header.len(), most).in_field("assert.header")?;
    limit(wire.header_matches.len(), most).in_field("assert.header_matches")?;
    limit(wire.json.len(), most).in_field("assert.json")?;
    for (field, text) in [
        ("assert.condition", &wire.condition),
        ("assert.error_message", &wire.error_message),
    ] {
        let length = text.as_deref().map_or(0, str::len);
        limit(length, CheckSpec::MAX_EXPRESSION).in_field(field)?;
    }
    for (name, value) in &wire.header {
        lower_case(name).in_field("assert.header")?;
        limit(value.len(), 8 * 1024).in_field("assert.header")?;
    }
    for name in wire.header_matches.keys() {
        lower_case(name).in_field("assert.header_matches")?;
    }
    let code = |code: u32| u16::try_from(code).unwrap_or(u16::MAX);
    Ok(Assert {
        label: wire.label,
        status: list(wire.status, |range| {
            StatusRange::new(code(range.from), code(range.to))
        })
        .in_field("assert.status")?,
        body_contains: list(wire.body_contains, Ok::<_, SpecError>)?,
        max_latency: match wire.max_latency_milliseconds {
            0 => None,
            milliseconds => Some(Duration::from_millis(milliseconds.into())),
        },
        certificate_valid_for: match wire.certificate_valid_seconds {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        },
        body_matches: list(wire.body_matches, |text| text.parse())
            .in_field("assert.body_matches")?,
        header: wire.header,
        header_matches: wire
            .header_matches
            .into_iter()
            .map(|(name, text)| Ok((name, text.parse()?)))
            .collect::<Result<_, _>>()
            .in_field("assert.header_matches")?,
        json: wire
            .json
            .into_iter()
            .map(|(path, scalar)| Ok((canonical::<JsonPath>(&path)?, decode_scalar(scalar)?)))
            .collect::<Result<BTreeMap<_, _>, _>>()
            .in_field("assert.json")?,
        condition: wire.condition,
        error_message: wire.error_message,
    })
}

fn lower_case(name: &str) -> Result<(), InvalidValue> {
    valid_header_name(name)?;
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(not_canonical(name));
    }
    Ok(())
}

fn canonical<T: FromStr<Err = InvalidValue> + Display>(text: &str) -> Result<T, InvalidValue> {
    let value: T = text.parse()?;
    if value.to_string() != text {
        return Err(not_canonical(text));
    }
    Ok(value)
}

fn not_canonical(text: &str) -> InvalidValue {
    InvalidValue::Other(format!("{text:?} is not how it is written on the wire"))
}

fn decode_scalar(wire: internal::Scalar) -> Result<Scalar, InvalidValue> {
    let wrong = || InvalidValue::Other("a value of JSON is not one".into());
    match wire.value {
        Some(Value::Null(true)) => Ok(Scalar::Null),
        Some(Value::Boolean(value)) => Ok(Scalar::Bool(value)),
        Some(Value::Integer(number)) => Ok(Scalar::Integer(number)),
        Some(Value::Number(number)) => Scalar::number(number)
            .filter(|scalar| matches!(scalar, Scalar::Number(_)))
            .ok_or_else(wrong),
        Some(Value::Text(text)) => {
            limit(text.len(), Scalar::MAX)?;
            Ok(Scalar::String(text))
        }
        Some(Value::Null(false)) | None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_meaning_has_one_encoding() {
        let scalar = |value| internal::Scalar { value: Some(value) };
        let with = |change: &dyn Fn(&mut internal::Assert)| {
            let mut wire = internal::Assert::default();
            change(&mut wire);
            decode(wire).is_ok()
        };
        assert!(with(&|a| drop(a.header.insert("etag".into(), "x".into()))));
        assert!(!with(&|a| drop(a.header.insert("ETag".into(), "x".into()))));
        assert!(!with(&|a| a.body_matches.push("(".into())));
        for (path, value, good) in [
            ("a.b", Value::Number(0.5), true),
            ("[\"a\"]", Value::Number(0.5), false),
            ("a", Value::Number(1.0), false),
            ("a", Value::Number(f64::NAN), false),
            ("a", Value::Null(false), false),
            ("a", Value::Text("x".repeat(Scalar::MAX + 1)), false),
        ] {
            let done = with(&|a| drop(a.json.insert(path.into(), scalar(value.clone()))));
            assert_eq!(done, good, "{path} {value:?}");
        }
    }
}
