//! The JSON form of every message, by the proto3 JSON mapping: names as in the
//! `.proto`, zero values left out, NaN and infinities as text.
//!
//! Reading takes snake_case and camelCase and ignores unknown fields; how much
//! is read is the caller's to bound.

use std::sync::OnceLock;

use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};
use serde::ser::{Error as _, Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::DESCRIPTORS;

/// Types with a JSON form of their own, such as timestamps.
const WELL_KNOWN: &str = "google.protobuf";

/// Who reads the JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JsonStyle {
    /// Programs over the wire: 64-bit integers as text, enums by name.
    Wire,
    /// The original's scripts: indented by two, 64-bit integers and enums as
    /// numbers, fields in the order of their numbers.
    Cli,
}

/// Why there is no JSON form, or no message in the JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The type is not in `proto/`.
    #[error("the message {0} is not described")]
    Undescribed(String),
    /// The message has no JSON form.
    #[error("the message cannot be written as JSON")]
    Write(#[source] serde_json::Error),
    /// The text is not JSON, or not of this message.
    #[error("not the JSON of the message")]
    Read(#[source] serde_json::Error),
    /// The message cannot be passed through its description.
    #[error("the message does not fit its description")]
    Transcode(#[source] prost::DecodeError),
}

fn descriptor<M: Name>() -> Result<MessageDescriptor, JsonError> {
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    let name = M::full_name();
    POOL.get_or_init(|| DescriptorPool::decode(DESCRIPTORS).ok())
        .as_ref()
        .and_then(|pool| pool.get_message_by_name(&name))
        .ok_or(JsonError::Undescribed(name))
}

/// The JSON of a message, without a line break at its end.
pub fn to_json<M: Message + Name>(message: &M, style: JsonStyle) -> Result<String, JsonError> {
    encoded_to_json::<M>(&message.encode_to_vec(), style)
}

/// The same of one that is encoded.
pub fn encoded_to_json<M: Name>(bytes: &[u8], style: JsonStyle) -> Result<String, JsonError> {
    let dynamic =
        DynamicMessage::decode(descriptor::<M>()?, bytes).map_err(JsonError::Transcode)?;
    let shown = ShownMessage {
        message: &dynamic,
        style,
    };
    match style {
        JsonStyle::Wire => serde_json::to_string(&shown),
        JsonStyle::Cli => serde_json::to_string_pretty(&shown),
    }
    .map_err(JsonError::Write)
}

/// The message of a JSON text.
pub fn from_json<M: Message + Name + Default>(bytes: &[u8]) -> Result<M, JsonError> {
    let descriptor = descriptor::<M>()?;
    let mut json = serde_json::from_slice(bytes).map_err(JsonError::Read)?;
    // prost-reflect ignores either unknown fields and unknown names of enums,
    // or neither; a format that we do not know must not become the default.
    forget_unknown(&mut json, &descriptor);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(descriptor, json, &options)
        .map_err(JsonError::Read)?
        .transcode_to()
        .map_err(JsonError::Transcode)
}

/// Removes the fields that the message does not have, at every depth.
fn forget_unknown(json: &mut serde_json::Value, descriptor: &MessageDescriptor) {
    let Some(fields) = json.as_object_mut() else {
        return;
    };
    if descriptor.package_name() == WELL_KNOWN {
        return;
    }
    fields.retain(|name, value| {
        let by_name = descriptor.get_field_by_name(name);
        let Some(field) = by_name.or_else(|| descriptor.get_field_by_json_name(name)) else {
            return false;
        };
        let Kind::Message(message) = field.kind() else {
            return true;
        };
        if message.is_map_entry() {
            if let Kind::Message(message) = message.map_entry_value_field().kind() {
                let values = value.as_object_mut().into_iter().flatten();
                values.for_each(|(_, value)| forget_unknown(value, &message));
            }
        } else if let Some(values) = value.as_array_mut() {
            values
                .iter_mut()
                .for_each(|value| forget_unknown(value, &message));
        } else {
            forget_unknown(value, &message);
        }
        true
    });
}

/// prost-reflect writes maps in a random order; output that scripts and
/// reviews compare must not change by itself.
struct ShownMessage<'a> {
    message: &'a DynamicMessage,
    style: JsonStyle,
}

struct ShownValue<'a> {
    value: &'a Value,
    kind: &'a Kind,
    style: JsonStyle,
}

impl Serialize for ShownMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let descriptor = self.message.descriptor();
        if descriptor.package_name() == WELL_KNOWN {
            return self.message.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.message.fields() {
            let shown = ShownValue {
                value,
                kind: &field.kind(),
                style: self.style,
            };
            map.serialize_entry(field.name(), &shown)?;
        }
        map.end()
    }
}

impl Serialize for ShownValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = self.style == JsonStyle::Wire;
        let shown = |value, kind| ShownValue {
            value,
            kind,
            style: self.style,
        };
        match (self.value, self.kind) {
            (Value::I64(n), _) if wire => serializer.collect_str(n),
            (Value::U64(n), _) if wire => serializer.collect_str(n),
            (Value::I64(n), _) => serializer.serialize_i64(*n),
            (Value::U64(n), _) => serializer.serialize_u64(*n),
            (Value::Bool(b), _) => serializer.serialize_bool(*b),
            (Value::I32(n), _) => serializer.serialize_i32(*n),
            (Value::U32(n), _) => serializer.serialize_u32(*n),
            (Value::F32(n), _) => float(f64::from(*n), serializer),
            (Value::F64(n), _) => float(*n, serializer),
            (Value::String(text), _) => serializer.serialize_str(text),
            (Value::Bytes(bytes), _) => {
                use base64::Engine as _;
                serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            (Value::EnumNumber(n), Kind::Enum(kind)) => match kind.get_value(*n) {
                Some(value) if wire => serializer.serialize_str(value.name()),
                _ => serializer.serialize_i32(*n),
            },
            (Value::EnumNumber(n), _) => serializer.serialize_i32(*n),
            (Value::Message(message), _) => ShownMessage {
                message,
                style: self.style,
            }
            .serialize(serializer),
            (Value::List(values), kind) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&shown(value, kind))?;
                }
                list.end()
            }
            (Value::Map(values), Kind::Message(entry)) if entry.is_map_entry() => {
                let kind = entry.map_entry_value_field().kind();
                let mut entries: Vec<_> = values.iter().map(|(k, v)| (key(k), v)).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&key, &shown(value, &kind))?;
                }
                map.end()
            }
            (Value::Map(_), _) => Err(S::Error::custom("a map without a description")),
        }
    }
}

fn float<S: Serializer>(number: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.is_nan() {
        serializer.serialize_str("NaN")
    } else if number.is_infinite() {
        serializer.serialize_str(if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        })
    } else if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        // As Go and JavaScript write it: 5, not 5.0.
        serializer.serialize_i64(number as i64)
    } else {
        serializer.serialize_f64(number)
    }
}

fn key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::lokahi;

    fn check() -> lokahi::Check {
        lokahi::Check {
            id: "x".into(),
            url: "http://a/".into(),
            webhook_response_time_nanoseconds: 12,
            every: 60,
            state: lokahi::check::State::Down.into(),
            labels: ["b", "a", "c"]
                .map(|k| (k.to_owned(), "1".to_owned()))
                .into(),
            since: Some(prost_types::Timestamp {
                seconds: 1,
                nanos: 500_000_000,
            }),
            ..lokahi::Check::default()
        }
    }

    #[test]
    fn programs_read_text_and_names() {
        insta::assert_snapshot!(to_json(&check(), JsonStyle::Wire).unwrap(), @r#"{"id":"x","url":"http://a/","webhook_response_time_nanoseconds":"12","every":60,"state":"DOWN","labels":{"a":"1","b":"1","c":"1"},"since":"1970-01-01T00:00:01.500Z"}"#);
    }

    #[test]
    fn scripts_read_numbers() {
        insta::assert_snapshot!(to_json(&check(), JsonStyle::Cli).unwrap(), @r#"
        {
          "id": "x",
          "url": "http://a/",
          "webhook_response_time_nanoseconds": 12,
          "every": 60,
          "state": 2,
          "labels": {
            "a": "1",
            "b": "1",
            "c": "1"
          },
          "since": "1970-01-01T00:00:01.500Z"
        }
        "#);
    }

    #[test]
    fn what_is_written_is_read() {
        for style in [JsonStyle::Wire, JsonStyle::Cli] {
            let json = to_json(&check(), style).unwrap();
            assert_eq!(
                from_json::<lokahi::Check>(json.as_bytes()).unwrap(),
                check()
            );
        }
        let page = to_json(&lokahi::ChecksPage::default(), JsonStyle::Wire).unwrap();
        assert_eq!(page, "{}");
    }

    #[test]
    fn both_ways_of_writing_names_and_numbers_are_read() {
        let json = br#"{"webhookUrl": "u", "playbook_url": "p", "every": "5", "new": [{}],
            "webhookResponseTimeNanoseconds": 7, "state": 3}"#;
        let read: lokahi::Check = from_json(json).unwrap();
        assert_eq!(
            (read.webhook_url.as_str(), read.playbook_url.as_str()),
            ("u", "p")
        );
        assert_eq!((read.every, read.webhook_response_time_nanoseconds), (5, 7));
        assert_eq!(read.state(), lokahi::check::State::Error);
    }

    #[test]
    fn unknown_fields_are_ignored_at_every_depth() {
        let json = br#"{"new": 1, "results": [{"check": {"labels": {"a": "b"}, "new": {},
            "since": "2026-11-22T10:00:00Z"}}]}"#;
        let read: lokahi::ChecksPage = from_json(json).unwrap();
        let check = read.results[0].check.clone().unwrap();
        assert_eq!(
            (check.labels["a"].as_str(), check.since.is_some()),
            ("b", true)
        );
    }

    #[test]
    fn numbers_that_are_none_survive() {
        let histogram = lokahi::HistogramData {
            stddev: f64::NAN,
            mean_nanoseconds: f64::INFINITY,
            max_nanoseconds: 2.0,
            min_nanoseconds: 0.5,
            ..lokahi::HistogramData::default()
        };
        let json = to_json(&histogram, JsonStyle::Wire).unwrap();
        let read: lokahi::HistogramData = from_json(json.as_bytes()).unwrap();
        assert!(read.stddev.is_nan());
        assert_eq!(read.mean_nanoseconds, f64::INFINITY);
        assert_eq!((read.max_nanoseconds, read.min_nanoseconds), (2.0, 0.5));
        let unknown = lokahi::Check {
            state: 99,
            ..lokahi::Check::default()
        };
        assert_eq!(
            to_json(&unknown, JsonStyle::Wire).unwrap(),
            r#"{"state":99}"#
        );
    }

    #[test]
    fn what_is_not_the_message_is_refused() {
        for bad in [
            "",
            "[]",
            "{",
            r#"{"every": 1.5}"#,
            r#"{"url": 1}"#,
            "{} {}",
            r#"{"state": "BROKEN"}"#,
        ] {
            assert!(from_json::<lokahi::Check>(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
