//! Receivers as bytes.

use prost::Message as _;

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
