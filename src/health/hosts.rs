//! Which hosts have nothing to do with each other. Two are related when their names have one
//! registrable domain (of the public suffix list), or when their addresses are of one network; the
//! loopback is one host. What fails on many unrelated ones at once is rarely their fault.

use std::collections::HashMap;
use std::net::IpAddr;

use psl::Psl as _;

/// What a host may share with others: hashes of its registrable domain and of its network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kin {
    domain: Option<u64>,
    network: Option<u64>,
}

impl Kin {
    /// Of the host of a URL, and of the address that was dialled for it, if one was.
    pub fn of(host: &str, dialled: Option<IpAddr>) -> Self {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let is_local = host == "localhost" || host.ends_with(".localhost");
        let network = match dialled.or(literal) {
            Some(address) => Some(network(address)),
            None if is_local => Some("loopback".to_owned()),
            None => None,
        };
        let domain = match literal {
            Some(_) => None,
            None if is_local => None,
            None => Some(registrable(&host)),
        };
        Self {
            domain: domain.map(|name| hash(&format!("domain {name}"))),
            network: network.map(|name| hash(&format!("network {name}"))),
        }
    }
}

fn hash(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// A name of one label, or one that is a public suffix itself, stands for itself.
fn registrable(host: &str) -> &str {
    let found = psl::List.domain(host.as_bytes());
    let found = found.and_then(|domain| std::str::from_utf8(domain.as_bytes()).ok());
    found.unwrap_or(host)
}

/// The /24 of IPv4, the /48 of IPv6: what one site gets.
fn network(address: IpAddr) -> String {
    let address = address.to_canonical();
    match address {
        _ if address.is_loopback() => "loopback".to_owned(),
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}")
        }
    }
}

/// Counts unrelated hosts: those that are related, over others, too, count once.
#[derive(Debug, Default)]
pub(super) struct Unrelated {
    /// By domain or network, the number of its group, or of one that this one was joined to.
    of: HashMap<u64, usize>,
    joined: Vec<usize>,
    groups: usize,
}

impl Unrelated {
    pub(super) fn count(&self) -> usize {
        self.groups
    }

    pub(super) fn add(&mut self, kin: Kin) {
        let mut keys = [kin.domain, kin.network].into_iter().flatten();
        let Some(first) = keys.next() else { return };
        let first = self.group(first);
        for key in keys {
            let other = self.group(key);
            if first != other {
                if let Some(place) = self.joined.get_mut(other) {
                    *place = first;
                }
                self.groups -= 1;
            }
        }
    }

    fn group(&mut self, key: u64) -> usize {
        let new = self.joined.len();
        let mut group = *self.of.entry(key).or_insert(new);
        if group == new {
            self.joined.push(new);
            self.groups += 1;
        }
        while let Some(next) = self.joined.get(group).filter(|next| **next != group) {
            group = *next;
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_related_by_domain_or_network() {
        for (hosts, expected) in [
            ("shop.example.com www.example.com example.com.", 1),
            ("shop.example.com shop.example.org", 2),
            ("a.example.co.uk b.example.co.uk", 1),
            ("one.co.uk two.co.uk", 2),
            // Whoever has a name there is not the host's owner.
            ("ada.github.io grace.github.io", 2),
            // Nobody's suffix: the last two labels.
            ("a.shop.svc.cluster.local b.till.svc.cluster.local", 1),
            ("intranet wiki WIKI", 2),
            ("192.0.2.1 192.0.2.250 192.0.3.1", 2),
            ("[2001:db8:1::1] [2001:db8:1:2::1] [2001:db8:2::1]", 2),
            ("127.0.0.1 127.9.9.9 [::1] localhost app.localhost", 1),
            // An address that an IPv6 socket sees is what it is.
            ("[::ffff:192.0.2.1] 192.0.2.2", 1),
            // Dialled addresses relate what names do not, and the other way around.
            ("a.com=192.0.2.1 b.com=192.0.2.2 c.com=198.51.100.1", 2),
            ("a.com=192.0.2.1 x.a.com=198.51.100.1 b.com=198.51.100.2", 1),
            ("a.com b.com=192.0.2.1 c.com=192.0.2.9 d.a.com=192.0.2.7", 1),
            ("a.com=127.0.0.1 b.com=127.0.0.2 c.com=::1", 1),
            // Through a proxy all are as one.
            ("192.0.2.1=10.0.0.1 198.51.100.1=10.0.0.1", 1),
            ("", 0),
        ] {
            let mut unrelated = Unrelated::default();
            for host in hosts.split_whitespace() {
                let (host, address) = host.split_once('=').unwrap_or((host, ""));
                unrelated.add(Kin::of(host, address.parse().ok()));
            }
            assert_eq!(unrelated.count(), expected, "{hosts}");
        }
    }
}
