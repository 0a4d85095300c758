//! The canary: a site that goes down and comes back on purpose, a check of it, and a receiver that
//! must hear of each time. It goes the way of every check: scheduler, health worker, recorder,
//! outbox, webhook worker. While it is heard somebody elsewhere gets a sign of life, so that one is
//! missed when lokahi itself is dead.

mod heartbeat;
mod rhythm;
mod site;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use self::rhythm::{Rhythm, Step};
use crate::bus::Bus;
use crate::clock;
use crate::egress::webhook::WebhookClient;
use crate::model::check::{CheckSpec, Confirm, Every};
use crate::model::name::Name;
use crate::model::value::{HttpUrl, InvalidValue};
use crate::model::webhook::{WebhookFormat, WebhookSpec};
use crate::runtime::counter::{Buckets, Counter};
use crate::runtime::supervisor::Tasks;
use crate::serve::{canary as pages, server};
use crate::store::canary::{CanaryRow, canary_plant};
use crate::store::error::StoreError;
use crate::store::{Store, Transaction};

/// How often it is looked whether it is time for something.
const TICK: Duration = Duration::from_millis(500);
/// So long after the start nobody is told that it was not heard yet.
const STARTING: Duration = Duration::from_secs(60);
/// How many probes there are between two signs of life, and the longest time between two of them.
const PROBES: u32 = 12;
const LONGEST_EVERY: Duration = Duration::from_secs(5);

/// It could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    #[error("where it listens is unknown")]
    Listener(#[source] std::io::Error),
    #[error("its URL cannot be probed")]
    Url(#[from] InvalidValue),
}

/// What the operator sets.
#[derive(Clone, Debug)]
pub struct CanarySettings {
    /// Of this lokahid, as other lokahids know it: each has its own canary.
    pub instance: String,
    /// Where workers reach it; `None`: at the address where it listens.
    pub url: Option<HttpUrl>,
    /// Where it is probed from.
    pub location: Name,
    /// Who gets the signs of life.
    pub heartbeat: Option<HttpUrl>,
    /// The time between two of them. The site goes down or comes back each half of it.
    pub every: Duration,
}

/// How the canary does, for the metrics.
#[derive(Debug)]
pub struct CanaryStatus {
    /// From the first probe that saw a change to its event at the receiver.
    pub latency: Buckets,
    pub heartbeats: Counter,
    pub heartbeats_failed: Counter,
    rhythm: Mutex<Rhythm>,
}

impl CanaryStatus {
    /// Whether what it did last was heard, not too long ago.
    pub fn is_well(&self) -> bool {
        self.rhythm().is_well(clock::monotonic())
    }

    fn rhythm(&self) -> MutexGuard<'_, Rhythm> {
        self.rhythm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts it; `client` is what heartbeats are sent with.
///
/// Errors: the listener has no address, or `url` is none that a check can have.
pub fn start(
    tasks: &Tasks,
    (store, bus): (&Store, &Bus),
    listener: TcpListener,
    client: WebhookClient,
    settings: CanarySettings,
) -> Result<Arc<CanaryStatus>, CanaryError> {
    let address = listener.local_addr().map_err(CanaryError::Listener)?;
    let path = Uuid::new_v4().simple().to_string();
    let plant = plant(&settings, address, &path)?;
    let status = Arc::new(CanaryStatus {
        latency: Buckets::default(),
        heartbeats: Counter::default(),
        heartbeats_failed: Counter::default(),
        rhythm: Mutex::new(Rhythm::new(settings.every, clock::monotonic())),
    });
    let router = pages::router(&path, site::site(&status), site::receiver(&status));
    tasks.spawn(
        "canary site",
        server::serve(listener, None, router, tasks.token()),
    );
    let flutter = Flutter {
        store: store.clone(),
        bus: bus.clone(),
        plant,
        status: Arc::clone(&status),
    };
    tasks.spawn("canary", flutter.run(tasks.token()));
    if let Some(url) = settings.heartbeat {
        let beat = heartbeat::run(client, url, settings.every, Arc::clone(&status));
        let token = tasks.token();
        tasks.spawn("heartbeat", async move {
            token.run_until_cancelled(beat).await;
        });
    }
    Ok(status)
}

/// Its check and its receiver.
fn plant(
    settings: &CanarySettings,
    address: SocketAddr,
    path: &str,
) -> Result<CanaryRow, InvalidValue> {
    let base = match &settings.url {
        Some(url) => url.to_string(),
        None => format!("http://{address}/"),
    };
    let base = base.trim_end_matches('/');
    let mut check = CheckSpec::new(format!("{base}/{path}/{}", pages::SITE).parse()?);
    let every = (settings.every / PROBES).min(LONGEST_EVERY);
    let every = Every::from_seconds(i64::try_from(every.as_secs().max(1)).unwrap_or(1))?;
    check.every = every;
    check.timeout = every.default_timeout();
    // One answer is enough: it does what it is told.
    check.confirm = Confirm::in_a_row(1, 1, every.duration());
    check.locations = vec![settings.location.clone()];
    let hook: HttpUrl = format!("{base}/{path}/{}", pages::EVENT).parse()?;
    Ok(CanaryRow {
        name: settings.instance.clone(),
        check,
        receiver: WebhookSpec::new(hook.into(), WebhookFormat::Json),
    })
}

/// What makes it flutter.
struct Flutter {
    store: Store,
    bus: Bus,
    plant: CanaryRow,
    status: Arc<CanaryStatus>,
}

impl Flutter {
    async fn run(self, token: CancellationToken) {
        token.run_until_cancelled(self.flutter()).await;
    }

    async fn flutter(self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut planted = false;
        let mut said = false;
        // Others may be starting, too.
        let patient = clock::monotonic() + STARTING;
        loop {
            tick.tick().await;
            if !planted {
                planted = self.plant().await;
            }
            let step = self.status.rhythm().step(clock::monotonic());
            match step {
                Step::Wait | Step::Flip => {}
                Step::Unheard(_) if !self.is_known() && clock::monotonic() < patient => {}
                Step::Unheard(why) => {
                    let url = &self.plant.check.url;
                    warn!("the canary at {url} is not heard, and no heartbeat is sent: {why}");
                    said = true;
                    // Whatever became of its rows: another database, most likely.
                    planted = false;
                }
            }
            if said && self.status.is_well() {
                info!("the canary is heard again");
                said = false;
            }
        }
    }

    /// Whether it was ever heard.
    fn is_known(&self) -> bool {
        self.status.rhythm().was_heard()
    }

    /// Whether its check and its receiver are there now.
    async fn plant(&self) -> bool {
        match self.write().await {
            Ok(is_up) => {
                self.status.rhythm().begin(is_up, clock::monotonic());
                if let Err(error) = self.bus.changed_publish().await {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "no hint to the schedulers");
                }
                true
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "the canary could not be written; trying again"
                );
                tokio::time::sleep(Duration::from_secs(5)).await;
                false
            }
        }
    }

    async fn write(&self) -> Result<bool, StoreError> {
        let mut tx: Transaction = self.store.begin().await?;
        let is_up = canary_plant(&mut tx, &self.plant, clock::now()).await?;
        let done = tx.commit().await;
        done.map_err(|source| StoreError::Query {
            doing: "write the canary",
            source,
        })?;
        Ok(is_up)
    }
}
