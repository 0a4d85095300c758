//! One attempt: posts, judges, and writes down how it went.

use tracing::{debug, info, warn};
use uuid::Uuid;

use super::body;
use super::verdict::{Ended, judge};
use crate::backoff;
use crate::clock;
use crate::egress::cut;
use crate::egress::veil::Veil;
use crate::egress::webhook::{Posted, WebhookClient};
use crate::files::secrets::Secrets;
use crate::model::webhook::ReceiverUrl;
use crate::runtime::chain::chain;
use crate::store::delivery::{Attempted, Claimed, Verdict, delivery_finish};
use crate::store::error::StoreError;
use crate::store::{Connection, Store, bounded};

/// How long the end of an attempt is tried to be written down. After that the
/// lease runs out and the delivery is repeated, under the same id.
const WRITE_TRIES: u32 = 8;

/// What goes out, and what it needs for that.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    pub(super) client: WebhookClient,
    pub(super) secrets: Secrets,
}

impl Outbound {
    /// One attempt. Of a URL that is a secret nothing comes back.
    async fn post(&self, claimed: &Claimed, sent: Vec<u8>) -> Posted {
        let headers = body::headers(claimed, clock::now());
        match claimed.url.parse::<ReceiverUrl>() {
            Ok(ReceiverUrl::Url(url)) => self.client.post(&url, &headers, sent).await,
            Ok(ReceiverUrl::Secret(name)) => {
                match self.secrets.resolve_url(&name, &claimed.secrets) {
                    Ok(url) => {
                        let posted = self.client.post(&url, &headers, sent).await;
                        covered(posted, &Veil::over_url(&url.parse()))
                    }
                    Err(error) => unusable(chain(&error)),
                }
            }
            Err(error) => unusable(error.to_string()),
        }
    }
}

fn covered(posted: Posted, veil: &Veil) -> Posted {
    // A cover may be longer than what it covers.
    let length = posted.excerpt.len();
    Posted {
        error: posted.error.map(|error| veil.cover(error)),
        excerpt: cut(veil.cover(posted.excerpt), length),
        ..posted
    }
}

fn unusable(error: String) -> Posted {
    Posted {
        error: Some(error),
        ..Posted::default()
    }
}

/// Sends one claimed delivery; returns what became of it.
pub(super) async fn send(
    store: &Store,
    out: &Outbound,
    worker: Uuid,
    claimed: &Claimed,
    sent: Vec<u8>,
) -> Verdict {
    let posted = out.post(claimed, sent).await;
    let retry_after = posted.retry_after;
    let attempted = Attempted {
        status: posted.status,
        error: posted.error,
        excerpt: posted.excerpt,
        took: posted.took,
    };
    let ended = Ended {
        status: attempted.status,
        retry_after,
        attempt: claimed.attempt.unsigned_abs(),
        first_at: claimed.first_attempt_at,
        now: clock::now(),
    };
    let verdict = judge(&ended, jitter(claimed));
    tell(claimed, &attempted, &verdict);
    let mut failure = String::new();
    for n in 0..WRITE_TRIES {
        match bounded(finish(store, worker, claimed, &attempted, &verdict)).await {
            Ok(()) => return verdict,
            Err(error) => {
                failure = chain(&error);
                debug!("an attempt is not written down yet: {failure}");
                tokio::time::sleep(backoff::reconnect(n, 0.5)).await;
            }
        }
    }
    warn!(
        delivery = %claimed.id,
        "an attempt could not be written down and will be repeated: {failure}"
    );
    verdict
}

async fn finish(
    store: &Store,
    worker: Uuid,
    claimed: &Claimed,
    attempted: &Attempted,
    verdict: &Verdict,
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let conn: &mut Connection = &mut tx;
    delivery_finish(conn, worker, claimed, attempted, verdict, clock::now()).await?;
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit an attempt",
        source,
    })
}

/// Spread by the delivery's own id: nothing else has to be random about it.
fn jitter(claimed: &Claimed) -> f64 {
    let bits = claimed.id.0.as_u128() as u32 ^ claimed.attempt.unsigned_abs().rotate_left(16);
    f64::from(bits) / f64::from(u32::MAX)
}

fn tell(claimed: &Claimed, attempted: &Attempted, verdict: &Verdict) {
    let answer = match (&attempted.error, attempted.status) {
        (Some(error), _) => error.clone(),
        (None, Some(status)) => format!("it answered {status}"),
        (None, None) => "no answer".to_owned(),
    };
    let (event, attempt) = (claimed.event, claimed.attempt);
    let of = match claimed.subject.as_str() {
        // What a project tells is of no check.
        "" => String::new(),
        subject => format!(" of {subject}"),
    };
    let what = format!("{}{of} to {}", claimed.kind, claimed.receiver_name);
    match verdict {
        Verdict::Delivered => info!(%event, attempt, took = ?attempted.took, "delivered {what}"),
        Verdict::RetryAt(at) => {
            let seconds = (*at - clock::now()).whole_seconds().max(0);
            warn!(%event, attempt, "not delivered yet: {what}: {answer}; again in {seconds} s");
        }
        Verdict::Dead(reason) => {
            warn!(%event, attempt, "given up: {what}: {answer}; {reason}");
        }
    }
}
