//! Names to addresses, asynchronously and without a cache: a probe wants to know what the
//! name means now, and a dead name server must hold up nobody but who asks it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{TokioResolver, system_conf};
use tracing::warn;

use crate::clock;
use crate::model::dial::IpFamily;

/// The longest lookup.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the machine's routes are believed.
const ROUTES_FOR: Duration = Duration::from_secs(10);
const HOSTS: &str = "/etc/hosts";

/// Why there is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name does not exist, or has no address.
    #[error("{0}")]
    NoSuchName(String),
    /// A name server failed or refused.
    #[error("the lookup of {name} failed: {why}")]
    Failed { name: String, why: String },
    /// No name server answered in time.
    #[error("no name server answered for {0} in time")]
    Timeout(String),
    /// This machine has no name server, or no socket to ask it with: the fault is ours.
    #[error("{name} cannot be looked up here: {why}")]
    Unable { name: String, why: String },
}

/// Looks names up. One is shared by everything in a process.
#[derive(Debug)]
pub struct Resolver {
    hosts: HashMap<String, Vec<IpAddr>>,
    /// Or why there is none.
    dns: Result<Dns, String>,
    routes: Mutex<Option<(Instant, bool)>>,
}

struct Dns {
    v4_first: TokioResolver,
    both: TokioResolver,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dns")
    }
}

impl Resolver {
    /// The machine's own name servers and hosts file. Without name servers literal
    /// addresses and the hosts file still work.
    pub fn system() -> Self {
        let dns = system_conf::read_system_conf()
            .and_then(|(config, options)| Dns::new(&config, &options))
            .map_err(|error| format!("/etc/resolv.conf: {error}"));
        if let Err(why) = &dns {
            warn!(%why, "no name server: only addresses and names of {HOSTS} can be reached");
        }
        let hosts = std::fs::read_to_string(HOSTS).unwrap_or_default();
        Self::build(&hosts, dns)
    }

    /// These name servers only, and a hosts file of this text.
    pub fn with_servers(servers: &[SocketAddr], hosts: &str) -> Self {
        let server = |address: &SocketAddr| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = address.port();
                connection
            });
            NameServerConfig::new(address.ip(), true, connections.into())
        };
        let servers: Vec<_> = servers.iter().map(server).collect();
        let dns = if servers.is_empty() {
            Err("no name server is set".to_owned())
        } else {
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Dns::new(&config, &ResolverOpts::default()).map_err(|error| error.to_string())
        };
        Self::build(hosts, dns)
    }

    fn build(hosts: &str, dns: Result<Dns, String>) -> Self {
        Self {
            hosts: parse_hosts(hosts),
            dns,
            routes: Mutex::new(None),
        }
    }

    /// The addresses of a host in the order in which they are to be tried, never none.
    /// A literal address is its own answer. With a family, only addresses of that.
    pub async fn lookup(
        &self,
        host: &str,
        family: Option<IpFamily>,
    ) -> Result<Vec<IpAddr>, LookupError> {
        let mut found = self.lookup_any(host, family).await?;
        if let Some(family) = family {
            found.retain(|address| family.has(*address));
            if found.is_empty() {
                let why = format!("{host} has no {family} address");
                return Err(LookupError::NoSuchName(why));
            }
        }
        Ok(found)
    }

    async fn lookup_any(
        &self,
        host: &str,
        family: Option<IpFamily>,
    ) -> Result<Vec<IpAddr>, LookupError> {
        let name = host.strip_suffix('.').unwrap_or(host);
        let literal = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
        if let Ok(address) = literal.unwrap_or(name).parse() {
            return Ok(vec![address]);
        }
        if let Some(addresses) = self.hosts.get(name) {
            return Ok(self.ordered(addresses.clone()));
        }
        // RFC 6761, section 6.3: never asked of a name server.
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        // RFC 1035, section 2.3.4.
        if name.len() > 253 || name.split('.').any(|it| !(1..=63).contains(&it.len())) {
            let why =
                format!("{name} cannot be the name of a host: a part of it is empty or too long");
            return Err(LookupError::NoSuchName(why));
        }
        let dns = self.dns.as_ref().map_err(|why| LookupError::Unable {
            name: name.to_owned(),
            why: why.clone(),
        })?;
        let asked = match family {
            Some(IpFamily::V6) => &dns.both,
            None if self.has_ipv6() => &dns.both,
            _ => &dns.v4_first,
        };
        // The host as it was given: a dot at its end keeps the search list out.
        let answer = tokio::time::timeout(TIMEOUT, asked.lookup_ip(host)).await;
        match answer {
            Err(_elapsed) => Err(LookupError::Timeout(name.to_owned())),
            Ok(Err(error)) => Err(classify(name, &error)),
            Ok(Ok(found)) => {
                let addresses: Vec<IpAddr> = found.iter().collect();
                if addresses.is_empty() {
                    return Err(LookupError::NoSuchName(format!("{name} has no address")));
                }
                Ok(self.ordered(addresses))
            }
        }
    }

    /// RFC 6724, as far as one destination can be told from another without its source:
    /// families without a route last, then by precedence; the name server's order else.
    fn ordered(&self, mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        if addresses.len() > 1 && addresses.iter().any(IpAddr::is_ipv6) {
            let ipv6 = self.has_ipv6();
            addresses.sort_by_key(|address| std::cmp::Reverse(precedence(*address, ipv6)));
        }
        addresses
    }

    /// Whether there is a route and a global address to reach the internet's IPv6 from.
    fn has_ipv6(&self) -> bool {
        let now = clock::monotonic();
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        match *routes {
            Some((at, ipv6)) if now.duration_since(at) < ROUTES_FOR => ipv6,
            _ => {
                let ipv6 = ipv6_route();
                *routes = Some((now, ipv6));
                ipv6
            }
        }
    }
}

impl Dns {
    fn new(config: &ResolverConfig, options: &ResolverOpts) -> Result<Self, NetError> {
        let build = |strategy| {
            let mut options = options.clone();
            options.ip_strategy = strategy;
            options.cache_size = 0;
            // Ours is asked first.
            options.use_hosts_file = ResolveHosts::Never;
            options.timeout = options.timeout.min(TIMEOUT / 2);
            // Over TCP all lookups share a connection: its default of 32 would fail the rest.
            options.max_active_requests = 4096;
            TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default())
                .with_options(options)
                .build()
        };
        Ok(Self {
            v4_first: build(LookupIpStrategy::Ipv4thenIpv6)?,
            both: build(LookupIpStrategy::Ipv4AndIpv6)?,
        })
    }
}

fn classify(name: &str, error: &NetError) -> LookupError {
    let failed = |why: String| LookupError::Failed {
        name: name.to_owned(),
        why,
    };
    match error {
        NetError::Timeout => LookupError::Timeout(name.to_owned()),
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => LookupError::NoSuchName(format!("{name} does not exist")),
            ResponseCode::NoError => LookupError::NoSuchName(format!("{name} has no address")),
            code => failed(format!("the name server said {code}")),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => {
            failed(format!("the name server said {code}"))
        }
        NetError::Io(io) if is_our_shortage(io) => LookupError::Unable {
            name: name.to_owned(),
            why: io.to_string(),
        },
        other => failed(other.to_string()),
    }
}

/// Whether an error of a socket tells of this machine and not of the other side: no file
/// descriptor, no memory, no free port.
pub fn is_our_shortage(error: &std::io::Error) -> bool {
    use nix::errno::Errno;
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::EMFILE
                | Errno::ENFILE
                | Errno::ENOBUFS
                | Errno::ENOMEM
                | Errno::EADDRNOTAVAIL
                | Errno::EADDRINUSE
        )
    )
}

/// RFC 6724, section 2.1. Loopback is the exception: most programs that listen on one
/// machine listen on 127.0.0.1, and only one address is tried.
fn precedence(address: IpAddr, ipv6: bool) -> u8 {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => 60,
        IpAddr::V4(_) => 35,
        IpAddr::V6(v6) if v6.is_loopback() => 50,
        IpAddr::V6(_) if !ipv6 => 0,
        IpAddr::V6(v6) => match v6.segments() {
            [0x2002, ..] => 30,
            [0x2001, 0, ..] => 5,
            [first, ..] if first & 0xfe00 == 0xfc00 => 3,
            _ => 40,
        },
    }
}

/// Connecting a datagram socket sends nothing, but chooses a route and a source.
fn ipv6_route() -> bool {
    let somewhere = SocketAddr::new(
        Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 1).into(),
        9,
    );
    let source = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect(somewhere).and_then(|()| socket.local_addr()));
    match source.map(|source| source.ip()) {
        Ok(IpAddr::V6(v6)) => v6.segments()[0] & 0xe000 == 0x2000,
        _ => false,
    }
}

fn parse_hosts(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else {
            continue;
        };
        for name in words {
            let addresses = hosts.entry(name.to_ascii_lowercase()).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_HOSTS: &str = "";

    #[tokio::test]
    async fn literals_hosts_and_localhost_need_no_name_server() {
        let resolver = Resolver::with_servers(&[], "10.0.0.7 Duke duke.local # the flag\n");
        for (host, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("duke", "10.0.0.7"),
            ("duke.local.", "10.0.0.7"),
            ("localhost", "127.0.0.1"),
            ("app.localhost", "127.0.0.1"),
        ] {
            let found = resolver.lookup(host, None).await.unwrap();
            assert_eq!(
                found.first().map(ToString::to_string).as_deref(),
                Some(address)
            );
        }
        let error = resolver.lookup("example.com", None).await.unwrap_err();
        assert!(matches!(error, LookupError::Unable { .. }), "{error}");
    }

    #[test]
    fn a_family_without_a_route_comes_last() {
        let order = |ipv6| {
            let mut list: Vec<IpAddr> = ["2001:db8::1", "192.0.2.1", "fd00::1"]
                .map(|text| text.parse().unwrap())
                .into();
            list.sort_by_key(|address| std::cmp::Reverse(precedence(*address, ipv6)));
            list.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(order(true), ["2001:db8::1", "192.0.2.1", "fd00::1"]);
        assert_eq!(order(false)[0], "192.0.2.1");
    }

    #[tokio::test]
    async fn what_is_no_name_is_not_asked_for() {
        let resolver = Resolver::with_servers(&[], NO_HOSTS);
        let long = "x".repeat(64);
        for name in ["a..b", ".a", "a..", &long] {
            let error = resolver.lookup(name, None).await.unwrap_err();
            assert!(
                error.to_string().contains("cannot be the name of a host"),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_server_that_says_nothing_is_a_timeout() {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let servers = [silent.local_addr().unwrap()];
        let resolver = Resolver::with_servers(&servers, NO_HOSTS);
        let error = resolver.lookup("example.com", None).await.unwrap_err();
        assert!(matches!(error, LookupError::Timeout(_)), "{error}");
    }

    #[tokio::test]
    async fn answers_of_a_name_server() {
        for (code, expected) in [
            (3, "example.com does not exist"),
            (2, "the lookup of example.com failed"),
        ] {
            let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = server.local_addr().unwrap();
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(async move {
                let mut packet = [0; 512];
                while let Ok((length, from)) = server.recv_from(&mut packet).await {
                    // The question comes back as an answer: QR, RA, and the code.
                    packet[2] |= 0x80;
                    packet[3] = 0x80 | code;
                    // No additional record: the question may have had EDNS.
                    packet[10..12].fill(0);
                    let end = 12 + packet[12..length].iter().position(|b| *b == 0).unwrap() + 5;
                    server.send_to(&packet[..end], from).await.unwrap();
                }
            });
            let resolver = Resolver::with_servers(&[address], NO_HOSTS);
            let error = resolver.lookup("example.com", None).await.unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }
}
