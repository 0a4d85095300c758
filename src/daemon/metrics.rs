//! `/metrics`: our own health as `lokahi_*`, and each check under the names of
//! blackbox_exporter, so that its dashboards carry over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tracing::{info, warn};

use super::probes::Probes;
use crate::api::{MetricsPage, Trouble};
use crate::bus::Bus;
use crate::canary::CanaryStatus;
use crate::clock;
use crate::delivery::DeliveryTally;
use crate::model::desired::CANARY_PROJECT;
use crate::prober::stats::Stats;
use crate::reconcile::run::ReconcileStatus;
use crate::runtime::counter::{BOUNDS, Buckets};
use crate::runtime::supervisor::Tasks;
use crate::shard::{Board, Silence};
use crate::store::delivery::{DeliveryCounts, delivery_counts};
use crate::store::error::StoreError;
use crate::store::{Store, bounded};

/// How often the outbox is counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Whatever runs in this process and can be counted.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    board: Arc<Board>,
    bus: Bus,
    /// Where its probes are sent to.
    location: String,
    pub(super) prober: Option<Arc<Stats>>,
    pub(super) delivery: Option<Arc<DeliveryTally>>,
    pub(super) reconcile: Option<Arc<ReconcileStatus>>,
    pub(super) canary: Option<Arc<CanaryStatus>>,
}

impl Parts {
    pub(super) fn new(board: Arc<Board>, bus: Bus, location: &str) -> Self {
        Self {
            board,
            bus,
            location: location.to_owned(),
            prober: None,
            delivery: None,
            reconcile: None,
            canary: None,
        }
    }
}

/// What is wrong with the probes of this process: nothing comes back.
pub(super) fn trouble(parts: &Parts) -> Trouble {
    let (board, location) = (Arc::clone(&parts.board), parts.location.clone());
    Arc::new(move || {
        let mut silent: BTreeMap<String, Silence> = BTreeMap::new();
        for (place, silence) in board.silences() {
            let location = place.as_deref().unwrap_or(&location).to_owned();
            // A place by its name and by none, and of each project: whoever looks knows one.
            let known = silent.entry(location).or_insert(Silence {
                unanswered: 0,
                ..silence
            });
            known.since = known.since.min(silence.since);
            known.unanswered += silence.unanswered;
        }
        let say = |(location, silence): (String, Silence)| {
            let Silence { since, unanswered } = silence;
            let seconds = (clock::now() - since).whole_seconds();
            let probes = if unanswered == 1 { "probe" } else { "probes" };
            format!(
                "no report from a health worker at the location {location} for {seconds} s; \
                 {unanswered} {probes} unanswered"
            )
        };
        let said: Vec<String> = silent.into_iter().map(say).collect();
        (!said.is_empty()).then(|| said.join("; "))
    })
}

/// The outbox as it was counted last.
pub(super) type Outbox = Arc<Mutex<DeliveryCounts>>;

/// Counts the outbox from time to time: a scrape must not wait for Postgres.
pub(super) fn watch_outbox(tasks: &Tasks, store: &Store) -> Outbox {
    let outbox = Outbox::default();
    let (shared, store, token) = (Arc::clone(&outbox), store.clone(), tasks.token());
    tasks.spawn("outbox count", async move {
        let mut tick = tokio::time::interval(COUNT_EVERY);
        let mut away = false;
        while token.run_until_cancelled(tick.tick()).await.is_some() {
            match bounded(count(&store)).await {
                Ok(counts) => {
                    *shared.lock().unwrap_or_else(PoisonError::into_inner) = counts;
                    if away {
                        info!("deliveries are counted again");
                    }
                    away = false;
                }
                Err(error) if !away => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "deliveries cannot be counted, so that metrics keep the last count; trying again"
                    );
                    away = true;
                }
                Err(_) => {}
            }
        }
    });
    outbox
}

async fn count(store: &Store) -> Result<DeliveryCounts, StoreError> {
    let mut conn = store.acquire().await?;
    delivery_counts(&mut conn, clock::now()).await
}

/// The page, in the OpenMetrics text format.
pub(super) fn page(parts: Parts, outbox: Outbox) -> MetricsPage {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Probes::new(Arc::clone(&parts.board))));
    registry.register_collector(Box::new(Own { parts, outbox }));
    // What fails is who reads: they went away, or took nothing.
    Arc::new(move |mut out| text::encode(&mut out, &registry))
}

#[derive(Debug)]
struct Own {
    parts: Parts,
    outbox: Outbox,
}

impl Collector for Own {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut page = Page(&mut encoder);
        self.data_path(&mut page)?;
        let outbox = *self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        page.gauge(
            "lokahi_deliveries_pending",
            "Deliveries that wait",
            outbox.pending as f64,
        )?;
        page.gauge(
            "lokahi_deliveries_held",
            "Deliveries that something holds back: muted, for one",
            outbox.held as f64,
        )?;
        page.gauge(
            "lokahi_config_suspect",
            "Generations of which many changed checks failed, so that what they would tell is held",
            outbox.suspect as f64,
        )?;
        page.gauge(
            "lokahi_deliveries_dead",
            "Deliveries that were given up",
            outbox.dead as f64,
        )?;
        page.gauge(
            "lokahi_delivery_oldest_pending_seconds",
            "Age of the oldest delivery that waits",
            outbox.oldest_seconds,
        )?;
        page.gauge(
            "lokahi_receivers_failing",
            "Receivers whose last attempt failed",
            outbox.failing as f64,
        )?;
        if let Some(tally) = &self.parts.delivery {
            page.count(
                "lokahi_attempts_delivered",
                "Attempts that were received",
                tally.delivered.get(),
            )?;
            page.count(
                "lokahi_attempts_failed",
                "Attempts that are followed by another",
                tally.retried.get(),
            )?;
            page.count(
                "lokahi_deliveries_given_up",
                "Attempts after which the delivery is dead",
                tally.dead.get(),
            )?;
            page.count(
                "lokahi_deliveries_superseded",
                "Events that went out within a newer one, or a group",
                tally.superseded.get(),
            )?;
            page.count(
                "lokahi_deliveries_fell_back",
                "Events that went to a fallback, too",
                tally.fell_back.get(),
            )?;
        }
        if let Some(stats) = &self.parts.prober {
            let counts = stats.counts();
            page.gauge(
                "lokahi_prober_in_flight",
                "Probes that are under way",
                counts.in_flight as f64,
            )?;
            page.gauge(
                "lokahi_prober_connections_kept",
                "Connections that wait for the next probes of their checks",
                counts.kept as f64,
            )?;
            page.count(
                "lokahi_prober_started",
                "Probes that were begun",
                counts.started,
            )?;
            page.count(
                "lokahi_prober_expired",
                "Probes that came too late to be begun",
                counts.expired,
            )?;
            page.count(
                "lokahi_prober_unsent",
                "Reports that could not be sent",
                counts.unsent,
            )?;
        }
        self.canary(&mut page)?;
        self.reconciler(&mut page)
    }
}

impl Own {
    fn data_path(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let tally = &self.parts.board.tally;
        let (shards, waiting) = self.parts.board.counts();
        let (mut checks, mut stale) = (0, 0);
        self.parts.board.read(clock::now(), |seen| {
            let counts = seen.check.project.as_ref() != CANARY_PROJECT;
            checks += u32::from(counts);
            stale += u32::from(counts && seen.stale);
        });
        page.gauge("lokahi_checks", "Checks of our shards", f64::from(checks))?;
        page.gauge(
            "lokahi_checks_stale",
            "Checks whose probes have stopped coming",
            f64::from(stale),
        )?;
        page.gauge(
            "lokahi_shards",
            "Shards that are ours, of 64",
            shards as f64,
        )?;
        page.gauge(
            "lokahi_probes_waiting",
            "Probes that were sent and have no report yet",
            waiting as f64,
        )?;
        page.gauge(
            "lokahi_nats_connected",
            "Whether NATS is reached",
            f64::from(u8::from(self.parts.bus.is_connected())),
        )?;
        page.count(
            "lokahi_probes_scheduled",
            "Probes that were due",
            tally.scheduled.get(),
        )?;
        page.count(
            "lokahi_probes_recorded",
            "Probes whose observation is stored",
            tally.recorded.get(),
        )?;
        page.count(
            "lokahi_probes_skipped",
            "Probes that were due and never sent",
            tally.skipped.get(),
        )?;
        page.count(
            "lokahi_probes_lost",
            "Probes that were sent and gave nothing to store",
            tally.lost.get(),
        )?;
        page.count(
            "lokahi_transitions",
            "Changes of state",
            tally.transitions.get(),
        )?;
        page.count(
            "lokahi_deliveries",
            "Deliveries that transitions owe",
            tally.deliveries.get(),
        )?;
        page.count(
            "lokahi_flushes",
            "Transactions of the recorder",
            tally.flushes.get(),
        )?;
        page.count(
            "lokahi_flush_failures",
            "Transactions of the recorder that failed",
            tally.flush_failures.get(),
        )?;
        page.count(
            "lokahi_probes_withheld",
            "Failures that were not believed, since their worker is cut off, most likely",
            self.parts.board.withheld.probes.get(),
        )?;
        let impaired = self.parts.board.withheld.impaired().into_iter();
        let impaired = impaired.map(|(worker, location)| {
            let (worker, location) = (worker.to_string(), location.to_string());
            (vec![("worker", worker), ("location", location)], 1.0)
        });
        page.family(
            "lokahi_worker_impaired",
            "A health worker that is cut off, most likely: what fails there is not believed",
            impaired,
        )?;
        page.histogram(
            "lokahi_lateness_seconds",
            "Started minus scheduled",
            &tally.lateness,
        )
    }

    fn canary(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let Some(status) = &self.parts.canary else {
            return Ok(());
        };
        page.gauge(
            "lokahi_canary_heard",
            "Whether what the canary did last arrived at its receiver",
            f64::from(u8::from(status.is_well())),
        )?;
        page.histogram(
            "lokahi_canary_latency_seconds",
            "From the first probe that saw the canary change to its event at the receiver",
            &status.latency,
        )?;
        page.count(
            "lokahi_heartbeats",
            "Heartbeats that arrived",
            status.heartbeats.get(),
        )?;
        page.count(
            "lokahi_heartbeats_failed",
            "Heartbeats that did not",
            status.heartbeats_failed.get(),
        )
    }

    fn reconciler(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let Some(status) = &self.parts.reconcile else {
            return Ok(());
        };
        let flag = |on: bool| f64::from(u8::from(on));
        page.gauge(
            "lokahi_reconcile_ready",
            "Whether the checks are what the folder says",
            flag(status.ready.load(Ordering::Relaxed)),
        )?;
        page.gauge(
            "lokahi_reconcile_held",
            "Whether a delete waits to be seen again",
            flag(status.held.load(Ordering::Relaxed)),
        )?;
        page.gauge(
            "lokahi_reconcile_generation",
            "The project's generation",
            status.generation.load(Ordering::Relaxed) as f64,
        )?;
        page.count(
            "lokahi_reconcile_rounds",
            "Times the folder was read",
            status.rounds.get(),
        )?;
        page.count(
            "lokahi_reconcile_failures",
            "Times that failed",
            status.failures.get(),
        )?;
        let projects = status.projects();
        if projects.is_empty() {
            return Ok(());
        }
        let generations = projects.iter().map(|(project, standing)| {
            let labels = vec![("project", project.clone())];
            (labels, standing.generation as f64)
        });
        page.family(
            "lokahi_project_generation",
            "The generation of a project that is reconciled here",
            generations,
        )?;
        let conditions = projects.iter().flat_map(|(project, standing)| {
            standing.conditions.iter().map(move |(aspect, holds)| {
                let kind = aspect.name().to_owned();
                (
                    vec![("project", project.clone()), ("type", kind)],
                    flag(*holds),
                )
            })
        });
        page.family(
            "lokahi_project_condition",
            "Whether a condition of a project that is reconciled here holds",
            conditions,
        )
    }
}

/// A page that is being written.
struct Page<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Page<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn family(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (Vec<(&'static str, String)>, f64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            let family = metric.encode_family(&labels)?;
            ConstGauge::new(value).encode(family)?;
        }
        Ok(())
    }

    /// The name without `_total`: the format adds it.
    fn count(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: &Buckets) -> fmt::Result {
        let counts = buckets.counts();
        let bounds = BOUNDS
            .iter()
            .map(|milliseconds| *milliseconds as f64 / 1000.0);
        let rows: Vec<(f64, u64)> = bounds
            .chain([f64::INFINITY])
            .zip(counts.iter().copied())
            .collect();
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        let total = counts.iter().sum();
        metric.encode_histogram::<[(String, String); 0]>(buckets.sum_seconds(), total, &rows, None)
    }
}
