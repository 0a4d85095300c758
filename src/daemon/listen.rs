//! Where the API listens, and whether that is safe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tracing::warn;

use super::settings::{Listen, given};
use crate::serve::tls::Tls;

/// The port of the API unless another is named.
pub(super) const PORT: u16 = 24253;
/// The password of the first example: everybody knows it.
const WELL_KNOWN: &str = "AzureDiamond:hunter2";

/// The address of the API. Without a password it is this machine only, unless
/// that is asked for in so many words.
pub(super) fn address(settings: &Listen) -> anyhow::Result<SocketAddr> {
    let userpass = given(settings.userpass.as_deref());
    let address = match given(settings.listen.as_deref()) {
        Some(text) => text.parse::<SocketAddr>().with_context(|| {
            format!("LISTEN={text:?} is not ADDRESS:PORT, e.g. 127.0.0.1:{PORT}")
        })?,
        None => {
            let everywhere = userpass.is_some() || settings.allow_anonymous;
            let ip = if settings.port.is_some() && everywhere {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            } else {
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            };
            SocketAddr::new(ip, settings.port.unwrap_or(PORT))
        }
    };
    if is_loopback(address.ip()) {
        return Ok(address);
    }
    match userpass {
        None if !settings.allow_anonymous => bail!(
            "refusing to serve the API on {address} without a password\n\
             hint: set USERPASS=user:password, listen on 127.0.0.1, or say --allow-anonymous"
        ),
        None => warn!(%address, "the API is open to everyone who reaches it"),
        Some(WELL_KNOWN) => warn!(
            %address,
            "the API is reachable from elsewhere with the password of the documentation; change USERPASS"
        ),
        Some(_) => {}
    }
    Ok(address)
}

/// The certificate of the API, if it has one.
pub(super) fn tls(settings: &Listen) -> anyhow::Result<Option<Arc<Tls>>> {
    let (Some(certificate), Some(key)) = (&settings.tls_cert, &settings.tls_key) else {
        return Ok(None);
    };
    let tls = Tls::new(certificate.clone(), key.clone()).context("TLS_CERT and TLS_KEY")?;
    Ok(Some(Arc::new(tls)))
}

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip == Ipv6Addr::LOCALHOST || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(
        listen: &str,
        port: Option<u16>,
        userpass: &str,
        anonymous: bool,
    ) -> Result<String, String> {
        let settings = Listen {
            listen: Some(listen.to_owned()),
            port,
            userpass: Some(userpass.to_owned()),
            allow_anonymous: anonymous,
            metrics_open: false,
            tls_cert: None,
            tls_key: None,
        };
        address(&settings)
            .map(|a| a.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn safe_by_default() {
        assert_eq!(listen("", None, "", false).unwrap(), "127.0.0.1:24253");
        assert_eq!(listen("", Some(8), "", false).unwrap(), "127.0.0.1:8");
        assert_eq!(listen("", Some(8), "a:b", false).unwrap(), "0.0.0.0:8");
        assert_eq!(listen("", Some(8), "", true).unwrap(), "0.0.0.0:8");
        assert_eq!(listen("[::1]:8", None, "", false).unwrap(), "[::1]:8");
        assert_eq!(
            listen("10.0.0.1:8", None, "a:b", false).unwrap(),
            "10.0.0.1:8"
        );
        assert!(
            listen("10.0.0.1:8", None, "", false)
                .unwrap_err()
                .contains("without a password")
        );
        assert!(
            listen("8080", None, "", false)
                .unwrap_err()
                .contains("ADDRESS:PORT")
        );
    }
}
