//! One attempt: posts, and judges.

use std::sync::Arc;

use super::alert;
use super::log::Log;
use super::request::Outgoing;
use super::verdict::{Ended, judge, slowed_until};
use crate::clock;
use crate::egress::cut;
use crate::egress::veil::Veil;
use crate::egress::webhook::{Posted, WebhookClient};
use crate::files::secrets::Secrets;
use crate::model::webhook::{ReceiverUrl, WebhookFormat, WebhookSpec, redirected};
use crate::runtime::chain::chain;
use crate::store::delivery::{Attempted, Claimed, Verdict};

/// What goes out, and what it needs for that.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    pub(super) client: WebhookClient,
    pub(super) secrets: Secrets,
    pub(super) log: Arc<Log>,
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
                let mut posted = self.client.post(&url, &headers, sent, timeout).await;
                // Of a URL that is a secret nothing is said, nor of where it leads.
                if let (ReceiverUrl::Url(_), Some(status), Some(origin)) =
                    (&webhook.url, posted.status, &posted.redirect)
                {
                    posted.error = Some(redirected(status, origin));
                }
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
    let ended = Ended::of(claimed, &posted, clock::now());
    let verdict = judge(&ended, jitter(claimed));
    let again = verdict == Verdict::Delivered && kept_alive;
    let attempted = Attempted {
        again_at: again.then(|| ended.now + alert::AGAIN),
        frozen,
        ..attempted(claimed, posted, &ended, verdict)
    };
    out.log.attempt(claimed, &attempted);
    attempted
}

/// Posts something again that was delivered. One that fails is tried again when it is due again:
/// three may fail before an alert ends.
pub(super) async fn send_again(
    out: &Outbound,
    claimed: &Claimed,
    webhook: &WebhookSpec,
    sent: Vec<u8>,
) -> Attempted {
    let posted = out.post_to(claimed, webhook, sent).await;
    let ended = Ended::of(claimed, &posted, clock::now());
    let verdict = match posted.status {
        Some(200..=299) => Verdict::Delivered,
        _ => Verdict::RetryAt(ended.now + alert::AGAIN),
    };
    let attempted = attempted(claimed, posted, &ended, verdict);
    out.log.again(claimed, &attempted);
    attempted
}

fn attempted(claimed: &Claimed, posted: Posted, ended: &Ended, verdict: Verdict) -> Attempted {
    Attempted {
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
        ended_at: ended.now,
        slowed_until: slowed_until(ended),
        again_at: None,
        frozen: true,
        verdict,
    }
}

/// Spread by the delivery's own id: nothing else has to be random about it.
fn jitter(claimed: &Claimed) -> f64 {
    let bits = claimed.id.0.as_u128() as u32 ^ claimed.attempt.unsigned_abs().rotate_left(16);
    f64::from(bits) / f64::from(u32::MAX)
}
