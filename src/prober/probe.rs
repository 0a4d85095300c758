//! One probe, from the name to the verdict, along its redirects, under one deadline.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Sleep;
use tokio_rustls::TlsConnector;
use url::Url;

use super::close::Closing;
use super::connect::connect;
use super::evidence::{Certificate, Evidence};
use super::exchange::{Answer, exchange};
use super::failure::Failure;
use super::judge::MAX_DETAIL;
use super::prepare::{Hop, Prepared};
use super::search::{Reading, Search};
use super::tls;
use crate::clock;
use crate::egress::cut;
use crate::egress::policy::AddressPolicy;
use crate::egress::resolver::Resolver;
use crate::egress::tls::{Trust, TrustError};
use crate::files::secrets::Secrets;
use crate::model::check::CheckSpec;
use crate::model::id::CheckId;
use crate::model::observation::{ErrorClass, Observation, Outcome, Phases};
use crate::model::secret::SecretUse;

/// What all probes of a process share.
#[derive(Clone)]
pub struct ProbeContext {
    pub(super) resolver: Arc<Resolver>,
    pub(super) policy: Arc<AddressPolicy>,
    pub(super) tls: TlsConnector,
    secrets: Arc<Secrets>,
}

impl std::fmt::Debug for ProbeContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProbeContext")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl ProbeContext {
    pub fn new(
        resolver: Arc<Resolver>,
        policy: AddressPolicy,
        trust: &Trust,
    ) -> Result<Self, TrustError> {
        Ok(Self {
            resolver,
            policy: Arc::new(policy),
            tls: TlsConnector::from(tls::client_config(trust)?),
            secrets: Arc::default(),
        })
    }

    /// The same with secrets from elsewhere than the environment alone.
    pub fn with_secrets(self, secrets: Secrets) -> Self {
        Self {
            secrets: Arc::new(secrets),
            ..self
        }
    }
}

/// What is learnt on the way, whether the probe succeeds or not.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) phases: Phases,
    pub(super) address: Option<SocketAddr>,
    pub(super) status: u16,
    not_after: Option<OffsetDateTime>,
    /// What the last hop has shown.
    certificate: Option<Certificate>,
    /// Connections whose answers were read whole.
    pub(super) closing: Closing,
}

impl Trace {
    /// Certificates were shown on this hop, the first of which ends then.
    pub(super) fn certificate_ends(&mut self, ends: Option<OffsetDateTime>) {
        self.not_after = [self.not_after, ends].into_iter().flatten().min();
    }

    /// Certificates were shown on this hop and found good.
    pub(super) fn certificate_shown(&mut self, shown: Option<Certificate>) {
        self.certificate_ends(shown.as_ref().map(|shown| shown.not_after));
        self.certificate = shown;
    }
}

/// Does one probe and closes its connection. See [`begin`] for who has no time for that.
pub async fn probe(
    context: &ProbeContext,
    spec: &CheckSpec,
    id: CheckId,
    scheduled_at: OffsetDateTime,
    secrets: SecretUse,
) -> Observation {
    let prepared = match Prepared::new(spec) {
        Ok(prepared) => prepared,
        Err(failure) => return unable(scheduled_at, &failure),
    };
    let (observation, closing) = begin(context, &prepared, id, scheduled_at, secrets).await;
    closing.finish().await;
    observation
}

/// Does one probe up to the verdict. Its connections are still open: finish them.
pub async fn begin(
    context: &ProbeContext,
    check: &Prepared,
    id: CheckId,
    scheduled_at: OffsetDateTime,
    secrets: SecretUse,
) -> (Observation, Closing) {
    let ready = match check.ready(&context.secrets, secrets) {
        Ok(ready) => ready,
        Err(failure) => return (unable(scheduled_at, &failure), Closing::default()),
    };
    let started_at = clock::now();
    let begun = clock::monotonic();
    let mut deadline = pin!(tokio::time::sleep_until((begun + check.timeout).into()));
    let mut trace = Trace::default();
    let mut reading = Reading {
        search: Search::new(check.asserts.texts()),
        whole: check.asserts.need_body().then(Vec::new),
    };
    let result = follow(
        context,
        check,
        &ready.first,
        id,
        &mut reading,
        &mut trace,
        deadline.as_mut(),
    )
    .await;
    let total = clock::monotonic().duration_since(begun);
    trace.phases.total = total;

    let mut observation = Observation {
        scheduled_at,
        started_at,
        outcome: Outcome::Up,
        class: None,
        status: trace.status,
        detail: String::new(),
        address: trace
            .address
            .map(|address| address.to_string())
            .unwrap_or_default(),
        phases: trace.phases,
        certificate_not_after: trace.not_after,
    };
    let verdict = result.and_then(|(answer, url)| {
        let broken = check.asserts.judge(&Evidence {
            status: answer.status,
            version: answer.version,
            headers: &answer.headers,
            url: &url,
            at: started_at,
            phases: &trace.phases,
            certificate: trace.certificate.as_ref(),
            contained: &reading.search.found,
            body: reading.whole.as_deref().unwrap_or_default(),
            truncated: answer.truncated,
            json: OnceCell::new(),
        })?;
        Ok((broken, answer.truncated))
    });
    let detail = match verdict {
        Err(failure) => {
            observation.outcome = failure.outcome();
            observation.class = Some(failure.class);
            failure.detail
        }
        Ok((Some(broken), _)) => {
            observation.outcome = Outcome::Down;
            broken
        }
        Ok((None, true)) => "only the first 1 MiB of the body was read".to_owned(),
        Ok((None, false)) => String::new(),
    };
    // Covered before it is cut: half of a secret is not found.
    observation.detail = cut(ready.veil.cover(detail), MAX_DETAIL);
    (observation, trace.closing)
}

/// An observation of a probe that could not be made.
pub(super) fn unable(scheduled_at: OffsetDateTime, failure: &Failure) -> Observation {
    Observation {
        scheduled_at,
        started_at: clock::now(),
        outcome: failure.outcome(),
        class: Some(failure.class),
        status: 0,
        detail: cut(failure.detail.clone(), MAX_DETAIL),
        address: String::new(),
        phases: Phases::default(),
        certificate_not_after: None,
    }
}

async fn follow(
    context: &ProbeContext,
    check: &Prepared,
    first: &Hop,
    id: CheckId,
    reading: &mut Reading<'_>,
    trace: &mut Trace,
    mut deadline: Pin<&mut Sleep>,
) -> Result<(Answer, Url), Failure> {
    let mut hops: Vec<Hop> = Vec::new();
    loop {
        let hop = hops.last().unwrap_or(first);
        let answer = ask(context, check, hop, id, reading, trace, deadline.as_mut()).await?;
        let location = answer.location.as_ref();
        let Some(location) = location.filter(|_| check.redirects.followed) else {
            return Ok((answer, hop.url.clone()));
        };
        let next = hop.redirected(answer.status, location)?;
        let mut before = std::iter::once(first).chain(&hops);
        let why = if before.any(|hop| hop.same_request(&next)) {
            "redirects lead in a circle, back to".to_owned()
        } else if hops.len() == usize::from(check.redirects.most) {
            format!("more than {} redirects, the last to", check.redirects.most)
        } else {
            hops.push(next);
            continue;
        };
        let detail = format!("{why} {}", next.url);
        return Err(Failure::new(ErrorClass::TooManyRedirects, detail));
    }
}

async fn ask(
    context: &ProbeContext,
    check: &Prepared,
    hop: &Hop,
    id: CheckId,
    reading: &mut Reading<'_>,
    trace: &mut Trace,
    mut deadline: Pin<&mut Sleep>,
) -> Result<Answer, Failure> {
    trace.certificate = None;
    let stream = connect(context, &check.dial, &hop.url, trace, deadline.as_mut()).await?;
    let request = hop.request(id);
    let answer = if hop.url.scheme() == "https" {
        let handshake = tls::handshake(&context.tls, &hop.url, stream, trace, deadline.as_mut());
        let stream = Box::pin(handshake).await?;
        Box::pin(exchange(stream, request, reading, trace, deadline)).await?
    } else {
        exchange(stream, request, reading, trace, deadline).await?
    };
    if !(100..=599).contains(&answer.status) {
        trace.status = 0;
        let detail = format!("{} is not an HTTP status", answer.status);
        return Err(Failure::new(ErrorClass::Protocol, detail));
    }
    Ok(answer)
}
