//! One probe, from the name to the verdict, along its redirects, under one deadline.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;
use tokio::time::Sleep;
use tokio_rustls::TlsConnector;
use url::Url;

use super::close::Closing;
use super::connect::within;
use super::evidence::{Certificate, Evidence};
use super::exchange::Answer;
use super::failure::Failure;
use super::grant::{Grant, Grants};
use super::hop::Hop;
use super::judge::MAX_DETAIL;
use super::pool::{Keeping, Pool};
use super::prepare::{Prepared, Ready};
use super::reading::Reading;
use super::search::Search;
use super::trust;
use crate::clock;
use crate::egress::cut;
use crate::egress::policy::AddressPolicy;
use crate::egress::resolver::Resolver;
use crate::egress::tls::{Trust, TrustError};
use crate::files::secrets::Secrets;
use crate::model::check::CheckSpec;
use crate::model::id::CheckId;
use crate::model::observation::{self, ErrorClass, Observation, Outcome, Phases};
use crate::model::quoted::harmless;
use crate::model::secret::SecretUse;

/// What all probes of a process share.
#[derive(Clone)]
pub struct ProbeContext {
    pub(super) resolver: Arc<Resolver>,
    pub(super) policy: Arc<AddressPolicy>,
    pub(super) tls: TlsConnector,
    pub(super) trust: Trust,
    pub(super) secrets: Arc<Secrets>,
    grants: Arc<Grants>,
    pub(super) pool: Arc<Pool>,
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
            tls: TlsConnector::from(trust::shared(trust)?),
            trust: trust.clone(),
            secrets: Arc::default(),
            grants: Arc::default(),
            pool: Arc::default(),
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
    /// The last request went over a connection that was open before.
    pub(super) reused: bool,
    pub(super) not_after: Option<OffsetDateTime>,
    /// What the last hop has shown.
    pub(super) certificate: Option<Certificate>,
    /// The requests that were made.
    hops: Vec<observation::Hop>,
    /// Connections whose answers were read whole.
    pub(super) closing: Closing,
}

/// What was learnt before a hop.
struct Before {
    at: Instant,
    phases: Phases,
    address: Option<SocketAddr>,
    status: u16,
    not_after: Option<OffsetDateTime>,
}

impl Trace {
    /// A hop begins: what is learnt from now on is its own.
    fn set_out(&mut self) -> Before {
        Before {
            at: clock::monotonic(),
            phases: std::mem::take(&mut self.phases),
            address: self.address.take(),
            status: std::mem::take(&mut self.status),
            not_after: self.not_after.take(),
        }
    }

    /// It has ended, with an answer or without one.
    fn arrive(&mut self, before: Before, url: String) {
        let mut own = self.phases;
        own.total = clock::monotonic().duration_since(before.at);
        self.hops.push(observation::Hop {
            url,
            status: self.status,
            address: shown(self.address),
            phases: own,
            certificate_not_after: self.not_after,
            reused: self.reused,
        });
        self.phases = before.phases.then(own);
        self.address = self.address.or(before.address);
        if self.status == 0 {
            self.status = before.status;
        }
        self.certificate_ends(before.not_after);
    }

    /// A request went out and an answer came, between these moments: begun, written, first
    /// byte, ended.
    pub(super) fn exchanged(&mut self, [begun, wrote, first_byte, ended]: [Instant; 4]) {
        let phases = &mut self.phases;
        // A site may speak before it has heard everything: no moment counts twice.
        let wrote = wrote.min(first_byte);
        phases.write += wrote.saturating_duration_since(begun);
        phases.first_byte += first_byte.saturating_duration_since(wrote);
        phases.transfer += ended.saturating_duration_since(first_byte);
    }

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
    secrets: &SecretUse,
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
    secrets: &SecretUse,
) -> (Observation, Closing) {
    let ready = match check.ready(context, secrets) {
        Ok(ready) => ready,
        Err(failure) => return (unable(scheduled_at, &failure), Closing::default()),
    };
    let started_at = clock::now();
    let begun = clock::monotonic();
    let mut deadline = pin!(tokio::time::sleep_until((begun + check.timeout).into()));
    let mut trace = Trace {
        closing: Closing::new(check.close),
        ..Trace::default()
    };
    let search = Search::new(check.asserts.texts().chain(check.warns.texts()));
    let need_body = check.asserts.need_body() || check.warns.need_body();
    let mut reading = Reading::new(search, need_body);
    let way = Way {
        context,
        check,
        ready: &ready,
        id,
        keeping: check.keeping(&context.pool, id, &ready),
    };
    let result = way
        .follow(&mut reading, &mut trace, deadline.as_mut())
        .await;
    let total = clock::monotonic().duration_since(begun);
    trace.phases.total = total;

    let mut observation = Observation {
        scheduled_at,
        started_at,
        outcome: Outcome::Up,
        degraded: false,
        class: None,
        status: trace.status,
        detail: String::new(),
        address: shown(trace.address),
        phases: trace.phases,
        certificate_not_after: trace.not_after,
        reused: trace.reused,
        hops: std::mem::take(&mut trace.hops),
    };
    let verdict = result.and_then(|(answer, url)| {
        let kept = reading.kept();
        let evidence = Evidence {
            status: answer.status,
            version: answer.version,
            headers: &answer.headers,
            url: &url,
            at: started_at,
            phases: &trace.phases,
            certificate: trace.certificate.as_ref(),
            body: &kept.body,
            truncated: answer.truncated,
            json: OnceCell::new(),
        };
        let (own, warns) = kept.contained.split_at(check.asserts.texts().count());
        if let Some(broken) = check.asserts.judge(&evidence, own.iter().copied())? {
            return Ok(Verdict::Broken(broken));
        }
        Ok(match check.warns.judge(&evidence, warns.iter().copied()) {
            Ok(Some(warned)) => Verdict::Degraded(warned),
            Ok(None) if answer.truncated => {
                Verdict::Well("only the first 1 MiB of the body was read".to_owned())
            }
            Ok(None) => Verdict::Well(String::new()),
            // It is up all the same.
            Err(unclear) => Verdict::Well(format!("a `warn` is not clear: {}", unclear.detail)),
        })
    });
    let detail = match verdict {
        Err(failure) => {
            observation.outcome = failure.outcome();
            observation.class = Some(failure.class);
            failure.detail
        }
        Ok(Verdict::Broken(broken)) => {
            observation.outcome = Outcome::Down;
            broken
        }
        Ok(Verdict::Degraded(warned)) => {
            observation.degraded = true;
            warned
        }
        Ok(Verdict::Well(words)) => words,
    };
    if way.keeping.is_none() || observation.degraded || observation.outcome != Outcome::Up {
        // What is not as it should be hangs on no connection the next time.
        context.pool.forget(id, &mut trace.closing);
    }
    // Covered before it is cut, or changed in any way: half of a secret is not found.
    let covered = |text| harmless(&ready.veil.cover(text));
    observation.detail = cut(covered(detail), MAX_DETAIL);
    if observation.hops.len() == 1 {
        // It is the whole probe, which says so already.
        observation.hops = Vec::new();
    }
    for hop in &mut observation.hops {
        hop.url = cut(
            covered(std::mem::take(&mut hop.url)),
            observation::Hop::MAX_URL,
        );
    }
    (observation, trace.closing)
}

fn shown(address: Option<SocketAddr>) -> String {
    let shown = address.map(|address| address.to_string());
    shown.unwrap_or_default()
}

/// What an answer is, in words for people.
enum Verdict {
    Well(String),
    Degraded(String),
    Broken(String),
}

/// An observation of a probe that could not be made.
pub(super) fn unable(scheduled_at: OffsetDateTime, failure: &Failure) -> Observation {
    Observation {
        scheduled_at,
        started_at: clock::now(),
        outcome: failure.outcome(),
        degraded: false,
        class: Some(failure.class),
        status: 0,
        detail: cut(failure.detail.clone(), MAX_DETAIL),
        address: String::new(),
        phases: Phases::default(),
        certificate_not_after: None,
        reused: false,
        hops: Vec::new(),
    }
}

/// What does not change from hop to hop.
pub(super) struct Way<'a> {
    pub(super) context: &'a ProbeContext,
    pub(super) check: &'a Prepared,
    pub(super) ready: &'a Ready<'a>,
    pub(super) id: CheckId,
    /// Where the check keeps connections.
    pub(super) keeping: Option<Keeping<'a>>,
}

impl Way<'_> {
    async fn follow(
        &self,
        reading: &mut Reading<'_>,
        trace: &mut Trace,
        mut deadline: Pin<&mut Sleep>,
    ) -> Result<(Answer, Url), Failure> {
        let redirects = self.check.redirects;
        let mut first = Cow::Borrowed(self.ready.first.as_ref());
        let mut token = String::new();
        if let Some(grant) = &self.ready.grant {
            token = Box::pin(self.token(grant, trace, deadline.as_mut())).await?;
            if !first.to_mut().authorize(&token) {
                return Err(Failure::internal("the token cannot stand in a header"));
            }
        }
        let mut hops: Vec<Hop> = Vec::new();
        loop {
            let hop = hops.last().unwrap_or(&first);
            let before = trace.set_out();
            let answer = self.ask(hop, reading, trace, deadline.as_mut()).await;
            trace.arrive(before, hop.shown());
            let answer = answer?;
            if let (401, Some(grant)) = (answer.status, &self.ready.grant) {
                let place = self.context.grants.place(grant);
                place.lock().await.forget(&token);
            }
            let location = answer.location.as_ref();
            let Some(location) = location.filter(|_| redirects.followed) else {
                return Ok((answer, hop.url.clone()));
            };
            let next = hop.redirected(answer.status, location)?;
            let mut before = std::iter::once(first.as_ref()).chain(&hops);
            let why = if before.any(|hop| hop.same_request(&next)) {
                "redirects lead in a circle, back to".to_owned()
            } else if hops.len() == usize::from(redirects.most) {
                format!("more than {} redirects, the last to", redirects.most)
            } else {
                hops.push(next);
                continue;
            };
            let detail = format!("{why} {}", next.shown());
            return Err(Failure::new(ErrorClass::TooManyRedirects, detail));
        }
    }

    /// The token that the request needs. What is seen on the way to it is not the site's.
    async fn token(
        &self,
        grant: &Grant,
        trace: &mut Trace,
        mut deadline: Pin<&mut Sleep>,
    ) -> Result<String, Failure> {
        let place = self.context.grants.place(grant);
        let kept = within(deadline.as_mut(), place.lock()).await;
        let mut kept = kept.ok_or_else(|| grant.refused("nobody gave one in time"))?;
        if let Some(token) = kept.good() {
            return Ok(token.to_owned());
        }
        let mut reading = Reading::new(Search::default(), true);
        let mut other = Trace::default();
        let answer = self.ask(grant.hop(), &mut reading, &mut other, deadline);
        let answer = answer.await;
        trace.closing.append(other.closing);
        let answer = answer.map_err(|failure| grant.refused(&failure.detail))?;
        kept.keep(grant, answer.status, &reading.kept().body)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn of_a_site_that_speaks_first_no_moment_counts_twice() {
        let begun = clock::monotonic();
        let after = |ms| begun + Duration::from_millis(ms);
        for wrote in [2, 5, 9] {
            let mut trace = Trace::default();
            trace.exchanged([begun, after(wrote), after(3), after(9)]);
            let Phases {
                write,
                first_byte,
                transfer,
                ..
            } = trace.phases;
            assert_eq!(write + first_byte + transfer, Duration::from_millis(9));
        }
    }
}
