//! Checks as bytes.

use std::time::Duration;

use prost::Message as _;

use super::webhook::{format_from, format_number};
use super::{InField as _, SpecError, VERSION, access, assert, check_header, confirm, text};
use crate::model::check::{Assert, CheckSpec, Every, Grouping, Method, Timeout, WhileFlapping};
use crate::model::dial::{Close, ConnectTo, IpFamily, Priority, Proxy, Redirects};
use crate::model::name::{InvalidAddress, Name};
use crate::model::value::{HttpUrl, InvalidValue, valid_header_text, valid_label};
use crate::model::webhook::WebhookSpec;
use crate::proto::internal;

/// The bytes of a check.
pub fn encode(spec: &CheckSpec) -> Vec<u8> {
    internal::CheckSpec {
        spec_version: VERSION,
        url: spec.url.to_string(),
        method: spec.method.name().to_owned(),
        headers: spec
            .headers
            .iter()
            .map(|(name, value)| internal::Header {
                name: name.clone(),
                value: text::encode(value),
            })
            .collect(),
        body: text::encode(&spec.body),
        every_seconds: spec.every.seconds(),
        timeout_milliseconds: spec.timeout.milliseconds(),
        asserts: spec.asserts.iter().map(assert::encode).collect(),
        warns: spec.warns.iter().map(assert::encode).collect(),
        description: spec.description.clone(),
        close_by_reset: spec.close == Close::Reset,
        reuse_connection: spec.reuse_connection,
        locations: spec.locations.iter().map(ToString::to_string).collect(),
        priority: match spec.priority {
            Priority::Normal => 0,
            Priority::Low => 1,
            Priority::High => 2,
        },
        proxy: spec
            .proxy
            .as_ref()
            .map(Proxy::to_string)
            .unwrap_or_default(),
        confirm: Some(confirm::encode(&spec.confirm)),
        labels: spec.labels.clone(),
        playbook_url: spec
            .playbook_url
            .as_ref()
            .map(HttpUrl::to_string)
            .unwrap_or_default(),
        webhook_url: spec
            .webhook
            .as_ref()
            .map(|w| w.url.to_string())
            .unwrap_or_default(),
        webhook_format: spec.webhook.as_ref().map_or(0, |w| format_number(w.format)),
        receivers: spec.receivers.iter().map(ToString::to_string).collect(),
        suppressed_by: spec.suppressed_by.iter().map(ToString::to_string).collect(),
        hold_flapping: spec.flapping == WhileFlapping::Hold,
        repeat_seconds: spec.repeat.map_or(0, seconds),
        grouping: spec.grouping.as_ref().map(|grouping| internal::Grouping {
            by: grouping.by.clone(),
            wait_seconds: seconds(grouping.wait),
        }),
        disabled: !spec.enabled,
        prevent_destroy: spec.prevent_destroy,
        keep_redirects: !spec.redirects.followed,
        max_redirects: match spec.redirects.most {
            Redirects::MAX => 0,
            most => most.into(),
        },
        ip_family: spec.ip_family.map_or(0, |family| family.number().into()),
        connect_to: spec
            .connect_to
            .as_ref()
            .map(ConnectTo::to_string)
            .unwrap_or_default(),
        tls: access::encode_tls(&spec.tls),
        auth: spec.auth.as_ref().map(access::encode_auth),
        http_version: spec
            .http_version
            .map(|version| version.to_string())
            .unwrap_or_default(),
    }
    .encode_to_vec()
}

pub(super) fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// The check of these bytes.
pub fn decode(bytes: &[u8]) -> Result<CheckSpec, SpecError> {
    let wire = internal::CheckSpec::decode(bytes).map_err(SpecError::Encoding)?;
    check_header(bytes, wire.spec_version)?;
    let every = Every::from_seconds(wire.every_seconds.into()).in_field("every")?;
    limit(wire.headers.len(), CheckSpec::MAX_HEADERS).in_field("headers")?;
    limit(wire.labels.len(), CheckSpec::MAX_LABELS).in_field("labels")?;
    limit(wire.receivers.len(), CheckSpec::MAX_RECEIVERS).in_field("notify")?;
    limit(wire.locations.len(), CheckSpec::MAX_LOCATIONS).in_field("locations")?;
    limit(wire.suppressed_by.len(), CheckSpec::MAX_PARENTS).in_field("suppressed_by")?;
    limit(wire.asserts.len(), CheckSpec::MAX_ASSERTS).in_field("assert")?;
    limit(wire.description.len(), CheckSpec::MAX_DESCRIPTION).in_field("description")?;
    limit(wire.warns.len(), CheckSpec::MAX_ASSERTS).in_field("warn")?;
    for (key, value) in &wire.labels {
        valid_label(key, value).in_field("labels")?;
    }
    let headers = list(wire.headers, |header| {
        let value = text::decode(header.value, CheckSpec::MAX_BODY)?;
        valid_header_text(&header.name, &value)?;
        Ok((header.name, value))
    });
    let webhook = if wire.webhook_url.is_empty() {
        None
    } else {
        let url = wire.webhook_url.parse().in_field("webhook_url")?;
        let format = format_from(wire.webhook_format).in_field("webhook_format")?;
        Some(WebhookSpec::new(url, format))
    };
    let locations = list(wire.locations, |name| named(&name)).in_field("locations")?;
    let mut asserts = list(wire.asserts, assert::decode)?;
    if asserts.is_empty() {
        asserts.push(Assert::success());
    }
    Ok(CheckSpec {
        url: wire.url.parse().in_field("url")?,
        method: Method::from_name(&wire.method)
            .ok_or_else(|| InvalidValue::Other(format!("unknown method {:?}", wire.method)))
            .in_field("method")?,
        headers: headers.in_field("headers")?,
        body: text::decode(wire.body, CheckSpec::MAX_BODY).in_field("body")?,
        every,
        timeout: Timeout::from_milliseconds(wire.timeout_milliseconds.into(), every)
            .in_field("timeout")?,
        asserts,
        warns: list(wire.warns, assert::decode)?,
        description: wire.description,
        close: match wire.close_by_reset {
            true => Close::Reset,
            false => Close::Normal,
        },
        reuse_connection: wire.reuse_connection,
        priority: match wire.priority {
            0 => Priority::Normal,
            1 => Priority::Low,
            2 => Priority::High,
            other => {
                let fault = InvalidValue::Other(format!("{other} is unknown"));
                return Err(fault).in_field("priority");
            }
        },
        proxy: match wire.proxy.as_str() {
            "" => None,
            text => Some(text.parse().in_field("proxy")?),
        },
        confirm: confirm::decode(wire.confirm.unwrap_or_default(), locations.len())?,
        locations,
        labels: wire.labels,
        playbook_url: match wire.playbook_url.as_str() {
            "" => None,
            url => Some(url.parse().in_field("playbook_url")?),
        },
        webhook,
        redirects: Redirects {
            followed: !wire.keep_redirects,
            most: match wire.max_redirects {
                0 => Redirects::MAX,
                most => within(most, Redirects::MAX).in_field("max_redirects")?,
            },
        },
        ip_family: match wire.ip_family {
            0 => None,
            number => Some(IpFamily::from_number(number.into()).in_field("ip_family")?),
        },
        connect_to: match wire.connect_to.as_str() {
            "" => None,
            text => Some(text.parse().in_field("connect_to")?),
        },
        tls: access::decode_tls(wire.tls)?,
        auth: wire.auth.map(access::decode_auth).transpose()?,
        http_version: match wire.http_version.as_str() {
            "" => None,
            text => Some(text.parse().in_field("http_version")?),
        },
        flapping: match wire.hold_flapping {
            true => WhileFlapping::Hold,
            false => WhileFlapping::Tell,
        },
        repeat: match wire.repeat_seconds {
            0 => None,
            repeat => Some(between(repeat, CheckSpec::REPEAT).in_field("notify.repeat")?),
        },
        grouping: wire.grouping.map(decode_grouping).transpose()?,
        enabled: !wire.disabled,
        prevent_destroy: wire.prevent_destroy,
        receivers: list(wire.receivers, |name| named(&name)).in_field("notify")?,
        suppressed_by: list(wire.suppressed_by, |address| {
            address
                .parse()
                .map_err(|e: InvalidAddress| InvalidValue::Other(e.to_string()))
        })
        .in_field("suppressed_by")?,
    })
}

/// As many as there are, and no room for more: a `Result` that is collected has room for four
/// at least, which 50,000 checks in memory are 35 MB of.
pub(super) fn list<T, U, E>(from: Vec<T>, decode: impl Fn(T) -> Result<U, E>) -> Result<Vec<U>, E> {
    let mut all = Vec::with_capacity(from.len());
    for item in from {
        all.push(decode(item)?);
    }
    Ok(all)
}

pub(super) fn named(name: &str) -> Result<Name, InvalidValue> {
    name.parse()
        .map_err(|fault| InvalidValue::Other(format!("{fault}")))
}

pub(super) fn within(number: u32, most: u8) -> Result<u8, InvalidValue> {
    u8::try_from(number)
        .ok()
        .filter(|n| (1..=most).contains(n))
        .ok_or_else(|| InvalidValue::Range {
            what: number.to_string(),
            min: "1".into(),
            max: most.to_string(),
        })
}

pub(super) fn limit(length: usize, max: usize) -> Result<(), InvalidValue> {
    if length > max {
        Err(InvalidValue::TooLong { length, max })
    } else {
        Ok(())
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

fn between(seconds: u32, (least, most): (Duration, Duration)) -> Result<Duration, InvalidValue> {
    let time = Duration::from_secs(seconds.into());
    if (least..=most).contains(&time) {
        return Ok(time);
    }
    Err(InvalidValue::Range {
        what: format!("{seconds} s"),
        min: format!("{} s", least.as_secs()),
        max: format!("{} s", most.as_secs()),
    })
}

fn decode_grouping(wire: internal::Grouping) -> Result<Grouping, SpecError> {
    limit(wire.by.len(), Grouping::MAX_BY).in_field("notify.group_by")?;
    for name in &wire.by {
        valid_label(name, "").in_field("notify.group_by")?;
    }
    Ok(Grouping {
        by: wire.by,
        wait: between(wire.wait_seconds, Grouping::WAIT).in_field("notify.group_wait")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::check::{Confirm, StatusRange};
    use crate::model::scalar::Scalar;
    use crate::model::secret::{Piece, Text};

    fn full() -> CheckSpec {
        let every = Every::from_seconds(30).unwrap();
        CheckSpec {
            method: Method::Post,
            headers: vec![
                ("accept".into(), "*/*".into()),
                (
                    "authorization".into(),
                    Text::new([
                        Piece::Plain("Bearer ".into()),
                        Piece::Secret("tok".parse().unwrap()),
                    ]),
                ),
            ],
            body: "\0ping".into(),
            every,
            timeout: Timeout::from_milliseconds(1500, every).unwrap(),
            asserts: vec![Assert {
                label: "x".into(),
                status: vec![StatusRange::SUCCESS, "404".parse().unwrap()],
                body_contains: vec!["ok".into()],
                body_matches: vec!["^v[0-9]".parse().unwrap()],
                header: [("server".to_owned(), "nginx".to_owned())].into(),
                header_matches: [("etag".to_owned(), "^W/".parse().unwrap())].into(),
                json: [
                    ("a.b[0]".parse().unwrap(), Scalar::number(0.5).unwrap()),
                    ("ok".parse().unwrap(), Scalar::Bool(true)),
                ]
                .into(),
                max_latency: Some(Duration::from_millis(250)),
                certificate_valid_for: None,
                condition: Some("response.status == 200".into()),
                error_message: Some("\"it is not\"".into()),
            }],
            warns: Vec::new(),
            description: String::new(),
            close: Close::Normal,
            reuse_connection: false,
            confirm: Confirm::in_a_row(3, 2, Duration::from_secs(1)),
            labels: [("team".to_owned(), "web".to_owned())].into(),
            playbook_url: Some("https://wiki.example.com/x".parse().unwrap()),
            webhook: Some(WebhookSpec::new(
                "http://hook.example.com/".parse().unwrap(),
                crate::model::webhook::WebhookFormat::Json,
            )),
            enabled: false,
            prevent_destroy: true,
            receivers: vec!["oncall".parse().unwrap()],
            ..CheckSpec::new("https://example.com/".parse().unwrap())
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let warned = CheckSpec {
            warns: vec![Assert {
                certificate_valid_for: Some(Duration::from_secs(21 * 86_400)),
                ..Assert::default()
            }],
            description: "what it is".into(),
            priority: Priority::High,
            proxy: Some("http://proxy.example.com:3128".parse().unwrap()),
            locations: vec!["eu-1".parse().unwrap(), "us-1".parse().unwrap()],
            confirm: Confirm {
                of: 5,
                distinct: 2,
                within: Some(Duration::from_secs(90)),
                ..full().confirm
            },
            close: Close::Reset,
            reuse_connection: true,
            suppressed_by: vec!["edge[\"eu\"]".parse().unwrap()],
            flapping: WhileFlapping::Hold,
            repeat: Some(Duration::from_secs(4 * 3600)),
            grouping: Some(Grouping {
                by: vec!["site".into(), "team".into()],
                wait: Duration::from_secs(30),
            }),
            ..full()
        };
        for spec in [full(), warned, CheckSpec::new("http://a/".parse().unwrap())] {
            assert_eq!(decode(&encode(&spec)).unwrap(), spec);
        }
    }

    #[test]
    fn the_digest_of_a_spec_never_changes() {
        // Stored specs are found by it: another value here orphans them all.
        let digest = super::super::Digest::of(&encode(&full()));
        let hex: String = digest
            .0
            .iter()
            .take(6)
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, "0f6c0e6da67a");
    }

    #[test]
    fn a_client_cannot_store_what_is_not_valid() {
        let mut wire = internal::CheckSpec::decode(encode(&full()).as_slice()).unwrap();
        wire.every_seconds = 0;
        let error = decode(&wire.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "every");
        wire.every_seconds = 30;
        wire.spec_version = 9;
        assert!(matches!(
            decode(&wire.encode_to_vec()),
            Err(SpecError::Version(9))
        ));
        assert!(matches!(decode(b"\xff"), Err(SpecError::Encoding(_))));
    }
}
