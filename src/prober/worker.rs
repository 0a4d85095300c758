//! The worker: takes batches from the bus, begins each probe at once as far as there is
//! room, and sends the reports back. It holds no state: what it does not answer is asked
//! again by whoever keeps the schedule.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::ahead::{Ahead, Waiting};
use super::batch::{Batch, Sender};
use super::close::Closing;
use super::failure::Failure;
use super::gate::{Gate, Wants};
use super::pool::Pool;
use super::prepare::Prepared;
use super::probe::{ProbeContext, begin, unable};
use super::sentinel::{Board, Watch};
use super::spec_cache::SpecCache;
use super::stats::Stats;
use super::{limit, single};
use crate::bus::{Bus, BusError, Feed, SingleRequest};
use crate::clock;
use crate::model::desired::API_PROJECT;
use crate::model::id::CheckId;
use crate::model::observation::{Observation, Outcome};
use crate::model::probe::{ProbeBatch, Report};
use crate::model::secret::SecretUse;
use crate::model::value::HttpUrl;
use crate::runtime::supervisor::Tasks;

/// The most probes that wait for their time; more stay on the bus.
const MAX_WAITING: usize = 100_000;

/// How often kept connections are looked over.
const SWEEP: Duration = Duration::from_secs(5);

/// What a worker is told at its start.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Whose batches it takes.
    pub location: String,
    /// Its name in reports.
    pub name: String,
    /// The most probes in flight; file descriptors may allow fewer.
    pub max_in_flight: usize,
    /// Sites that it asks about its own network.
    pub sentinels: Vec<HttpUrl>,
}

/// Starts a worker's loops, once it is subscribed to its batches. They end with the token,
/// after the probes in flight.
pub async fn start(
    tasks: &Tasks,
    bus: &Bus,
    context: ProbeContext,
    settings: WorkerSettings,
) -> Arc<Stats> {
    let stats = Arc::new(Stats::new(Arc::clone(&context.pool)));
    let (room, kept) = limit::in_flight_and_kept(settings.max_in_flight);
    context.pool.allow(kept);
    info!(location = %settings.location, worker = %settings.name, room, "probing");
    let sentinels = Arc::new(Board::default());
    if !settings.sentinels.is_empty() {
        let watch = Watch::new(context.clone(), &settings.sentinels, Arc::clone(&sentinels));
        match watch {
            Ok(watch) => tasks.spawn("sentinels", watch.run(tasks.token())),
            Err(failure) => warn!(why = failure.detail, "the sentinels cannot be asked"),
        }
    }
    let worker = Arc::new(Worker {
        context,
        gate: Gate::new(room),
        cache: Mutex::default(),
        stats: Arc::clone(&stats),
        sender: Arc::new(Sender {
            bus: bus.clone(),
            stats: Arc::clone(&stats),
            location: settings.location,
            worker: settings.name,
            sentinels,
        }),
    });
    let pool = Arc::clone(&worker.context.pool);
    tasks.spawn("kept connections", sweep(pool, tasks.token()));
    let token = tasks.token();
    let feed = worker.subscribe(&token).await;
    let batches = Arc::clone(&worker).run_batches(feed, token);
    tasks.spawn("probes", batches);
    tasks.spawn("single probes", worker.run_singles(tasks.token()));
    stats
}

#[derive(Debug)]
struct Worker {
    context: ProbeContext,
    /// The places of probes in flight.
    gate: Arc<Gate>,
    cache: Mutex<SpecCache>,
    stats: Arc<Stats>,
    sender: Arc<Sender>,
}

impl Worker {
    async fn subscribe(&self, token: &CancellationToken) -> Option<Feed<ProbeBatch>> {
        let (bus, location) = (&self.sender.bus, &self.sender.location);
        subscribed(token, || bus.probe_subscribe(location)).await
    }

    async fn run_batches(
        self: Arc<Self>,
        mut feed: Option<Feed<ProbeBatch>>,
        token: CancellationToken,
    ) {
        let bus = self.sender.bus.clone();
        let mut probes = JoinSet::new();
        let mut ahead = Ahead::new(clock::monotonic());
        while let Some(mut batches) = feed {
            let mut open = true;
            while open {
                let due = ahead.next();
                tokio::select! {
                    () = token.cancelled() => open = false,
                    batch = batches.next(), if ahead.len() < MAX_WAITING => match batch {
                        Some(batch) => {
                            if let Some(batch) = self.pass_on(batch).await {
                                self.take_batch(batch, &mut ahead);
                            }
                        }
                        None => open = false,
                    },
                    () = until(due) => {}
                }
                self.begin_due(&mut ahead, &mut probes, &token);
            }
            feed = self.subscribe(&token).await;
        }
        // What was sent to us is nobody else's.
        while let Some(due) = ahead.next() {
            until(Some(due)).await;
            self.begin_due(&mut ahead, &mut probes, &token);
        }
        finish(probes).await;
        bus.flush().await;
    }

    async fn run_singles(self: Arc<Self>, token: CancellationToken) {
        let bus = self.sender.bus.clone();
        let mut probes = JoinSet::new();
        while let Some(mut feed) = subscribed(&token, || bus.single_subscribe()).await {
            while let Some(request) = next(&token, &mut feed).await {
                reap(&mut probes);
                probes.spawn(Arc::clone(&self).run_single(request, token.clone()));
            }
        }
        finish(probes).await;
        bus.flush().await;
    }

    /// Sends a batch that is another worker's to look at to all of them again, and gives back
    /// what is ours.
    async fn pass_on(&self, batch: ProbeBatch) -> Option<ProbeBatch> {
        let name = &self.sender.worker;
        let left = batch.avoided.as_ref().and_then(|it| it.passed_by(name));
        let Some(left) = left else { return Some(batch) };
        let passed = ProbeBatch {
            avoided: Some(left),
            ..batch
        };
        let sent = self
            .sender
            .bus
            .probe_publish(&self.sender.location, &passed);
        // If it cannot be sent we look ourselves: that is worth more than nothing.
        sent.await.is_err().then_some(passed)
    }

    /// Puts the probes of a batch where they wait for their time, by the sender's clock.
    fn take_batch(&self, batch: ProbeBatch, ahead: &mut Ahead) {
        let count = batch.probes.len();
        self.stats.received(count);
        let sender = Arc::clone(&self.sender);
        let state = Arc::new(Batch::new(batch.batch, batch.reply_to, count, sender));
        let now = clock::monotonic();
        for probe in batch.probes {
            let after = probe.scheduled_at - batch.sent_at;
            let waiting = Waiting {
                probe,
                batch: Arc::clone(&state),
                expires: batch.expires,
            };
            ahead.add(now, after, waiting);
        }
    }

    /// Begins the probes that are due, each as soon as there is room. What has not begun
    /// when its batch expires is dropped.
    fn begin_due(
        self: &Arc<Self>,
        ahead: &mut Ahead,
        probes: &mut JoinSet<()>,
        token: &CancellationToken,
    ) {
        reap(probes);
        while let Some(due) = ahead.take(clock::monotonic()) {
            for waiting in due {
                probes.spawn(Arc::clone(self).run_probe(waiting, token.clone()));
            }
        }
    }

    async fn run_probe(self: Arc<Self>, waiting: Waiting, token: CancellationToken) {
        let Waiting {
            probe,
            batch,
            expires,
        } = waiting;
        let prepared = self
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&probe.spec);
        let slow = self.gate.is_slow(probe.check_no);
        let wants = Wants::of(prepared.as_deref().ok(), slow);
        // While it waits for others nothing keeps it from being stopped.
        let in_time = clock::now() <= expires;
        let place = match self.gate.try_enter(&wants).filter(|_| in_time) {
            Some(place) => Some(place),
            None => {
                let place = self.gate.enter(wants, Some(expires));
                token.run_until_cancelled(place).await.flatten()
            }
        };
        let Some(place) = place else {
            self.stats.expired(1);
            return batch.forget(1).await;
        };
        let sentinels = &self.sender.sentinels;
        let observing = self.observe(
            prepared.as_deref(),
            probe.check_id,
            probe.scheduled_at,
            &probe.secrets,
        );
        let (observation, closing) = sentinels.watch(observing).await;
        if matches!(observation.outcome, Outcome::Down | Outcome::Error) {
            sentinels.want();
        }
        // The next probe need not wait for this one's goodbye.
        drop(place);
        self.gate.took(probe.check_no, observation.phases.total);
        let report = async {
            // Without a network it would look the same: that is known before it is told.
            if let Some(failed) = observation.cut_off_at() {
                let asked = sentinels.asked_since(failed);
                token.run_until_cancelled(asked).await;
            }
            let report = Report {
                check_no: probe.check_no,
                spec_id: probe.spec_id,
                observation,
            };
            batch.add(report).await;
        };
        tokio::join!(report, closing.finish());
    }

    async fn run_single(self: Arc<Self>, request: SingleRequest, token: CancellationToken) {
        let prepared = single::prepare(&request.check);
        let wants = Wants::of(prepared.as_ref().ok(), false);
        let place = token
            .run_until_cancelled(self.gate.enter(wants, None))
            .await;
        let Some(place) = place.flatten() else { return };
        let id = request
            .check
            .id
            .parse()
            .unwrap_or(CheckId(uuid::Uuid::nil()));
        let (observation, closing) = self
            .observe(
                prepared.as_ref(),
                id,
                clock::now(),
                &SecretUse::bound(API_PROJECT),
            )
            .await;
        drop(place);
        let health = single::health(request.check.url.clone(), &observation);
        let (answered, ()) = tokio::join!(
            self.sender.bus.single_answer(&request, &health),
            closing.finish()
        );
        if answered.is_err() {
            self.stats.unsent(1);
        }
    }

    /// Probes and counts. Whatever happens, there is an observation.
    async fn observe(
        &self,
        prepared: Result<&Prepared, &Failure>,
        id: CheckId,
        scheduled_at: OffsetDateTime,
        secrets: &SecretUse,
    ) -> (Observation, Closing) {
        let late = Duration::try_from(clock::now() - scheduled_at).unwrap_or_default();
        let in_flight = self.stats.start(late);
        let result = match prepared {
            Err(failure) => (unable(scheduled_at, failure), Closing::default()),
            Ok(prepared) => {
                // On the heap: a task is moved some times before it begins.
                let probe = Box::pin(begin(&self.context, prepared, id, scheduled_at, secrets));
                match AssertUnwindSafe(probe).catch_unwind().await {
                    Ok(result) => result,
                    Err(_panic) => {
                        error!(check = %id, "a probe panicked: this is a fault of lokahi");
                        self.stats.panicked();
                        let failure = Failure::internal("the prober met a fault of its own");
                        (unable(scheduled_at, &failure), Closing::default())
                    }
                }
            }
        };
        drop(in_flight);
        self.stats.finish(result.0.outcome);
        result
    }
}

/// Closes kept connections that nobody uses, and all of them at the end.
async fn sweep(pool: Arc<Pool>, token: CancellationToken) {
    let wait = || token.run_until_cancelled(tokio::time::sleep(SWEEP));
    while wait().await.is_some() {
        pool.sweep().await;
    }
    pool.end().await;
}

/// A subscription, asked for until it is granted; `None` when the worker is to stop.
async fn subscribed<T, F>(token: &CancellationToken, subscribe: impl Fn() -> F) -> Option<Feed<T>>
where
    F: Future<Output = Result<Feed<T>, BusError>>,
{
    let mut tries = 0;
    while !token.is_cancelled() {
        match subscribe().await {
            Ok(feed) => return Some(feed),
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot take probes; trying again"
                );
            }
        }
        let wait = crate::backoff::reconnect(tries, 0.5);
        tries += 1;
        token.run_until_cancelled(tokio::time::sleep(wait)).await?;
    }
    None
}

async fn next<T>(token: &CancellationToken, feed: &mut Feed<T>) -> Option<T> {
    token.run_until_cancelled(feed.next()).await.flatten()
}

/// Waits for a moment, or for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Lets go of what has ended. Panics are caught inside.
fn reap(probes: &mut JoinSet<()>) {
    while probes.try_join_next().is_some() {}
}

/// Waits for the probes in flight: each has its own deadline, and the supervisor has one for
/// us.
async fn finish(mut probes: JoinSet<()>) {
    while probes.join_next().await.is_some() {}
}
