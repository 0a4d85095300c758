//! One attempt: posts, and judges.

use tracing::{info, warn};

use super::alert;
use super::request::Outgoing;
use super::verdict::{Ended, judge, slowed_until};
use crate::clock;
use crate::egress::cut;
use crate::egress::veil::Veil;
use crate::egress::webhook::{Posted, WebhookClient};
use crate::files::secrets::Secrets;
use crate::model::webhook::{WebhookFormat, WebhookSpec, answered};
use crate::runtime::chain::chain;
use crate::store::delivery::{Attempted, Claimed, TEST, Verdict};

/// What goes out, and what it needs for that.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    pub(super) client: WebhookClient,
    pub(super) secrets: Secrets,
}

impl Outbound {
    /// One attempt. Of secrets that go out nothing comes back.
    async fn post(&self, claimed: &Claimed, sent: Option<Vec<u8>>) -> Posted {
        let (webhook, sent) = match (&claimed.webhook, sent) {
            (Ok(webhook), Some(sent)) => (webhook, sent),
            (Err(error), _) => return unusable(format!("the receiver's spec: {error}")),
            (Ok(_), None) => return unusable("there is nothing to send".to_owned()),
        };
        self.post_to(claimed, webhook, sent).await
    }

    /// The same once it is known what to send and to whom.
    pub(super) async fn post_to(
        &self,
        claimed: &Claimed,
        webhook: &WebhookSpec,
        sent: Vec<u8>,
    ) -> Posted {
        let sent = match webhook.format {
            WebhookFormat::Alertmanager => alert::timed(&sent, clock::now()),
            WebhookFormat::Protobuf | WebhookFormat::Json => sent,
        };
        match Outgoing::of(claimed, webhook, &sent, &self.secrets, clock::now()) {
            Ok(Outgoing { url, headers, veil }) => {
                let timeout = webhook.timeout.duration();
                let posted = self.client.post(&url, &headers, sent, timeout).await;
                covered(posted, &veil)
            }
            Err(error) => unusable(chain(&error)),
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

/// Makes one attempt, and judges it.
pub(super) async fn send(out: &Outbound, claimed: &Claimed, sent: Option<Vec<u8>>) -> Attempted {
    let format = claimed.webhook.as_ref().ok().map(|it| it.format);
    let kept_alive = format == Some(WebhookFormat::Alertmanager)
        && sent.as_deref().is_some_and(alert::is_kept_alive);
    let frozen = sent.is_some();
    let posted = out.post(claimed, sent).await;
    let now = clock::now();
    let ended = Ended {
        status: posted.status,
        retry_after: posted.retry_after,
        refused: claimed.refused.unsigned_abs(),
        unwelcome_since: claimed.unwelcome_since,
        first_at: claimed.first_attempt_at,
        started_at: now - posted.took,
        now,
        is_test: claimed.kind == TEST,
    };
    let verdict = judge(&ended, jitter(claimed));
    let attempted = Attempted {
        delivery: claimed.id,
        receiver: claimed.receiver,
        check: claimed.check,
        replay: claimed.replay,
        is_test: ended.is_test,
        n: claimed.attempt,
        status: posted.status,
        error: posted.error,
        excerpt: posted.excerpt,
        took: posted.took,
        ended_at: now,
        slowed_until: slowed_until(&ended),
        again_at: (verdict == Verdict::Delivered && kept_alive).then(|| now + alert::AGAIN),
        frozen,
        verdict,
    };
    tell(claimed, &attempted);
    attempted
}

/// Spread by the delivery's own id: nothing else has to be random about it.
fn jitter(claimed: &Claimed) -> f64 {
    let bits = claimed.id.0.as_u128() as u32 ^ claimed.attempt.unsigned_abs().rotate_left(16);
    f64::from(bits) / f64::from(u32::MAX)
}

fn tell(claimed: &Claimed, attempted: &Attempted) {
    let answer = match (&attempted.error, attempted.status) {
        (Some(error), _) => error.clone(),
        (None, Some(status)) => answered(status),
        (None, None) => "no answer".to_owned(),
    };
    let (event, attempt) = (claimed.event, claimed.attempt);
    let of = match claimed.subject.as_str() {
        // What a project tells is of no check.
        "" => String::new(),
        subject => format!(" of {subject}"),
    };
    let with = match (claimed.superseded.len(), claimed.kind.as_str()) {
        (0, _) => String::new(),
        (many, "group") => format!(" of {many} events"),
        (many, _) => format!(" and {many} earlier"),
    };
    let what = format!("{}{of}{with} to {}", claimed.kind, claimed.receiver_name);
    match &attempted.verdict {
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
