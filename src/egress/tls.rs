//! Trust: the provider of cryptography, named rather than found in a global, and the roots
//! that the machine trusts, read once.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tracing::warn;

/// Extra authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("the certificates of the extra authorities cannot be read")]
    Pem(#[source] rustls::pki_types::pem::Error),
    #[error("an extra authority is not a certificate")]
    Certificate(#[source] rustls::Error),
    #[error("the TLS provider has no safe protocol version")]
    Versions(#[source] rustls::Error),
}

/// What every TLS connection of this process shares.
#[derive(Debug, Clone)]
pub struct Trust {
    pub provider: Arc<CryptoProvider>,
    pub roots: Arc<RootCertStore>,
}

impl Trust {
    /// The roots of the machine. None at all is a warning and not an error: checks of plain
    /// HTTP still work, and those of HTTPS say what is missing.
    pub fn native() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = found.errors.first().map(ToString::to_string);
            warn!(
                ignored,
                why = why.as_deref().unwrap_or("none found"),
                "no trusted root certificates on this machine: every HTTPS site will look \
                 untrusted (install ca-certificates, or set SSL_CERT_FILE)"
            );
        }
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            roots: Arc::new(roots),
        }
    }

    /// The authorities of a PEM text, and nobody else.
    pub fn of_authorities(provider: &Arc<CryptoProvider>, pem: &[u8]) -> Result<Self, TrustError> {
        let nobody = Self {
            provider: Arc::clone(provider),
            roots: Arc::new(RootCertStore::empty()),
        };
        nobody.with_authorities(pem)
    }

    /// The same, and the authorities of a PEM text.
    pub fn with_authorities(&self, pem: &[u8]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::clone(&self.roots);
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots
                .add(certificate.map_err(TrustError::Pem)?)
                .map_err(TrustError::Certificate)?;
        }
        Ok(Self {
            provider: Arc::clone(&self.provider),
            roots: Arc::new(roots),
        })
    }

    /// A client's configuration that verifies against these roots and begins every
    /// connection anew: a resumed one would not show its certificate.
    pub fn client_config(&self) -> Result<ClientConfig, TrustError> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Versions)?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}
