//! A maintenance as bytes: of a project's files with its name, over the API without.

use std::time::Duration;

use prost::Message as _;
use time::OffsetDateTime;

use super::{InField as _, SpecError};
use crate::model::maintenance::{Maintenance, Selector, When};
use crate::model::value::{InvalidValue, valid_label};
use crate::proto::internal;

/// The bytes of one that has no name.
pub fn encode(maintenance: &Maintenance) -> Vec<u8> {
    to_wire("", maintenance).encode_to_vec()
}

/// What these bytes say.
pub fn decode(bytes: &[u8]) -> Result<Maintenance, SpecError> {
    let wire = internal::Maintenance::decode(bytes).map_err(SpecError::Encoding)?;
    from_wire(wire)
}

pub(super) fn to_wire(name: &str, maintenance: &Maintenance) -> internal::Maintenance {
    let Selector { names, labels } = &maintenance.selector;
    let wire = internal::Maintenance {
        name: name.to_owned(),
        names: names.iter().map(ToString::to_string).collect(),
        labels: labels.clone(),
        reason: maintenance.reason.clone(),
        ..internal::Maintenance::default()
    };
    match &maintenance.when {
        When::Once { start, end } => internal::Maintenance {
            start_unix: start.unix_timestamp(),
            end_unix: end.unix_timestamp(),
            ..wire
        },
        When::Recurring {
            cron,
            duration,
            zone,
        } => internal::Maintenance {
            cron: cron.to_string(),
            duration_seconds: u32::try_from(duration.as_secs()).unwrap_or(u32::MAX),
            timezone: zone.to_string(),
            ..wire
        },
    }
}

pub(super) fn from_wire(wire: internal::Maintenance) -> Result<Maintenance, SpecError> {
    let too_long = |length: usize, max: usize| InvalidValue::TooLong { length, max };
    if wire.names.len() > Selector::MAX {
        return Err(too_long(wire.names.len(), Selector::MAX)).in_field("names");
    }
    if wire.labels.len() > Selector::MAX {
        return Err(too_long(wire.labels.len(), Selector::MAX)).in_field("labels");
    }
    if wire.reason.len() > Maintenance::MAX_REASON {
        return Err(too_long(wire.reason.len(), Maintenance::MAX_REASON)).in_field("reason");
    }
    for (key, value) in &wire.labels {
        valid_label(key, value).in_field("labels")?;
    }
    let names = wire.names.iter().map(|name| name.parse());
    let selector = Selector {
        names: names.collect::<Result<_, _>>().in_field("names")?,
        labels: wire.labels,
    };
    if selector.is_empty() {
        let why = "means no check: neither names nor labels are given";
        return Err(InvalidValue::Other(why.to_owned())).in_field("match");
    }
    let when = match wire.cron.as_str() {
        "" => {
            let start = moment(wire.start_unix).in_field("start")?;
            let end = moment(wire.end_unix).in_field("end")?;
            if start >= end {
                let why = "is not after the start".to_owned();
                return Err(InvalidValue::Other(why)).in_field("end");
            }
            When::Once { start, end }
        }
        cron => {
            let duration = Duration::from_secs(wire.duration_seconds.into());
            if duration < When::MIN || duration > When::MAX {
                let range = InvalidValue::Range {
                    what: format!("{} s", wire.duration_seconds),
                    min: "1m".to_owned(),
                    max: "7d".to_owned(),
                };
                return Err(range).in_field("duration");
            }
            When::Recurring {
                cron: cron.parse().in_field("cron")?,
                duration,
                zone: wire.timezone.parse().in_field("timezone")?,
            }
        }
    };
    Ok(Maintenance {
        selector,
        when,
        reason: wire.reason,
    })
}

fn moment(seconds: i64) -> Result<OffsetDateTime, InvalidValue> {
    let wrong = |_| InvalidValue::Other("is no moment".to_owned());
    OffsetDateTime::from_unix_timestamp(seconds).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_was_said_is_read_back() {
        let once = When::Once {
            start: datetime!(2026-11-29 10:00 UTC),
            end: datetime!(2026-11-29 12:00 UTC),
        };
        let recurring = When::Recurring {
            cron: "0 3 * * sun".parse().unwrap(),
            duration: Duration::from_secs(7200),
            zone: "Europe/Berlin".parse().unwrap(),
        };
        for when in [once, recurring] {
            let maintenance = Maintenance {
                selector: Selector {
                    names: vec!["shop_*".parse().unwrap()],
                    labels: [("team".to_owned(), "web".to_owned())].into(),
                },
                when,
                reason: "backups".to_owned(),
            };
            assert_eq!(decode(&encode(&maintenance)).unwrap(), maintenance);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = || internal::Maintenance {
            names: vec!["*".into()],
            start_unix: 1,
            end_unix: 2,
            ..internal::Maintenance::default()
        };
        assert!(from_wire(good()).is_ok());
        let refused = |change: &dyn Fn(&mut internal::Maintenance)| {
            let mut wire = good();
            change(&mut wire);
            from_wire(wire).unwrap_err().to_string()
        };
        assert_eq!(refused(&|it| it.names.clear()), "match");
        assert_eq!(refused(&|it| it.names = vec!["A".into()]), "names");
        assert_eq!(refused(&|it| it.end_unix = 1), "end");
        assert_eq!(refused(&|it| it.cron = "0 3 * * *".into()), "duration");
        assert_eq!(
            refused(&|it| {
                it.cron = "0 3 * * *".into();
                it.duration_seconds = 60;
            }),
            "timezone"
        );
        assert_eq!(refused(&|it| it.reason = "x".repeat(1025)), "reason");
    }
}
