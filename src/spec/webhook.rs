//! Receivers as bytes.

use prost::Message as _;

use super::check::list;
use super::{InField as _, SpecError, VERSION, check_header};
use crate::model::value::InvalidValue;
use crate::model::webhook::{WebhookFormat, WebhookSpec};
use crate::proto::internal;

/// The bytes of a receiver.
pub fn encode(spec: &WebhookSpec) -> Vec<u8> {
    internal::WebhookSpec {
        spec_version: VERSION,
        url: spec.url.to_string(),
        format: format_number(spec.format),
        events: spec.events.iter().map(ToString::to_string).collect(),
    }
    .encode_to_vec()
}

/// The receiver of these bytes.
pub fn decode(bytes: &[u8]) -> Result<WebhookSpec, SpecError> {
    let wire = internal::WebhookSpec::decode(bytes).map_err(SpecError::Encoding)?;
    check_header(bytes, wire.spec_version)?;
    Ok(WebhookSpec {
        url: wire.url.parse().in_field("url")?,
        format: format_from(wire.format).in_field("format")?,
        events: list(wire.events, |name| name.parse()).in_field("events")?,
    })
}

pub(super) fn format_number(format: WebhookFormat) -> u32 {
    match format {
        WebhookFormat::Protobuf => 0,
        WebhookFormat::Json => 1,
    }
}

pub(super) fn format_from(number: u32) -> Result<WebhookFormat, InvalidValue> {
    WebhookFormat::ALL
        .into_iter()
        .map(|(format, _)| format)
        .find(|format| format_number(*format) == number)
        .ok_or_else(|| InvalidValue::Other(format!("unknown format {number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(events: &[&str]) -> WebhookSpec {
        let url = "https://hooks.example.com/".parse().unwrap();
        WebhookSpec {
            events: events.iter().map(|event| event.parse().unwrap()).collect(),
            ..WebhookSpec::new(url, WebhookFormat::Json)
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for spec in [receiver(&[]), receiver(&["check.down", "check.stale"])] {
            assert_eq!(decode(&encode(&spec)).unwrap(), spec);
        }
    }

    #[test]
    fn no_event_is_taken_that_there_is_not() {
        let mut wire = internal::WebhookSpec::decode(&*encode(&receiver(&[]))).unwrap();
        wire.events.push("check.sideways".into());
        let error = decode(&wire.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "events");
    }
}
