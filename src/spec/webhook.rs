//! Receivers as bytes.

use prost::Message as _;

use super::check::{limit, list, named};
use super::{InField as _, SpecError, VERSION, check_header, text};
use crate::model::value::InvalidValue;
use crate::model::webhook::{AttemptTimeout, WebhookFormat, WebhookSpec, valid_event_header};
use crate::proto::internal;

/// The bytes of a receiver.
pub fn encode(spec: &WebhookSpec) -> Vec<u8> {
    internal::WebhookSpec {
        spec_version: VERSION,
        url: spec.url.to_string(),
        format: format_number(spec.format),
        events: spec.events.iter().map(ToString::to_string).collect(),
        secrets: spec
            .secrets
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect(),
        headers: spec
            .headers
            .iter()
            .map(|(name, value)| internal::Header {
                name: name.clone(),
                value: text::encode(value),
            })
            .collect(),
        timeout_milliseconds: match spec.timeout {
            timeout if timeout == AttemptTimeout::default() => 0,
            timeout => timeout.milliseconds(),
        },
        fallback: spec
            .fallback
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        send_each: !spec.collapse,
    }
    .encode_to_vec()
}

/// The receiver of these bytes.
pub fn decode(bytes: &[u8]) -> Result<WebhookSpec, SpecError> {
    let wire = internal::WebhookSpec::decode(bytes).map_err(SpecError::Encoding)?;
    check_header(bytes, wire.spec_version)?;
    limit(wire.secrets.len(), WebhookSpec::MAX_SECRETS).in_field("secrets")?;
    limit(wire.headers.len(), WebhookSpec::MAX_HEADERS).in_field("headers")?;
    let secret = |name: String| {
        name.parse()
            .map_err(|error| InvalidValue::Other(format!("{error}")))
    };
    let headers = list(wire.headers, |header| {
        let value = text::decode(header.value, WebhookSpec::MAX_HEADER)?;
        valid_event_header(&header.name, &value)?;
        Ok((header.name, value))
    });
    Ok(WebhookSpec {
        url: wire.url.parse().in_field("url")?,
        format: format_from(wire.format).in_field("format")?,
        events: list(wire.events, |name| name.parse()).in_field("events")?,
        secrets: list(wire.secrets, secret).in_field("secrets")?,
        headers: headers.in_field("headers")?,
        timeout: match wire.timeout_milliseconds {
            0 => AttemptTimeout::default(),
            given => AttemptTimeout::from_milliseconds(given.into()).in_field("timeout")?,
        },
        fallback: match wire.fallback.as_str() {
            "" => None,
            name => Some(named(name).in_field("fallback")?),
        },
        collapse: !wire.send_each,
    })
}

pub(super) fn format_number(format: WebhookFormat) -> u32 {
    match format {
        WebhookFormat::Protobuf => 0,
        WebhookFormat::Json => 1,
        WebhookFormat::Alertmanager => 2,
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
    use crate::model::secret::{Piece, Text};

    fn receiver(events: &[&str]) -> WebhookSpec {
        let url = "https://hooks.example.com/".parse().unwrap();
        WebhookSpec {
            events: events.iter().map(|event| event.parse().unwrap()).collect(),
            ..WebhookSpec::new(url, WebhookFormat::Json)
        }
    }

    fn with_all() -> WebhookSpec {
        let token = Piece::Secret("tok".parse().unwrap());
        WebhookSpec {
            format: WebhookFormat::Alertmanager,
            secrets: ["new", "old"].map(|name| name.parse().unwrap()).to_vec(),
            headers: vec![(
                "authorization".into(),
                Text::new([Piece::Plain("Bearer ".into()), token]),
            )],
            timeout: AttemptTimeout::from_milliseconds(5_000).unwrap(),
            fallback: Some("pager".parse().unwrap()),
            collapse: false,
            ..receiver(&["check.down"])
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let some = receiver(&["check.down", "check.stale"]);
        for spec in [receiver(&[]), some, with_all()] {
            assert_eq!(decode(&encode(&spec)).unwrap(), spec);
        }
    }

    /// A digest that changed would be a change of every receiver in the next plan.
    #[test]
    fn one_with_the_defaults_has_the_bytes_that_it_always_had() {
        let bytes = encode(&receiver(&["check.down"]));
        assert_eq!(
            bytes,
            b"\x08\x01\x12\x1ahttps://hooks.example.com/\x18\x01\x22\x0acheck.down"
        );
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        let check = |break_it: fn(&mut internal::WebhookSpec), field: &str| {
            let mut wire = internal::WebhookSpec::decode(&*encode(&with_all())).unwrap();
            break_it(&mut wire);
            let error = decode(&wire.encode_to_vec()).unwrap_err();
            assert_eq!(error.to_string(), field);
        };
        check(|wire| wire.secrets = vec!["a".into(); 5], "secrets");
        check(|wire| wire.secrets = vec!["A".into()], "secrets");
        check(|wire| wire.headers[0].name = "Webhook-Id".into(), "headers");
        check(|wire| wire.timeout_milliseconds = 999, "timeout");
        check(|wire| wire.fallback = "a b".into(), "fallback");
        check(|wire| wire.format = 3, "format");
    }

    #[test]
    fn no_event_is_taken_that_there_is_not() {
        let mut wire = internal::WebhookSpec::decode(&*encode(&receiver(&[]))).unwrap();
        wire.events.push("check.sideways".into());
        let error = decode(&wire.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "events");
    }
}
