//! How a probe comes to its site, where the URL alone does not say it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use url::{Host, Url};

use crate::model::value::{InvalidValue, is_host_name};

/// How old a connection becomes: so long it may take until a check with `reuse_connection` sees
/// where its name leads by now, and which certificate is shown there.
pub const OLDEST: Duration = Duration::from_secs(600);

/// A version of the internet protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IpFamily {
    V4,
    V6,
}

impl IpFamily {
    /// 4 or 6.
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// The family of this number.
    pub fn from_number(number: i64) -> Result<Self, InvalidValue> {
        match number {
            4 => Ok(Self::V4),
            6 => Ok(Self::V6),
            other => Err(InvalidValue::Other(format!("{other} is neither 4 nor 6"))),
        }
    }

    /// Whether the address is one of it.
    pub fn has(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

impl fmt::Display for IpFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IPv{}", self.number())
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HttpVersion {
    V1_1,
    V2,
}

impl fmt::Display for HttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_1 => "1.1",
            Self::V2 => "2",
        })
    }
}

impl FromStr for HttpVersion {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "1.1" => Ok(Self::V1_1),
            "2" => Ok(Self::V2),
            _ => Err(InvalidValue::Other("is neither \"1.1\" nor \"2\"".into())),
        }
    }
}

/// Which probes are done where there is no room for all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Priority {
    /// The first to be left out.
    Low,
    #[default]
    Normal,
    /// The last to be left out.
    High,
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        })
    }
}

impl FromStr for Priority {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let all = [Self::Low, Self::Normal, Self::High];
        let known = all.into_iter().find(|one| one.to_string() == text);
        known.ok_or_else(|| {
            InvalidValue::Other("is neither \"low\", \"normal\" nor \"high\"".into())
        })
    }
}

/// How a connection ends once the answer was read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Close {
    /// As the server ends it; by a reset only if it does not within a moment.
    #[default]
    Normal,
    /// By a reset, at once.
    Reset,
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Reset => "rst",
        })
    }
}

impl FromStr for Close {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "normal" => Ok(Self::Normal),
            "rst" => Ok(Self::Reset),
            _ => Err(InvalidValue::Other(
                "is neither \"normal\" nor \"rst\"".into(),
            )),
        }
    }
}

/// `http://HOST:PORT`: an HTTP proxy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Proxy {
    pub host: Host,
    pub port: u16,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

impl FromStr for Proxy {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let wrong = |why: &str| InvalidValue::Other(format!("is no proxy: {why}"));
        let url: Url = text
            .parse()
            .map_err(|_not_a_url| wrong("write http://HOST:PORT"))?;
        if url.scheme() != "http" {
            return Err(wrong(
                "only http:// is spoken with a proxy; what is asked may be https",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "credentials for a proxy are not known here; allow the worker's address there",
            ));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("nothing may follow the port"));
        }
        let host = url.host().ok_or_else(|| wrong("it has no host"))?;
        Ok(Self {
            host: host.to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
        })
    }
}

/// `HOST` or `HOST:PORT`: where a connection goes instead of where the URL says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectTo {
    /// A name in lower case, or an address.
    pub host: Host,
    /// The URL's own without one.
    pub port: Option<u16>,
}

impl FromStr for ConnectTo {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let wrong = |why: &str| {
            let text: String = text.chars().take(200).collect();
            InvalidValue::Other(format!(
                "{text:?} {why}: write \"10.0.0.7\", \"[::1]:8443\" or \"backend.example.com:8443\""
            ))
        };
        let bare_v6 = text.parse::<std::net::Ipv6Addr>();
        let (host, port) = match (bare_v6.is_ok(), text.rsplit_once(':')) {
            (false, Some((host, port))) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err(wrong("has no port between 1 and 65535")),
        };
        let host = match bare_v6 {
            Ok(address) => Host::Ipv6(address),
            Err(_) => match Host::parse(host) {
                Ok(Host::Domain(name)) if !is_host_name(&name) => return Err(wrong("is no host")),
                Ok(host) => host,
                Err(_not_a_host) => return Err(wrong("is no host")),
            },
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Where a redirect leads is asked as well, or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Redirects {
    pub followed: bool,
    /// The most that are followed, 1 to 10.
    pub most: u8,
}

impl Redirects {
    /// The most that can be asked for.
    pub const MAX: u8 = 10;
}

impl Default for Redirects {
    fn default() -> Self {
        Self {
            followed: true,
            most: Self::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_connect() {
        for (text, shown) in [
            ("10.0.0.7", "10.0.0.7"),
            ("10.0.0.7:81", "10.0.0.7:81"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
            ("[::1]:81", "[::1]:81"),
            ("Backend.Example.com:8443", "backend.example.com:8443"),
        ] {
            let read: ConnectTo = text.parse().unwrap();
            assert_eq!(read.to_string(), shown);
            assert_eq!(shown.parse::<ConnectTo>().unwrap(), read);
        }
        for bad in [
            "",
            ":80",
            "a:0",
            "a:b",
            "a:99999",
            "a b",
            "http://a/",
            "a/b",
            "a..b",
            "-a",
            "*.example.com:80",
        ] {
            assert!(bad.parse::<ConnectTo>().is_err(), "{bad}");
        }
    }
}
