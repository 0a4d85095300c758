//! TLS of a probe: verified as a browser would, always a full handshake, and the end of the
//! shown certificates is recorded also when they are refused.

use std::io;
use std::pin::Pin;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, OtherError};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::connect::within;
use super::evidence::Certificate;
use super::failure::Failure;
use super::probe::Trace;
use super::trust::Refused;
use crate::clock;
use crate::model::dial::HttpVersion;
use crate::model::observation::ErrorClass;
use crate::runtime::chain::chain;

/// The TLS session over a connection, or why there is none.
pub(super) async fn handshake(
    connector: &TlsConnector,
    name: ServerName<'static>,
    stream: TcpStream,
    trace: &mut Trace,
    deadline: Pin<&mut Sleep>,
) -> Result<TlsStream<TcpStream>, Failure> {
    // The last message of the handshake and the request are two small writes.
    stream.set_nodelay(true).ok();
    let begun = clock::monotonic();
    let result = within(deadline, connector.connect(name, stream)).await;
    trace.phases.tls += clock::monotonic().duration_since(begun);
    match result {
        None => Err(Failure::new(
            ErrorClass::TlsTimeout,
            "the TLS handshake did not end in time",
        )),
        Some(Err(error)) => Err(of_handshake(&error, trace)),
        Some(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
            trace.certificate_shown(certificate(shown));
            Ok(stream)
        }
    }
}

/// What is spoken over a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What both sides have agreed upon (RFC 7301), if that is what is wanted.
pub(super) fn protocol(
    stream: &TlsStream<TcpStream>,
    wanted: Option<HttpVersion>,
) -> Result<Protocol, Failure> {
    let agreed = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    match (wanted, agreed) {
        (Some(HttpVersion::V2), Protocol::Http1) => {
            let detail = "it does not offer HTTP/2, which the check asks for";
            Err(Failure::new(ErrorClass::Protocol, detail))
        }
        _ => Ok(agreed),
    }
}

/// Whom the site's certificate must name: what the check says, or the URL's host.
pub(super) fn server_name(said: Option<&str>, url: &Url) -> Result<ServerName<'static>, Failure> {
    if let Some(said) = said {
        return ServerName::try_from(said.to_owned())
            .map_err(|error| Failure::internal(format!("tls.server_name: {error}")));
    }
    match url.host() {
        Some(Host::Ipv4(v4)) => Ok(ServerName::IpAddress(v4.into())),
        Some(Host::Ipv6(v6)) => Ok(ServerName::IpAddress(v6.into())),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name).to_owned();
            ServerName::try_from(name).map_err(|error| {
                Failure::new(
                    ErrorClass::TlsName,
                    format!("no certificate can name this host: {error}"),
                )
            })
        }
        None => Err(Failure::internal("the URL has no host")),
    }
}

fn of_handshake(error: &io::Error, trace: &mut Trace) -> Failure {
    let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    else {
        let detail = format!("the TLS handshake was broken off: {}", chain(error));
        return Failure::new(ErrorClass::TlsHandshake, detail);
    };
    if let Error::InvalidCertificate(CertificateError::Other(OtherError(other))) = tls
        && let Some(refused) = other.downcast_ref::<Refused>()
    {
        trace.certificate_ends(refused.ends);
        let why = words(&refused.why, refused.self_signed);
        return Failure::new(class_of(&refused.why), why);
    }
    Failure::new(class_of(tls), words(tls, false))
}

/// The site's refusal of us where it comes in place of the answer: in TLS 1.3 we are through
/// with the handshake before the site has looked at our certificate.
pub(super) fn refusal(error: &io::Error) -> Option<Failure> {
    let tls = error.get_ref()?.downcast_ref::<Error>()?;
    matches!(tls, Error::AlertReceived(_)).then(|| Failure::new(class_of(tls), words(tls, false)))
}

/// What is wrong, for whoever has to mend it: the library speaks to programmers.
pub(super) fn words(error: &Error, self_signed: bool) -> String {
    use CertificateError as Certificate;
    let day = |at: UnixTime| {
        let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds)
            .map_or_else(|_| "long ago".to_owned(), |at| at.date().to_string())
    };
    match error {
        Error::InvalidCertificate(why) => match why {
            Certificate::Expired => "the certificate has expired".to_owned(),
            Certificate::ExpiredContext { not_after, .. } => {
                format!("the certificate expired on {}", day(*not_after))
            }
            Certificate::NotValidYet => "the certificate is not valid yet".to_owned(),
            Certificate::NotValidYetContext { not_before, .. } => {
                format!("the certificate is not valid before {}", day(*not_before))
            }
            Certificate::NotValidForName => "the certificate is for another name".to_owned(),
            Certificate::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                "the certificate names no host: it has no subjectAltName, and its common name (CN) \
                 does not count"
                    .to_owned()
            }
            Certificate::NotValidForNameContext { presented, .. } => {
                let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
                format!("the certificate is for {}", names.join(", "))
            }
            // A certificate that vouches for itself is one that may vouch for
            // others, or looks like it.
            Certificate::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
                let what = match self_signed {
                    true => "self-signed, and may sign others (CA:TRUE)",
                    false => "one of a CA, and may sign others (CA:TRUE)",
                };
                format!(
                    "the certificate is {what}: no site is believed with such a one, not even where \
                     it stands in `tls {{ ca }}`. Let it sign one for the site, or make the site's \
                     own with basicConstraints CA:FALSE"
                )
            }
            Certificate::Other(other) if other.to_string() == "UnsupportedCertVersion" => {
                "the certificate is of X.509 version 1, as openssl makes it without extensions, and \
                 no browser believes it. Make one of version 3, with a subjectAltName"
                    .to_owned()
            }
            Certificate::BadEncoding => "the certificate is damaged: it cannot be read".to_owned(),
            Certificate::UnhandledCriticalExtension => {
                "the certificate has a critical extension that is not known here".to_owned()
            }
            Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
                "the certificate is not one for a server: its extendedKeyUsage has no serverAuth"
                    .to_owned()
            }
            // Of all that are trusted here one has the name of its issuer, and not its key.
            Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
            | Certificate::UnsupportedSignatureAlgorithmContext { .. }
            | Certificate::BadSignature
                if self_signed =>
            {
                "the certificate is self-signed".to_owned()
            }
            Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                "the certificate was not signed by the issuer that it names, as far as that one is \
                 trusted here: its key is of another kind, or of one that is not known"
                    .to_owned()
            }
            Certificate::UnsupportedSignatureAlgorithmContext { .. } => {
                "the certificate is signed in a way that is not believed here, as SHA-1 is not"
                    .to_owned()
            }
            Certificate::UnknownIssuer if self_signed => {
                "the certificate is self-signed".to_owned()
            }
            Certificate::UnknownIssuer => {
                "the certificate's issuer is not trusted here, or the site does not send the \
                 certificates between"
                    .to_owned()
            }
            Certificate::BadSignature => {
                "the certificate was not signed by the issuer that it names".to_owned()
            }
            Certificate::Revoked => "the certificate was revoked".to_owned(),
            Certificate::Other(other) => {
                let why = spaced(&other.to_string());
                format!("the certificate cannot be used: {why}")
            }
            why => format!("the certificate cannot be used: {}", spaced(&why.to_string())),
        },
        Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it offers no version of HTTP that the check asks for".to_owned()
        }
        Error::AlertReceived(alert) => {
            format!("it refused the TLS handshake: {}", spaced(&format!("{alert:?}")))
        }
        Error::PeerIncompatible(_) => {
            format!("it speaks no TLS that can be used: {error}")
        }
        error => error.to_string(),
    }
}

/// `InvalidCaPath` as words: invalid ca path. What is no such name stays as it is.
fn spaced(name: &str) -> String {
    if name.is_empty() || !name.chars().all(|it| it.is_ascii_alphanumeric()) {
        return name.to_owned();
    }
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// The name in `DnsName("example.com")` or `IpAddress(192.0.2.1)`.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, inner)| inner.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn class_of(error: &Error) -> ErrorClass {
    use CertificateError as Certificate;
    match error {
        Error::InvalidCertificate(why) => match why {
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. } => ErrorClass::TlsExpired,
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                ErrorClass::TlsName
            }
            _ => ErrorClass::TlsUntrusted,
        },
        // RFC 7301, section 3.2: some servers say so, others speak the version they have.
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => ErrorClass::Protocol,
        _ => ErrorClass::TlsHandshake,
    }
}

fn certificate(shown: &[CertificateDer<'_>]) -> Option<Certificate> {
    let (_, own) = X509Certificate::from_der(shown.first()?).ok()?;
    Some(Certificate {
        not_after: earliest_end(shown.iter())?,
        issuer: own.issuer().to_string(),
    })
}

pub(super) fn earliest_end<'a>(
    shown: impl Iterator<Item = &'a CertificateDer<'a>>,
) -> Option<OffsetDateTime> {
    shown
        .filter_map(|der| {
            let (_, certificate) = X509Certificate::from_der(der).ok()?;
            Some(certificate.validity().not_after.to_datetime())
        })
        .min()
}

/// Whether a certificate names itself as its issuer.
pub(super) fn is_self_signed(der: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(der)
        .is_ok_and(|(_, certificate)| certificate.issuer() == certificate.subject())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Inner(&'static str);

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let other = |name| CertificateError::Other(OtherError(Arc::new(Inner(name))));
        for (why, expected) in [
            (other("UnsupportedCertVersion"), "of X.509 version 1"),
            (
                other("MaximumPathDepthExceeded"),
                "used: maximum path depth exceeded",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: ServerName::try_from("localhost").unwrap(),
                    presented: Vec::new(),
                },
                "names no host: it has no subjectAltName",
            ),
            (CertificateError::InvalidPurpose, "no serverAuth"),
        ] {
            let said = words(&Error::InvalidCertificate(why), false);
            assert!(said.contains(expected), "{said}");
        }
        let refused = Error::AlertReceived(AlertDescription::HandshakeFailure);
        let said = words(&refused, false);
        assert_eq!(said, "it refused the TLS handshake: handshake failure");
    }
}
