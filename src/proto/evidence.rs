//! What a probe saw, for people: as a message, and in words.

use std::time::Duration;

use super::lokahi::{Evidence, Hop as WireHop, Phases as WirePhases};
use super::moment::{time_of, timestamp};
use crate::model::observation::{ErrorClass, Hop, Observation, Outcome, Phases};

/// One probe as a message, and who looked.
pub fn of(seen: &Observation, location: &str, worker: &str) -> Evidence {
    Evidence {
        scheduled_at: Some(timestamp(seen.scheduled_at)),
        started_at: Some(timestamp(seen.started_at)),
        outcome: seen.outcome.name().to_owned(),
        error_class: seen
            .class
            .map(|class| class.name().to_owned())
            .unwrap_or_default(),
        detail: seen.detail.clone(),
        status_code: seen.status.into(),
        address: seen.address.clone(),
        phases: Some(phases_of(&seen.phases)),
        location: location.to_owned(),
        worker: worker.to_owned(),
        certificate_not_after: seen.certificate_not_after.map(timestamp),
        degraded: seen.degraded,
        reused: seen.reused,
        hops: seen.hops.iter().map(hop_of).collect(),
    }
}

fn hop_of(hop: &Hop) -> WireHop {
    WireHop {
        url: hop.url.clone(),
        status_code: hop.status.into(),
        address: hop.address.clone(),
        phases: Some(phases_of(&hop.phases)),
        certificate_not_after: hop.certificate_not_after.map(timestamp),
        reused: hop.reused,
    }
}

/// Phases as they are told, in nanoseconds.
pub fn phases_of(phases: &Phases) -> WirePhases {
    WirePhases {
        dns_nanoseconds: nanoseconds(phases.dns),
        connect_nanoseconds: nanoseconds(phases.connect),
        tls_nanoseconds: nanoseconds(phases.tls),
        write_nanoseconds: nanoseconds(phases.write),
        first_byte_nanoseconds: nanoseconds(phases.first_byte),
        transfer_nanoseconds: nanoseconds(phases.transfer),
        total_nanoseconds: nanoseconds(phases.total),
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn hop_from(hop: &WireHop) -> Hop {
    Hop {
        url: hop.url.clone(),
        status: u16::try_from(hop.status_code).unwrap_or(0),
        address: hop.address.clone(),
        phases: phases_from(hop.phases),
        certificate_not_after: hop.certificate_not_after.as_ref().map(time_of),
        reused: hop.reused,
    }
}

fn phases_from(phases: Option<WirePhases>) -> Phases {
    let phases = phases.unwrap_or_default();
    let time = |nanos: i64| Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
    Phases {
        dns: time(phases.dns_nanoseconds),
        connect: time(phases.connect_nanoseconds),
        tls: time(phases.tls_nanoseconds),
        write: time(phases.write_nanoseconds),
        first_byte: time(phases.first_byte_nanoseconds),
        transfer: time(phases.transfer_nanoseconds),
        total: time(phases.total_nanoseconds),
    }
}

impl Evidence {
    /// The probe of a message. What this version does not know is unknown.
    pub fn observation(&self) -> Observation {
        let started_at = self.started_at.as_ref().map(time_of);
        let started_at = started_at.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let outcome = Outcome::ALL.into_iter().find(|row| row.2 == self.outcome);
        let mut classes = ErrorClass::ALL.iter();
        Observation {
            scheduled_at: self.scheduled_at.as_ref().map_or(started_at, time_of),
            started_at,
            outcome: outcome.map_or(Outcome::Unknown, |row| row.0),
            degraded: self.degraded,
            class: classes
                .find(|class| class.2 == self.error_class)
                .map(|class| class.0),
            detail: self.detail.clone(),
            status: u16::try_from(self.status_code).unwrap_or(0),
            phases: phases_from(self.phases),
            address: self.address.clone(),
            certificate_not_after: self.certificate_not_after.as_ref().map(time_of),
            reused: self.reused,
            hops: self.hops.iter().map(hop_from).collect(),
        }
    }

    /// Why the probe was no success, or not a whole one: its class, and what was seen. Empty
    /// for a success.
    pub fn reason(&self) -> String {
        match (self.error_class.as_str(), self.detail.as_str()) {
            _ if self.outcome == "up" && !self.degraded => String::new(),
            ("", "") => self.outcome.clone(),
            ("", detail) => detail.to_owned(),
            (class, "") => class.to_owned(),
            (class, detail) => format!("{class}: {detail}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_class_and_what_was_seen() {
        let reason = |outcome: &str, error_class: &str, detail: &str| {
            let evidence = Evidence {
                outcome: outcome.to_owned(),
                error_class: error_class.to_owned(),
                detail: detail.to_owned(),
                ..Evidence::default()
            };
            evidence.reason()
        };
        assert_eq!(reason("up", "", "the body was cut"), "");
        assert_eq!(
            reason("down", "", "status 500 is not 2xx"),
            "status 500 is not 2xx"
        );
        assert_eq!(reason("error", "reset", ""), "reset");
        assert_eq!(reason("error", "reset", "too early"), "reset: too early");
        assert_eq!(reason("unknown", "", ""), "unknown");
    }
}
