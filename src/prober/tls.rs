//! TLS of a probe: verified as a browser would, always a full handshake, and the end of the
//! shown certificates is recorded also when they are refused.

use std::io;
use std::pin::Pin;

use rustls::pki_types::{CertificateDer, ServerName};
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
use crate::egress::mistrust::words;
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
