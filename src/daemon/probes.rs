//! Each check's newest probe, under the names and labels of blackbox_exporter:
//! `instance` is the URL. Set `honor_labels: true` where this is scraped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::clock;
use crate::model::desired::CANARY_PROJECT;
use crate::model::observation::{Observation, Outcome};
use crate::shard::Board;

/// The check's own labels are left to those who join them: a label of every
/// check would be a label of every series.
type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
pub(super) struct Probes {
    board: Arc<Board>,
}

struct Row {
    labels: Labels,
    seen: Observation,
}

impl Probes {
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self { board }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.board.read(clock::now(), |seen| {
            // Where nobody looks nothing is known: the series end, as they do
            // when blackbox_exporter itself is gone. A canary goes down on purpose.
            let is_shown = !seen.stale && seen.check.project.as_ref() != CANARY_PROJECT;
            let Some(last) = seen.last.filter(|_| is_shown) else {
                return;
            };
            let labels = vec![
                ("instance", seen.url.to_string()),
                ("project", seen.check.project.to_string()),
                ("check", seen.check.address.clone()),
                ("location", last.location.to_string()),
            ];
            rows.push(Row {
                labels,
                seen: last.observation.clone(),
            });
        });
        rows.sort_by(|a, b| a.labels.cmp(&b.labels));
        rows
    }
}

type Value = fn(&Observation) -> Option<f64>;

/// Name, help, and where the value comes from.
const GAUGES: [(&str, &str, Value); 5] = [
    (
        "probe_success",
        "Whether the newest probe was a success",
        |seen| {
            (seen.outcome != Outcome::Unknown)
                .then(|| f64::from(u8::from(seen.outcome == Outcome::Up)))
        },
    ),
    (
        "probe_duration_seconds",
        "How long the newest probe took",
        |seen| Some(seen.phases.total.as_secs_f64()),
    ),
    (
        "probe_dns_lookup_time_seconds",
        "How long its name lookup took",
        |seen| Some(seen.phases.dns.as_secs_f64()),
    ),
    (
        "probe_http_status_code",
        "Its status code, 0 without an answer",
        |seen| Some(f64::from(seen.status)),
    ),
    (
        "probe_ssl_earliest_cert_expiry",
        "When the first of the certificates that were shown expires, in seconds since 1970",
        |seen| {
            seen.certificate_not_after
                .map(|at| at.unix_timestamp() as f64)
        },
    ),
];

type Phase = fn(&Observation) -> Duration;

/// blackbox_exporter's names of the phases.
const PHASES: [(&str, Phase); 5] = [
    ("resolve", |seen| seen.phases.dns),
    ("connect", |seen| seen.phases.connect),
    ("tls", |seen| seen.phases.tls),
    ("processing", |seen| {
        seen.phases.write + seen.phases.first_byte
    }),
    ("transfer", |seen| seen.phases.transfer),
];

impl Collector for Probes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rows = self.rows();
        for (name, help, value) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for row in &rows {
                if let Some(value) = value(&row.seen) {
                    ConstGauge::new(value).encode(metric.encode_family(&row.labels)?)?;
                }
            }
        }
        let name = "probe_http_duration_seconds";
        let help = "How long each phase of the newest probe took";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for row in &rows {
            for (phase, duration) in PHASES {
                let mut labels = row.labels.clone();
                labels.push(("phase", phase.to_owned()));
                let value = ConstGauge::new(duration(&row.seen).as_secs_f64());
                value.encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
