//! Which addresses may be dialled. Checks and webhooks come from people whom the machine's
//! neighbours may not trust, so the question is asked of the very address that is about to
//! be dialled, whatever name or redirect led to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Never dialled unless a setting names them: they answer with the machine's own secrets
/// (metadata services), or are nobody's address.
const DENIED: [&str; 13] = [
    "0.0.0.0/8",
    "169.254.0.0/16",
    // Metadata: AWS, Azure, Google and others; AWS and Google over IPv6; Alibaba; Oracle;
    // Azure's agent.
    "169.254.169.254/32",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "fe80::/10",
    "ff00::/8",
];

/// What `deny_private` adds: RFC 1918, loopback, shared space (RFC 6598), unique local, and
/// what is set aside for benchmarks (RFC 2544), sites (RFC 3879) and local NAT64 (RFC 8215).
const PRIVATE: [&str; 10] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "198.18.0.0/15",
    "fec0::/10",
    "64:ff9b:1::/48",
];

/// The address must not be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address policy denies {address}{}", of(*address, *network))]
pub struct Denied {
    pub address: IpAddr,
    pub network: IpNet,
}

/// The network, unless it is the address alone.
fn of(address: IpAddr, network: IpNet) -> String {
    match network == IpNet::from(address) {
        true => String::new(),
        false => format!(" ({network})"),
    }
}

/// A setting is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network: write 10.0.0.0/8 or a single address")]
pub struct InvalidNetwork(pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    DeniedByDefault,
    Allowed,
    Denied,
}

/// Rules over networks. The longest network that holds the address decides, so that
/// `allow 10.1.0.0/16` opens a part of a denied 10.0.0.0/8, and only naming a metadata
/// service opens it; of two alike, a denial by a setting beats an allowance, and that beats
/// a denial by default. What no network holds is allowed.
#[derive(Debug, Clone)]
pub struct AddressPolicy {
    rules: Vec<(IpNet, Verdict)>,
}

impl Default for AddressPolicy {
    fn default() -> Self {
        Self::new(&[], &[], false)
    }
}

impl AddressPolicy {
    pub fn new(allow: &[IpNet], deny: &[IpNet], deny_private: bool) -> Self {
        let private: &[&str] = if deny_private { &PRIVATE } else { &[] };
        let built_in = DENIED
            .iter()
            .chain(private)
            .filter_map(|text| network(text).ok());
        let mut rules: Vec<_> = built_in
            .map(|net| (net, Verdict::DeniedByDefault))
            .chain(allow.iter().map(|net| (*net, Verdict::Allowed)))
            .chain(deny.iter().map(|net| (*net, Verdict::Denied)))
            .collect();
        // The first that holds the address then decides.
        rules.sort_by_key(|(net, verdict)| std::cmp::Reverse((net.prefix_len(), *verdict)));
        Self { rules }
    }

    /// The policy of settings: networks in CIDR notation, or single addresses.
    pub fn parse<S: AsRef<str>>(
        allow: &[S],
        deny: &[S],
        deny_private: bool,
    ) -> Result<Self, InvalidNetwork> {
        let parse = |list: &[S]| {
            list.iter()
                .map(|text| network(text.as_ref()))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self::new(&parse(allow)?, &parse(deny)?, deny_private))
    }

    /// Whether the address may be dialled. An IPv4 address in the clothes of an IPv6 one is
    /// judged as both.
    pub fn check(&self, address: IpAddr) -> Result<(), Denied> {
        if let IpAddr::V6(v6) = address
            && let Some(v4) = embedded(v6)
        {
            self.check_one(address, IpAddr::V4(v4))?;
        }
        self.check_one(address, address)
    }

    fn check_one(&self, address: IpAddr, judged: IpAddr) -> Result<(), Denied> {
        match self.rules.iter().find(|(net, _)| net.contains(&judged)) {
            None | Some((_, Verdict::Allowed)) => Ok(()),
            Some((network, _)) => Err(Denied {
                address,
                network: *network,
            }),
        }
    }
}

fn network(text: &str) -> Result<IpNet, InvalidNetwork> {
    let text = text.trim();
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>()
        .or_else(|_not_a_network| single())
        .map(|net| net.trunc())
        .map_err(|_neither| InvalidNetwork(text.chars().take(100).collect()))
}

/// The IPv4 address that the network behind an IPv6 one would reach: mapped (RFC 4291),
/// compatible (likewise), NAT64's well-known prefix (RFC 6052), 6to4 (RFC 3056).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = v6.octets();
    let last = Ipv4Addr::new(a, b, c, d);
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(last),
        [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: &AddressPolicy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn every_built_in_network_is_one() {
        for text in DENIED.iter().chain(&PRIVATE) {
            assert!(network(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn by_default_ones_own_network_is_open_and_metadata_is_not() {
        let policy = AddressPolicy::default();
        for open in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "93.184.216.34",
            "2606:2800::1",
            "fd12::1",
        ] {
            assert!(allowed(&policy, open), "{open}");
        }
        for shut in [
            "169.254.169.254",
            "169.254.1.1",
            "fd00:ec2::254",
            "100.100.100.200",
            "0.0.0.0",
            "::",
            "255.255.255.255",
            "239.0.0.1",
            "ff02::1",
            "fe80::1",
        ] {
            assert!(!allowed(&policy, shut), "{shut}");
        }
    }

    #[test]
    fn an_ipv4_address_hides_in_no_ipv6_form() {
        let policy = AddressPolicy::default();
        for shut in [
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(!allowed(&policy, shut), "{shut}");
        }
        assert!(allowed(&policy, "::ffff:93.184.216.34"));
    }

    #[test]
    fn the_longest_network_decides() {
        let policy = AddressPolicy::parse(&["10.1.0.0/16"], &["10.1.2.0/24"], true).unwrap();
        assert!(!allowed(&policy, "10.0.0.1"));
        assert!(allowed(&policy, "10.1.0.1"));
        assert!(!allowed(&policy, "10.1.2.3"));
        assert!(!allowed(&policy, "::ffff:127.0.0.1"));
        assert!(allowed(&policy, "93.184.216.34"));
    }

    #[test]
    fn metadata_is_opened_only_by_its_name() {
        let wide = AddressPolicy::parse(&["0.0.0.0/0", "169.254.0.0/16"], &[], false).unwrap();
        assert!(allowed(&wide, "169.254.1.1"));
        assert!(!allowed(&wide, "169.254.169.254"));
        let named = AddressPolicy::parse(&["169.254.169.254"], &[], false).unwrap();
        assert!(allowed(&named, "169.254.169.254"));
    }

    #[test]
    fn a_setting_that_is_no_network_is_named() {
        let error = AddressPolicy::parse(&["10.0.0/8"], &[], false).unwrap_err();
        assert!(error.to_string().starts_with("\"10.0.0/8\""), "{error}");
    }
}
