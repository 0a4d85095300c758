//! One request of a probe: over a connection that the check has kept, or over a new one.

use std::pin::Pin;
use std::time::Instant;

use hyper::header::CONNECTION;
use tokio::time::Sleep;

use super::connect::{allowed, connect};
use super::exchange::{Answer, Exchanged, exchange};
use super::failure::Failure;
use super::hop::Hop;
use super::http2::{self, Over};
use super::pool::{Idle, Keeping, Open};
use super::probe::{Trace, Way};
use super::reading::Reading;
use super::tls::{self, Protocol};
use crate::clock;
use crate::model::dial::HttpVersion;
use crate::model::observation::ErrorClass;

impl Way<'_> {
    pub(super) async fn ask(
        &self,
        hop: &Hop,
        reading: &mut Reading<'_>,
        trace: &mut Trace,
        mut deadline: Pin<&mut Sleep>,
    ) -> Result<Answer, Failure> {
        trace.certificate = None;
        trace.reused = false;
        // What may not be done twice is not asked over what may be gone by now (RFC 9110,
        // section 9.2.2).
        let keeping = self.keeping.filter(|_| hop.is_idempotent());
        let kept = keeping.and_then(|it| it.take(&hop.url.origin(), &mut trace.closing));
        if let Some(idle) = kept {
            let asked = self.ask_again(idle, hop, reading, trace, deadline.as_mut());
            if let Some(answer) = Box::pin(asked).await? {
                return Ok(answer);
            }
        }
        let open = self.open(hop, trace, deadline.as_mut()).await?;
        let opened = clock::monotonic();
        let asked = self.speak(open, hop, keeping.is_some(), reading, trace, deadline);
        let exchanged = asked.await;
        keep(keeping, exchanged, hop, opened, trace)
    }

    /// Over a connection that was kept. `None` if that had ended.
    async fn ask_again(
        &self,
        idle: Idle,
        hop: &Hop,
        reading: &mut Reading<'_>,
        trace: &mut Trace,
        deadline: Pin<&mut Sleep>,
    ) -> Result<Option<Answer>, Failure> {
        allowed(self.context, idle.address.ip())?;
        let (phases, not_after) = (trace.phases, trace.not_after);
        trace.address = Some(idle.address);
        trace.certificate_shown(idle.certificate);
        trace.reused = true;
        let asked = self.speak(idle.open, hop, true, reading, trace, deadline);
        let exchanged = asked.await;
        // Some say that they have waited long enough just when they are asked (RFC 9110, section
        // 15.5.9), or that this connection leads to who does not answer for the site (by now: section
        // 15.5.20). Every other answer, a 400 too, is one to what was asked.
        let elsewhere =
            matches!(&exchanged.result, Ok(answer) if matches!(answer.status, 408 | 421));
        if exchanged.stale || elsewhere {
            trace.status = 0;
            // The new connection has phases and certificates of its own.
            trace.phases = phases;
            trace.not_after = not_after;
            trace.certificate = None;
            trace.reused = false;
            return Ok(None);
        }
        keep(self.keeping, exchanged, hop, idle.opened, trace).map(Some)
    }

    /// A new connection, over which nothing was asked yet.
    async fn open(
        &self,
        hop: &Hop,
        trace: &mut Trace,
        mut deadline: Pin<&mut Sleep>,
    ) -> Result<Open, Failure> {
        let wanted = self.check.http_version;
        let over_tls = hop.url.scheme() == "https";
        let way = connect(
            self.context,
            &self.check.dial,
            &hop.url,
            self.tunnels(hop),
            trace,
            deadline.as_mut(),
        );
        let stream = way.await?;
        if !over_tls {
            return Ok(match wanted {
                Some(HttpVersion::V2) => {
                    // Or the goodbye waits for the site to confirm what was said before it.
                    stream.set_nodelay(true).ok();
                    Open::Plain2(Over::New(Box::new(stream)))
                }
                _ => Open::Plain(stream),
            });
        }
        let (connector, name) = match hop.same_origin(&self.ready.first) {
            true => (&self.ready.tls, self.check.server_name()),
            false => (&self.ready.tls_elsewhere, None),
        };
        let name = tls::server_name(name, &hop.url)?;
        let handshake = tls::handshake(connector, name, stream, trace, deadline);
        let stream = Box::new(Box::pin(handshake).await?);
        Ok(match tls::protocol(&stream, wanted)? {
            Protocol::Http1 => Open::Tls(stream),
            Protocol::Http2 => Open::Tls2(Over::New(stream)),
        })
    }

    /// Whether a proxy is asked for a way to the site, and not to ask the site itself.
    fn tunnels(&self, hop: &Hop) -> bool {
        hop.url.scheme() == "https" || self.check.http_version == Some(HttpVersion::V2)
    }

    async fn speak(
        &self,
        open: Open,
        hop: &Hop,
        keeps: bool,
        reading: &mut Reading<'_>,
        trace: &mut Trace,
        deadline: Pin<&mut Sleep>,
    ) -> Exchanged<Open> {
        let mut request = hop.request(self.id);
        if keeps {
            request.headers_mut().remove(CONNECTION);
        }
        let by_proxy = self.check.dial.proxy.is_some() && !self.tunnels(hop);
        if by_proxy && let Err(failure) = hop.name_whole(&mut request) {
            return Exchanged::failed(failure);
        }
        match open {
            Open::Plain(stream) => {
                let asked = exchange(stream, request, keeps, reading, trace, deadline);
                asked.await.map(Open::Plain)
            }
            Open::Tls(stream) => {
                let asked = exchange(*stream, request, keeps, reading, trace, deadline);
                Box::pin(asked).await.map(|it| Open::Tls(Box::new(it)))
            }
            Open::Plain2(over) => match hop.request_of_2(request) {
                Ok(request) => {
                    let asked = http2::exchange(over, request, keeps, reading, trace, deadline);
                    Box::pin(asked).await.map(Open::Plain2)
                }
                Err(failure) => Exchanged::failed(failure),
            },
            Open::Tls2(over) => match hop.request_of_2(request) {
                Ok(request) => {
                    let asked = http2::exchange(over, request, keeps, reading, trace, deadline);
                    Box::pin(asked).await.map(Open::Tls2)
                }
                Err(failure) => Exchanged::failed(failure),
            },
        }
    }
}

/// What comes of a request, with its connection kept if that is possible.
fn keep(
    keeping: Option<Keeping<'_>>,
    exchanged: Exchanged<Open>,
    hop: &Hop,
    opened: Instant,
    trace: &mut Trace,
) -> Result<Answer, Failure> {
    if let (Some(keeping), Some(open), Some(address)) = (keeping, exchanged.kept, trace.address) {
        let idle = Idle {
            origin: hop.url.origin(),
            open,
            address,
            certificate: trace.certificate.clone(),
            opened,
            close: keeping.close,
            until: opened,
        };
        keeping.put(idle, &mut trace.closing);
    }
    let answer = exchanged.result?;
    if !(100..=599).contains(&answer.status) {
        trace.status = 0;
        let detail = format!("{} is not an HTTP status", answer.status);
        return Err(Failure::new(ErrorClass::Protocol, detail));
    }
    Ok(answer)
}
