//! One probe, from the name to the verdict, along its redirects, under one deadline.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Sleep;
use tokio_rustls::TlsConnector;

use super::close::Closing;
use super::connect::connect;
use super::exchange::{Answer, exchange};
use super::failure::Failure;
use super::judge::{Evidence, MAX_DETAIL, judge};
use super::prepare::{Hop, Prepared};
use super::search::Search;
use super::tls;
use crate::clock;
use crate::egress::cut;
use crate::egress::policy::AddressPolicy;
use crate::egress::resolver::Resolver;
use crate::egress::tls::{Trust, TrustError};
use crate::model::check::CheckSpec;
use crate::model::id::CheckId;
use crate::model::observation::{ErrorClass, Observation, Outcome, Phases};

/// The most redirects that are followed.
pub const MAX_REDIRECTS: usize = 10;

/// What all probes of a process share.
#[derive(Clone)]
pub struct ProbeContext {
    pub(super) resolver: Arc<Resolver>,
    pub(super) policy: Arc<AddressPolicy>,
    pub(super) tls: TlsConnector,
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
        })
    }
}

/// What is learnt on the way, whether the probe succeeds or not.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) phases: Phases,
    pub(super) address: Option<SocketAddr>,
    pub(super) status: u16,
    not_after: Option<OffsetDateTime>,
    /// Connections whose answers were read whole.
    pub(super) closing: Closing,
}

impl Trace {
    /// Certificates were shown on this hop, the first of which ends then.
    pub(super) fn certificate_ends(&mut self, ends: Option<OffsetDateTime>) {
        self.not_after = [self.not_after, ends].into_iter().flatten().min();
    }
}

/// Does one probe and closes its connection. See [`begin`] for who has no time for that.
pub async fn probe(
    context: &ProbeContext,
    spec: &CheckSpec,
    id: CheckId,
    scheduled_at: OffsetDateTime,
) -> Observation {
    let prepared = match Prepared::new(spec) {
        Ok(prepared) => prepared,
        Err(failure) => return unable(scheduled_at, &failure),
    };
    let (observation, closing) = begin(context, &prepared, id, scheduled_at).await;
    closing.finish().await;
    observation
}

/// Does one probe up to the verdict. Its connections are still open: finish them.
pub async fn begin(
    context: &ProbeContext,
    check: &Prepared,
    id: CheckId,
    scheduled_at: OffsetDateTime,
) -> (Observation, Closing) {
    let started_at = clock::now();
    let begun = clock::monotonic();
    let mut deadline = pin!(tokio::time::sleep_until((begun + check.timeout).into()));
    let mut trace = Trace::default();
    let mut search = Search::new(check.texts());
    let result = follow(
        context,
        check,
        id,
        &mut search,
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
    match result {
        Err(failure) => {
            observation.outcome = failure.outcome();
            observation.class = Some(failure.class);
            observation.detail = cut(failure.detail, MAX_DETAIL);
        }
        Ok(answer) => {
            let evidence = Evidence {
                status: answer.status,
                latency: total,
                contained: &search.found,
                truncated: answer.truncated,
            };
            if let Some(broken) = judge(&check.asserts, evidence) {
                observation.outcome = Outcome::Down;
                observation.detail = broken;
            } else if answer.truncated {
                observation.detail = "only the first 1 MiB of the body was read".to_owned();
            }
        }
    }
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
    id: CheckId,
    search: &mut Search<'_>,
    trace: &mut Trace,
    mut deadline: Pin<&mut Sleep>,
) -> Result<Answer, Failure> {
    let mut hops: Vec<Hop> = Vec::new();
    loop {
        let hop = hops.last().unwrap_or(&check.first);
        let answer = ask(context, hop, id, search, trace, deadline.as_mut()).await?;
        let Some(location) = &answer.location else {
            return Ok(answer);
        };
        let next = hop.redirected(answer.status, location)?;
        let mut before = std::iter::once(&check.first).chain(&hops);
        let why = if before.any(|hop| hop.same_request(&next)) {
            "redirects lead in a circle, back to".to_owned()
        } else if hops.len() == MAX_REDIRECTS {
            format!("more than {MAX_REDIRECTS} redirects, the last to")
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
    hop: &Hop,
    id: CheckId,
    search: &mut Search<'_>,
    trace: &mut Trace,
    mut deadline: Pin<&mut Sleep>,
) -> Result<Answer, Failure> {
    let stream = connect(context, &hop.url, trace, deadline.as_mut()).await?;
    let request = hop.request(id);
    let answer = if hop.url.scheme() == "https" {
        let handshake = tls::handshake(&context.tls, &hop.url, stream, trace, deadline.as_mut());
        let stream = Box::pin(handshake).await?;
        Box::pin(exchange(stream, request, search, trace, deadline)).await?
    } else {
        exchange(stream, request, search, trace, deadline).await?
    };
    if !(100..=599).contains(&answer.status) {
        trace.status = 0;
        let detail = format!("{} is not an HTTP status", answer.status);
        return Err(Failure::new(ErrorClass::Protocol, detail));
    }
    Ok(answer)
}
