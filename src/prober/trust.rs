//! Whom a probe trusts: the machine's authorities, or those that a check names. What is shown
//! is looked at also when it is refused.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};
use time::OffsetDateTime;

use super::failure::Failure;
use super::tls::{earliest_end, is_self_signed};
use crate::egress::mistrust::words;
use crate::egress::tls::{Trust, TrustError};
use crate::files::secrets::Secret;
use crate::model::dial::HttpVersion;
use crate::model::observation::ErrorClass;
use crate::model::tls::{Certificates, TlsSpec, TlsVersion};
use crate::runtime::chain::chain;

/// The configuration of all checks that say nothing of TLS.
pub(super) fn shared(trust: &Trust) -> Result<Arc<ClientConfig>, TrustError> {
    let config = trust.client_config()?;
    Ok(complete(config, trust, true, None))
}

/// The configuration of a check with something of its own. The key is PEM.
pub(super) fn config_of(
    trust: &Trust,
    spec: &TlsSpec,
    version: Option<HttpVersion>,
    key: Option<&str>,
) -> Result<Arc<ClientConfig>, Failure> {
    let unusable = |what: &str, error: &dyn std::error::Error| {
        Failure::internal(format!("tls.{what} cannot be used: {}", chain(error)))
    };
    let trust = match &spec.authorities {
        Some(pem) => Trust::of_authorities(&trust.provider, pem.as_str().as_bytes())
            .map_err(|error| unusable("ca", &error))?,
        None => trust.clone(),
    };
    let versions: &[_] = match spec.min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&trust.provider))
        .with_protocol_versions(versions)
        .map_err(|error| unusable("min_version", &error))?
        .with_root_certificates(Arc::clone(&trust.roots));
    let mut config = match (&spec.certificate, key) {
        (Some(certificate), Some(key)) => {
            let chain = parsed(certificate).map_err(|error| unusable("cert", &error))?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|error| unusable("key", &error))?;
            let made = builder.with_client_auth_cert(chain, key);
            made.map_err(|error| match error {
                Error::InconsistentKeys(_) => {
                    Failure::internal("tls.key cannot be used: it is not that of tls.cert")
                }
                Error::InvalidCertificate(_) => {
                    let why = words(&error, false);
                    Failure::internal(format!("tls.cert cannot be used: {why}"))
                }
                error => unusable("key", &error),
            })?
        }
        _ => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(complete(config, &trust, spec.verified, version))
}

/// A key that is a secret cannot be used.
pub(super) fn of_key(secret: &Secret, failure: Failure) -> Failure {
    match failure.detail.starts_with("tls.key") {
        true => Failure {
            class: ErrorClass::SecretMissing,
            detail: format!("{} as {}", secret.name, failure.detail),
        },
        false => failure,
    }
}

fn parsed(
    certificates: &Certificates,
) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(certificates.as_str().as_bytes()).collect()
}

fn complete(
    mut config: ClientConfig,
    trust: &Trust,
    verified: bool,
    version: Option<HttpVersion>,
) -> Arc<ClientConfig> {
    let offered: &[&[u8]] = match version {
        None => &[b"h2", b"http/1.1"],
        Some(HttpVersion::V1_1) => &[b"http/1.1"],
        Some(HttpVersion::V2) => &[b"h2"],
    };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    let builder = WebPkiServerVerifier::builder_with_provider(
        Arc::clone(&trust.roots),
        Arc::clone(&trust.provider),
    );
    config
        .dangerous()
        .set_certificate_verifier(Arc::new(Recorder {
            provider: Arc::clone(&trust.provider),
            verified,
            // It cannot be built without a root; then nobody is trusted.
            verifier: builder.build().ok(),
        }));
    Arc::new(config)
}

/// Why certificates were refused, and when they end: the error is the only way out of a
/// verifier that many probes share.
#[derive(Debug, thiserror::Error)]
#[error("the certificate was refused")]
pub(super) struct Refused {
    pub(super) ends: Option<OffsetDateTime>,
    pub(super) self_signed: bool,
    #[source]
    pub(super) why: Error,
}

#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    /// Whether it must be good.
    verified: bool,
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.verified {
            return Ok(ServerCertVerified::assertion());
        }
        let verdict = match &self.verifier {
            Some(verifier) => verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        verdict.map_err(|why| {
            let shown = std::iter::once(end_entity).chain(intermediates);
            let ends = earliest_end(shown);
            let refused = Refused {
                ends,
                self_signed: is_self_signed(end_entity),
                why,
            };
            CertificateError::Other(OtherError(Arc::new(refused))).into()
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
