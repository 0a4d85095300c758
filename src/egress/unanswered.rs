//! Why there is no answer, in the words of whoever asked and not of the client's layers.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use super::mistrust;
use crate::runtime::chain::chain;

/// How long it may take to be connected.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the client's layers say of themselves.
const LAYERS: [&str; 8] = [
    "error sending request: ",
    "error decoding response body: ",
    "request or response body error: ",
    "client error (Connect): ",
    "client error (SendRequest): ",
    "tcp connect error: ",
    "dns error: ",
    "error resolving DNS: ",
];

/// Why there is none within so long, without the URL.
pub fn unanswered(error: reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return match error.is_connect() {
            true => format!("no connection within {CONNECT_TIMEOUT:?}"),
            false => format!("no answer within {timeout:?}"),
        };
    }
    let mut cause = error.source();
    while let Some(it) = cause {
        let io = it.downcast_ref::<io::Error>();
        if let Some(words) = io.and_then(broken) {
            return words.to_owned();
        }
        if let Some(tls) = io.and_then(of_tls) {
            return mistrusted(tls);
        }
        cause = it.source();
    }
    let is_body = error.is_body() || error.is_decode();
    let whole = chain(&error.without_url());
    let mut said = whole.as_str();
    for layer in LAYERS {
        said = said.strip_prefix(layer).unwrap_or(said);
    }
    match is_body {
        true => format!("the answer broke off: {said}"),
        false => said.to_owned(),
    }
}

/// What went wrong with TLS, if it did: it is in the error and not below it, and that may be in
/// another one.
fn of_tls(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    match inner.downcast_ref::<io::Error>() {
        Some(inner) => of_tls(inner),
        None => inner.downcast_ref(),
    }
}

/// What is wrong with its TLS. Whether a certificate that nobody vouches for is its own issuer is
/// not known here.
fn mistrusted(error: &rustls::Error) -> String {
    use CertificateError as Certificate;
    let words = match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => {
            "the certificate is self-signed, or its issuer is not trusted here, or the certificates \
             between are not sent: SSL_CERT_FILE names a PEM file of the authorities to trust"
        }
        rustls::Error::InvalidCertificate(Certificate::Other(other))
            if other.to_string() == "CaUsedAsEndEntity" =>
        {
            "the certificate is self-signed, most likely, and may sign others (CA:TRUE): nobody is \
             believed with such a one. Let it sign one for the host, and name it in SSL_CERT_FILE, \
             a PEM file of the authorities to trust"
        }
        error => return mistrust::words(error, false),
    };
    words.to_owned()
}

/// What is wrong with the connection, if that is all.
fn broken(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::ConnectionReset => Some("the connection was reset"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::UnixTime;

    use super::*;

    #[test]
    fn a_certificate_that_is_not_believed_is_told_in_words() {
        use CertificateError as Certificate;
        #[derive(Debug, thiserror::Error)]
        #[error("CaUsedAsEndEntity")]
        struct Authority;
        let authority = rustls::OtherError(std::sync::Arc::new(Authority));
        for (why, words) in [
            (Certificate::UnknownIssuer, "SSL_CERT_FILE names a PEM file"),
            (
                Certificate::Other(authority),
                "most likely, and may sign others",
            ),
            (
                Certificate::ExpiredContext {
                    time: UnixTime::since_unix_epoch(Duration::from_secs(1_796_052_174)),
                    not_after: UnixTime::since_unix_epoch(Duration::from_secs(1_793_431_200)),
                },
                "the certificate expired on 2026-10-31",
            ),
        ] {
            let said = mistrusted(&rustls::Error::InvalidCertificate(why));
            assert!(said.contains(words), "{said}");
        }
    }
}
