//! From a URL to a connection: the name, the address policy, the dial.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;

use tokio::net::TcpStream;
use tokio::time::Sleep;
use url::{Host, Url};

use super::failure::Failure;
use super::probe::{ProbeContext, Trace};
use super::proxy;
use crate::clock;
use crate::egress::policy::Denied;
use crate::egress::resolver::LookupError;
use crate::model::check::CheckSpec;
use crate::model::dial::{ConnectTo, IpFamily, Proxy};
use crate::model::observation::ErrorClass;

/// The result of a future, or `None` once the probe's deadline has passed. All steps of a
/// probe share one timer.
pub(super) async fn within<F: Future>(
    mut deadline: Pin<&mut Sleep>,
    future: F,
) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        deadline.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Where the connections of a check go.
#[derive(Debug)]
pub(super) struct Dial {
    family: Option<IpFamily>,
    /// For this host and port of a URL, the other ones.
    instead: Option<(Host, u16, ConnectTo)>,
    pub(super) proxy: Option<Proxy>,
}

impl Dial {
    pub(super) fn new(spec: &CheckSpec) -> Self {
        let url = spec.url.parse();
        let own = url.host().map(|host| host.to_owned());
        let instead = spec.connect_to.clone();
        Self {
            family: spec.ip_family,
            instead: own
                .zip(instead)
                .map(|(host, instead)| (host, port_of(&url), instead)),
            proxy: spec.proxy.clone(),
        }
    }

    /// The host and port that are dialled for a URL, which may be another one's.
    fn target(&self, url: &Url) -> Result<(Host, u16), Failure> {
        let host = url.host().map(|host| host.to_owned());
        let host = host.ok_or_else(|| Failure::internal("the URL has no host"))?;
        let port = port_of(url);
        Ok(match &self.instead {
            Some((own, own_port, instead)) if *own == host && *own_port == port => {
                (instead.host.clone(), instead.port.unwrap_or(port))
            }
            _ => (host, port),
        })
    }
}

fn port_of(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(80)
}

/// A connection over which the host of the URL is asked, or why there is none. Through a
/// proxy it is one to that, with a way through it where it `tunnels`.
pub(super) async fn connect(
    context: &ProbeContext,
    dial: &Dial,
    url: &Url,
    tunnels: bool,
    trace: &mut Trace,
    mut deadline: Pin<&mut Sleep>,
) -> Result<TcpStream, Failure> {
    let (host, port) = dial.target(url)?;
    let Some(proxy) = &dial.proxy else {
        return reach(context, (host, port), dial.family, trace, deadline).await;
    };
    // A name is the proxy's to look up, an address is not.
    let literal = match host {
        Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
        Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
        Host::Domain(_) => None,
    };
    literal.map_or(Ok(()), |address| allowed(context, address))?;
    let place = (proxy.host.clone(), proxy.port);
    let reached = reach(context, place, dial.family, trace, deadline.as_mut()).await;
    let mut stream = reached.map_err(proxy::of_proxy)?;
    if tunnels {
        let begun = clock::monotonic();
        let way = Box::pin(proxy::tunnel(&mut stream, url, deadline)).await;
        trace.phases.connect += clock::monotonic().duration_since(begun);
        way?;
    }
    Ok(stream)
}

pub(super) fn allowed(context: &ProbeContext, address: IpAddr) -> Result<(), Failure> {
    let blocked = |denied: Denied| Failure::new(ErrorClass::BlockedByPolicy, denied.to_string());
    context.policy.check(address).map_err(blocked)
}

/// A connection to a host and port. The policy is asked about the very address that is dialled.
async fn reach(
    context: &ProbeContext,
    (host, port): (Host, u16),
    family: Option<IpFamily>,
    trace: &mut Trace,
    mut deadline: Pin<&mut Sleep>,
) -> Result<TcpStream, Failure> {
    let begun = clock::monotonic();
    let address = match host {
        Host::Ipv4(v4) => IpAddr::V4(v4),
        Host::Ipv6(v6) => IpAddr::V6(v6),
        Host::Domain(name) => {
            // On the heap, as whatever few probes need: every probe has room for the largest.
            let lookup = Box::pin(context.resolver.lookup(&name, family));
            let found = within(deadline.as_mut(), lookup).await;
            trace.phases.dns += clock::monotonic().duration_since(begun);
            let found = found.ok_or_else(|| {
                let detail = format!("no name server answered for {name} in time");
                Failure::new(ErrorClass::DnsTimeout, detail)
            })?;
            let found = found.map_err(|error| of_lookup(&error))?;
            *found.first().ok_or_else(|| {
                Failure::new(ErrorClass::DnsNxdomain, format!("{name} has no address"))
            })?
        }
    };
    let address = SocketAddr::new(address, port);
    trace.address = Some(address);
    allowed(context, address.ip())?;
    let begun = clock::monotonic();
    let dialled = within(deadline, TcpStream::connect(address)).await;
    trace.phases.connect += clock::monotonic().duration_since(begun);
    match dialled {
        None => Err(Failure::new(
            ErrorClass::ConnectTimeout,
            format!("no connection to {address} in time"),
        )),
        Some(Err(error)) => Err(Failure::of_connect(&error)),
        Some(Ok(stream)) => Ok(stream),
    }
}

fn of_lookup(error: &LookupError) -> Failure {
    let class = match error {
        LookupError::NoSuchName(_) => ErrorClass::DnsNxdomain,
        LookupError::Failed { .. } => ErrorClass::DnsServfail,
        LookupError::Timeout(_) => ErrorClass::DnsTimeout,
        LookupError::Unable { .. } => ErrorClass::Internal,
    };
    Failure::new(class, error.to_string())
}
