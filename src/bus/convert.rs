//! Batches and reports as messages. A part that means nothing is left out: its
//! probe then counts as lost.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::id::{CheckId, CheckNo, SpecId};
use crate::model::observation::{ErrorClass, Hop, Observation, Outcome, Phases};
use crate::model::probe::{Avoided, Probe, ProbeBatch, Report, Reports, Sentinels};
use crate::model::quoted::harmless;
use crate::model::secret::{SecretUse, Unbound};
use crate::proto::internal;

pub(super) fn batch_to_wire(batch: &ProbeBatch) -> internal::ProbeBatch {
    internal::ProbeBatch {
        batch: batch.batch,
        reply_to: batch.reply_to.clone(),
        expires_unix_milliseconds: micros(batch.expires) / 1000,
        sent_unix_microseconds: micros(batch.sent_at),
        avoided: batch
            .avoided
            .as_ref()
            .map(|it| it.worker.to_string())
            .unwrap_or_default(),
        passes: batch.avoided.as_ref().map_or(0, |it| it.passes),
        probes: batch
            .probes
            .iter()
            .map(|probe| internal::Probe {
                check_id: probe.check_id.0.as_bytes().to_vec(),
                check_no: probe.check_no.0,
                spec_id: probe.spec_id.0,
                scheduled_unix_microseconds: micros(probe.scheduled_at),
                spec: probe.spec.to_vec(),
                secrets_allowed: probe.secrets.unbound == Unbound::Allowed,
                project: probe.secrets.project.to_string(),
            })
            .collect(),
    }
}

pub(super) fn batch_from_wire(wire: internal::ProbeBatch) -> ProbeBatch {
    ProbeBatch {
        batch: wire.batch,
        reply_to: wire.reply_to,
        sent_at: moment(wire.sent_unix_microseconds),
        expires: moment(wire.expires_unix_milliseconds.saturating_mul(1000)),
        avoided: (!wire.avoided.is_empty()).then(|| Avoided {
            worker: wire.avoided.into(),
            passes: wire.passes,
        }),
        probes: wire
            .probes
            .into_iter()
            .filter_map(|probe| {
                Some(Probe {
                    check_id: CheckId(Uuid::from_slice(&probe.check_id).ok()?),
                    check_no: CheckNo(probe.check_no),
                    spec_id: SpecId(probe.spec_id),
                    scheduled_at: moment(probe.scheduled_unix_microseconds),
                    spec: probe.spec.into(),
                    secrets: SecretUse {
                        project: probe.project.into(),
                        unbound: match probe.secrets_allowed {
                            true => Unbound::Allowed,
                            false => Unbound::Refused,
                        },
                    },
                })
            })
            .collect(),
    }
}

pub(super) fn reports_to_wire(reports: &Reports) -> internal::ProbeResults {
    internal::ProbeResults {
        batch: reports.batch,
        location: reports.location.clone(),
        worker: reports.worker.clone(),
        sentinels: reports.sentinels.map(|said| internal::Sentinels {
            begun_unix_microseconds: micros(said.begun),
            asked: said.asked,
            failed: said.failed,
            trouble_unix_microseconds: said.trouble.map_or(0, micros),
        }),
        results: reports.reports.iter().map(report_to_wire).collect(),
    }
}

fn report_to_wire(report: &Report) -> internal::ProbeResult {
    let seen = &report.observation;
    let number = |n: i16| u32::try_from(n).unwrap_or(0);
    internal::ProbeResult {
        check_no: report.check_no.0,
        spec_id: report.spec_id.0,
        scheduled_unix_microseconds: micros(seen.scheduled_at),
        started_unix_microseconds: micros(seen.started_at),
        outcome: number(seen.outcome.number()),
        error_class: seen.class.map_or(0, |class| number(class.number())),
        status_code: seen.status.into(),
        detail: seen.detail.clone(),
        address: seen.address.clone(),
        dns_microseconds: short(seen.phases.dns),
        connect_microseconds: short(seen.phases.connect),
        tls_microseconds: short(seen.phases.tls),
        write_microseconds: short(seen.phases.write),
        first_byte_microseconds: short(seen.phases.first_byte),
        transfer_microseconds: short(seen.phases.transfer),
        total_microseconds: short(seen.phases.total),
        certificate_not_after_unix: seen
            .certificate_not_after
            .map_or(0, OffsetDateTime::unix_timestamp),
        degraded: seen.degraded,
        reused: seen.reused,
        hops: seen.hops.iter().map(hop_to_wire).collect(),
    }
}

pub(super) fn reports_from_wire(wire: internal::ProbeResults) -> Reports {
    Reports {
        batch: wire.batch,
        // A worker of another version may say more than one line.
        location: harmless(&wire.location).chars().take(100).collect(),
        worker: harmless(&wire.worker).chars().take(100).collect(),
        sentinels: wire.sentinels.map(|said| Sentinels {
            begun: moment(said.begun_unix_microseconds),
            asked: said.asked,
            failed: said.failed,
            trouble: Some(said.trouble_unix_microseconds)
                .filter(|at| *at != 0)
                .map(moment),
        }),
        reports: wire
            .results
            .into_iter()
            .filter_map(report_from_wire)
            .collect(),
    }
}

fn report_from_wire(wire: internal::ProbeResult) -> Option<Report> {
    let number = |n: u32| i16::try_from(n).ok();
    Some(Report {
        check_no: CheckNo(wire.check_no),
        spec_id: SpecId(wire.spec_id),
        observation: Observation {
            scheduled_at: moment(wire.scheduled_unix_microseconds),
            started_at: moment(wire.started_unix_microseconds),
            outcome: Outcome::from_number(number(wire.outcome)?)?,
            degraded: wire.degraded,
            class: number(wire.error_class).and_then(ErrorClass::from_number),
            status: u16::try_from(wire.status_code).unwrap_or(0),
            // A worker of another version may say more than one line.
            detail: harmless(&wire.detail).chars().take(300).collect(),
            address: harmless(&wire.address).chars().take(64).collect(),
            phases: Phases {
                dns: long(wire.dns_microseconds),
                connect: long(wire.connect_microseconds),
                tls: long(wire.tls_microseconds),
                write: long(wire.write_microseconds),
                first_byte: long(wire.first_byte_microseconds),
                transfer: long(wire.transfer_microseconds),
                total: long(wire.total_microseconds),
            },
            certificate_not_after: end_of(wire.certificate_not_after_unix),
            reused: wire.reused,
            hops: wire
                .hops
                .into_iter()
                .take(Hop::MOST)
                .map(hop_from_wire)
                .collect(),
        },
    })
}

fn hop_to_wire(hop: &Hop) -> internal::ProbeHop {
    internal::ProbeHop {
        url: hop.url.clone(),
        status_code: hop.status.into(),
        address: hop.address.clone(),
        dns_microseconds: short(hop.phases.dns),
        connect_microseconds: short(hop.phases.connect),
        tls_microseconds: short(hop.phases.tls),
        write_microseconds: short(hop.phases.write),
        first_byte_microseconds: short(hop.phases.first_byte),
        transfer_microseconds: short(hop.phases.transfer),
        total_microseconds: short(hop.phases.total),
        certificate_not_after_unix: hop
            .certificate_not_after
            .map_or(0, OffsetDateTime::unix_timestamp),
        reused: hop.reused,
    }
}

fn hop_from_wire(wire: internal::ProbeHop) -> Hop {
    let mut url = harmless(&wire.url);
    url.truncate(url.floor_char_boundary(Hop::MAX_URL));
    Hop {
        url,
        status: u16::try_from(wire.status_code).unwrap_or(0),
        address: harmless(&wire.address).chars().take(64).collect(),
        phases: Phases {
            dns: long(wire.dns_microseconds),
            connect: long(wire.connect_microseconds),
            tls: long(wire.tls_microseconds),
            write: long(wire.write_microseconds),
            first_byte: long(wire.first_byte_microseconds),
            transfer: long(wire.transfer_microseconds),
            total: long(wire.total_microseconds),
        },
        certificate_not_after: end_of(wire.certificate_not_after_unix),
        reused: wire.reused,
    }
}

/// The end of a certificate; 0 is none.
fn end_of(seconds: i64) -> Option<OffsetDateTime> {
    let end = OffsetDateTime::from_unix_timestamp(seconds);
    end.ok().filter(|_| seconds != 0)
}

fn long(microseconds: u32) -> Duration {
    Duration::from_micros(microseconds.into())
}

fn short(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

/// Microseconds since 1970; what is out of range is 1970.
fn moment(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn hop(url: &str, status: u16) -> Hop {
        Hop {
            url: url.to_owned(),
            status,
            address: "127.0.0.1:1".into(),
            phases: Phases {
                dns: Duration::from_micros(1),
                connect: Duration::from_micros(2),
                tls: Duration::from_micros(3),
                write: Duration::from_micros(4),
                first_byte: Duration::from_micros(5),
                transfer: Duration::from_micros(6),
                total: Duration::from_micros(21),
            },
            certificate_not_after: Some(datetime!(2027-01-01 00:00 UTC)),
            reused: status == 302,
        }
    }

    #[test]
    fn what_is_sent_arrives() {
        let batch = ProbeBatch {
            batch: 7,
            reply_to: "x".into(),
            sent_at: datetime!(2026-01-01 00:00:00 UTC),
            expires: datetime!(2026-01-01 00:00:02 UTC),
            avoided: Some(Avoided::new("w".into())),
            probes: vec![Probe {
                check_id: CheckId(Uuid::from_u128(5)),
                check_no: CheckNo(3),
                spec_id: SpecId(4),
                scheduled_at: datetime!(2026-01-01 00:00:01.000123 UTC),
                spec: b"spec".as_slice().into(),
                secrets: SecretUse::of(&"shop".into(), true, Some("shop")),
            }],
        };
        assert_eq!(batch_from_wire(batch_to_wire(&batch)), batch);
        let reports = Reports {
            batch: 7,
            location: "default".into(),
            worker: "w".into(),
            sentinels: Some(Sentinels {
                begun: datetime!(2026-01-01 00:00:01.000456 UTC),
                asked: 2,
                failed: 1,
                trouble: Some(datetime!(2026-01-01 00:00:00.5 UTC)),
            }),
            reports: vec![Report {
                check_no: CheckNo(3),
                spec_id: SpecId(4),
                observation: Observation {
                    scheduled_at: datetime!(2026-01-01 00:00:01.000123 UTC),
                    started_at: datetime!(2026-01-01 00:00:01.5 UTC),
                    outcome: Outcome::Error,
                    degraded: true,
                    class: Some(ErrorClass::ConnectRefused),
                    status: 0,
                    detail: "no".into(),
                    address: "127.0.0.1:1".into(),
                    phases: Phases {
                        total: Duration::from_micros(9),
                        ..Phases::default()
                    },
                    certificate_not_after: Some(datetime!(2027-01-01 00:00 UTC)),
                    reused: true,
                    hops: vec![hop("http://a/", 302), hop("https://a/", 0)],
                },
            }],
        };
        assert_eq!(reports_from_wire(reports_to_wire(&reports)), reports);
        let mut strange = reports.clone();
        strange.reports[0].observation.detail = "n\0o\n".into();
        strange.reports[0].observation.hops = vec![hop(&"\n".repeat(1000), 999); 100];
        let arrived = reports_from_wire(reports_to_wire(&strange));
        let observation = &arrived.reports[0].observation;
        assert_eq!(observation.detail, "n\u{fffd}o ");
        assert_eq!(observation.hops.len(), Hop::MOST);
        assert!(observation.hops[0].url.len() <= Hop::MAX_URL);
    }
}
