//! NATS, and the only door to it.
//!
//! What goes over the bus is a hint or a repeatable job, never the truth:
//! whatever is lost here is found again in the store. The client queues what
//! is published while it is disconnected and sends it late, so nothing is
//! published then, and what could not be sent is the caller's to count.

mod convert;
mod message;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt as _;
use percent_encoding::percent_decode;
use prost::Message as _;
use tracing::{debug, info, warn};
use uuid::Uuid;

pub use self::message::{Feed, SingleRequest, woken};
use crate::model::id::EventId;
use crate::model::probe::{ProbeBatch, Reports};
use crate::proto::{admin, internal};

/// A single probe as the original asks for it: request and reply.
const SINGLE: &str = "check.run";
/// Batches of probes, one subject for each location.
const BATCHES: &str = "check.run.v2";
/// Deliveries wait.
const EGRESS: &str = "webhook.egress";
/// A check went to ERROR: for whoever listens.
const ERRORS: &str = "check.errors";
/// Checks were written: schedulers look at the change feed.
const CHANGED: &str = "check.changed";
const RECONCILE: &str = "reconcile.look";
/// The workers share what is published.
const WORKERS: &str = "healthworker";
const WEBHOOK_WORKERS: &str = "webhookworker";

/// How to reach NATS.
#[derive(Clone, Debug)]
pub struct BusSettings {
    /// `nats://[user:password@|token@]host:port`, several with commas; `tls://` too.
    pub url: String,
    /// A credentials file (JWT and nkey).
    pub credentials: Option<std::path::PathBuf>,
    /// Shown in the server's list of connections.
    pub name: String,
}

/// Why something could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The setting names no servers.
    #[error("NATS_URL is not a NATS URL")]
    Url(#[source] std::io::Error),
    /// The credentials file cannot be used.
    #[error("the NATS credentials {path} cannot be read")]
    Credentials {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The client could not be made.
    #[error("could not connect to NATS")]
    Connect(#[source] async_nats::ConnectError),
    /// There is no connection at this moment.
    #[error("NATS is not connected")]
    Disconnected,
    /// The client refused to send.
    #[error("could not publish")]
    Publish(#[source] async_nats::PublishError),
    /// The client refused to subscribe.
    #[error("could not subscribe to {0}")]
    Subscribe(&'static str, #[source] async_nats::SubscribeError),
    /// Nobody answered.
    #[error("no health worker answered within {0:?}")]
    NoAnswer(Duration),
    /// What came is not what was expected.
    #[error("a message could not be read")]
    Decode(#[source] prost::DecodeError),
}

/// A connection to NATS that comes back by itself. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
}

impl Bus {
    /// Begins to connect and returns at once: NATS may come later.
    pub async fn connect(settings: &BusSettings) -> Result<Self, BusError> {
        let servers = settings
            .url
            .split(',')
            .map(|url| url.trim().parse::<async_nats::ServerAddr>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(BusError::Url)?;
        let mut options = ConnectOptions::new()
            .name(&settings.name)
            .retry_on_initial_connect()
            .connection_timeout(Duration::from_secs(5))
            // Three unanswered ones are a server that hangs.
            .ping_interval(Duration::from_secs(2))
            .reconnect_delay_callback(|attempt| {
                let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
                crate::backoff::reconnect(attempt, 0.5).min(Duration::from_secs(2))
            })
            // Bounded on both sides: a queue that grows is lateness that grows.
            .client_capacity(4096)
            .subscription_capacity(16 * 1024)
            .event_callback(words(hosts(&servers)));
        options = with_url_credentials(options, &servers);
        if let Some(path) = &settings.credentials {
            let unreadable = |source| BusError::Credentials {
                path: path.clone(),
                source,
            };
            let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
            options = options.credentials(&text).map_err(unreadable)?;
        }
        let client = options.connect(servers).await.map_err(BusError::Connect)?;
        Ok(Self { client })
    }

    /// Whether NATS is reached at this moment.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    async fn publish(&self, subject: String, bytes: Vec<u8>) -> Result<(), BusError> {
        if !self.is_connected() {
            return Err(BusError::Disconnected);
        }
        self.client
            .publish(subject, bytes.into())
            .await
            .map_err(BusError::Publish)
    }

    /// Sends a batch to one of the workers of a location, at most once.
    pub async fn probe_publish(&self, location: &str, batch: &ProbeBatch) -> Result<(), BusError> {
        let bytes = convert::batch_to_wire(batch).encode_to_vec();
        self.publish(format!("{BATCHES}.{location}"), bytes).await
    }

    /// The batches of a location, shared with its other workers.
    pub async fn probe_subscribe(&self, location: &str) -> Result<Feed<ProbeBatch>, BusError> {
        let messages = self
            .client
            .queue_subscribe(format!("{BATCHES}.{location}"), WORKERS.to_owned())
            .await
            .map_err(|error| BusError::Subscribe(BATCHES, error))?;
        Ok(Feed::new(messages, |bytes| {
            let wire = internal::ProbeBatch::decode(bytes).map_err(BusError::Decode)?;
            Ok(convert::batch_from_wire(wire))
        }))
    }

    /// Probes beside the schedule: sends a batch and collects its reports until
    /// all are there or the time is over; what is missing then did not come.
    pub async fn probe_now(
        &self,
        location: &str,
        batch: ProbeBatch,
        within: Duration,
    ) -> Result<Vec<Reports>, BusError> {
        let inbox = self.client.new_inbox();
        let mut feed = self.report_subscribe(&inbox).await?;
        let expected = batch.probes.len();
        self.probe_publish(
            location,
            &ProbeBatch {
                reply_to: inbox,
                ..batch
            },
        )
        .await?;
        let mut reports = Vec::new();
        let collect = async {
            let mut received = 0;
            while received < expected
                && let Some(part) = feed.next().await
            {
                received += part.reports.len();
                reports.push(part);
            }
        };
        if tokio::time::timeout(within, collect).await.is_err() && reports.is_empty() {
            return Err(BusError::NoAnswer(within));
        }
        Ok(reports)
    }

    /// Sends reports to whoever asked.
    pub async fn report_publish(&self, to: &str, reports: &Reports) -> Result<(), BusError> {
        self.publish(
            to.to_owned(),
            convert::reports_to_wire(reports).encode_to_vec(),
        )
        .await
    }

    /// A subject for the reports of this process: nobody else gets them, and an
    /// earlier life's are not confused with ours.
    pub fn report_subject() -> String {
        format!("check.result.{}", Uuid::now_v7().simple())
    }

    /// The reports that come on a subject.
    pub async fn report_subscribe(&self, subject: &str) -> Result<Feed<Reports>, BusError> {
        let messages = self
            .client
            .subscribe(subject.to_owned())
            .await
            .map_err(|error| BusError::Subscribe("check.result", error))?;
        Ok(Feed::new(messages, |bytes| {
            let wire = internal::ProbeResults::decode(bytes).map_err(BusError::Decode)?;
            Ok(convert::reports_from_wire(wire))
        }))
    }

    /// Single probes in the original's form: a `Check`, answered with a `Health`.
    pub async fn single_subscribe(&self) -> Result<Feed<SingleRequest>, BusError> {
        let messages = self
            .client
            .queue_subscribe(SINGLE, WORKERS.to_owned())
            .await
            .map_err(|error| BusError::Subscribe(SINGLE, error))?;
        Ok(Feed::with_reply(messages, |bytes, reply_to| {
            let check = crate::proto::lokahi::Check::decode(bytes).map_err(BusError::Decode)?;
            Ok(SingleRequest { check, reply_to })
        }))
    }

    /// Answers a single probe.
    pub async fn single_answer(
        &self,
        request: &SingleRequest,
        health: &admin::Health,
    ) -> Result<(), BusError> {
        match &request.reply_to {
            Some(subject) => self.publish(subject.clone(), health.encode_to_vec()).await,
            None => Ok(()),
        }
    }

    /// Wakes a webhook worker.
    pub async fn hint_publish(&self, events: &[EventId]) -> Result<(), BusError> {
        let event_ids = events
            .iter()
            .take(1000)
            .map(|id| id.0.as_bytes().to_vec())
            .collect();
        self.publish(
            EGRESS.to_owned(),
            internal::DeliveryHint { event_ids }.encode_to_vec(),
        )
        .await
    }

    /// Hints that deliveries wait, shared with the other webhook workers.
    pub async fn hint_subscribe(&self) -> Result<Feed<()>, BusError> {
        let messages = self
            .client
            .queue_subscribe(EGRESS, WEBHOOK_WORKERS.to_owned())
            .await
            .map_err(|error| BusError::Subscribe(EGRESS, error))?;
        Ok(Feed::new(messages, |_| Ok(())))
    }

    /// Tells listeners of a transition to ERROR: the encoded event.
    pub async fn error_publish(&self, event: &[u8]) -> Result<(), BusError> {
        self.publish(ERRORS.to_owned(), event.to_vec()).await
    }

    /// Tells schedulers to look at the change feed now.
    pub async fn changed_publish(&self) -> Result<(), BusError> {
        self.publish(CHANGED.to_owned(), Vec::new()).await
    }

    /// Hints that the change feed has news; every scheduler gets them.
    pub async fn changed_subscribe(&self) -> Result<Feed<()>, BusError> {
        let messages = self
            .client
            .subscribe(CHANGED)
            .await
            .map_err(|error| BusError::Subscribe(CHANGED, error))?;
        Ok(Feed::new(messages, |_| Ok(())))
    }

    /// Asks reconcilers to look now.
    pub async fn reconcile_publish(&self) -> Result<(), BusError> {
        self.publish(RECONCILE.to_owned(), Vec::new()).await
    }

    /// Somebody wants reconcilers to look; every one gets them.
    pub async fn reconcile_subscribe(&self) -> Result<Feed<()>, BusError> {
        let messages = self
            .client
            .subscribe(RECONCILE)
            .await
            .map_err(|error| BusError::Subscribe(RECONCILE, error))?;
        Ok(Feed::new(messages, |_| Ok(())))
    }

    /// Sends what is still in the client's buffer, for an orderly end.
    pub async fn flush(&self) {
        if !self.is_connected() {
            return;
        }
        let flushed = tokio::time::timeout(Duration::from_secs(2), self.client.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            warn!("what was left to send over NATS was not sent");
        }
    }
}

/// The next message, for the feeds of this door.
async fn next(messages: &mut async_nats::Subscriber) -> Option<async_nats::Message> {
    messages.next().await
}

/// The client leaves what stands in front of the `@` to us: a token, or a user
/// and a password. The first server's are used for all.
fn with_url_credentials(
    options: ConnectOptions,
    servers: &[async_nats::ServerAddr],
) -> ConnectOptions {
    let decode = |text: &str| {
        percent_decode(text.as_bytes())
            .decode_utf8_lossy()
            .into_owned()
    };
    let named = servers
        .iter()
        .find_map(|server| Some((server.username()?, server.password())));
    match named {
        Some((user, Some(password))) => options.user_and_password(decode(user), decode(password)),
        Some((token, None)) => options.token(decode(token)),
        None => options,
    }
}

/// The servers without their credentials, for people.
fn hosts(servers: &[async_nats::ServerAddr]) -> String {
    let host = |server: &async_nats::ServerAddr| format!("{}:{}", server.host(), server.port());
    servers.iter().map(host).collect::<Vec<_>>().join(", ")
}

/// Says what becomes of the connection; the same failure only once in a row.
fn words(at: String) -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync + 'static {
    let last = Mutex::new(String::new());
    move |event| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let text = event.to_string();
        match event {
            Event::Connected => info!("NATS is connected, at {at}"),
            Event::Disconnected => warn!("NATS is disconnected, at {at}; trying again"),
            Event::SlowConsumer(_) => warn!("messages from NATS were dropped: too slow"),
            // We have closed it ourselves.
            Event::Closed => debug!("NATS is closed"),
            _ if *last == text => {}
            _ => warn!("NATS at {at}: {text}"),
        }
        *last = text;
        std::future::ready(())
    }
}
