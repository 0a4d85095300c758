//! What is wrong with the TLS of a site or a receiver, in words.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use time::OffsetDateTime;

/// What is wrong, for whoever has to mend it: the library speaks to programmers.
pub fn words(error: &Error, self_signed: bool) -> String {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;
    use rustls::pki_types::ServerName;

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
