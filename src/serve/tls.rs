//! TLS for what we serve. The files are read again when they change, so that a
//! renewed certificate needs no restart; one that cannot be read leaves the
//! last good one in force.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::clock;

/// How often the files are looked at, when somebody connects.
const LOOK: Duration = Duration::from_secs(5);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} has no PEM certificate or key that can be read")]
    Pem {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    #[error("the certificate and the key cannot be used together")]
    Config(#[source] rustls::Error),
}

/// A certificate and its key, in files.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    stamp: Stamp,
    looked: Instant,
}

/// When the two files were written.
type Stamp = [SystemTime; 2];

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current")
            .field("stamp", &self.stamp)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// The files must be good at the start.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let stamp = stamp(&certificate, &key)?;
        let acceptor = load(&certificate, &key)?;
        let current = Mutex::new(Current {
            acceptor,
            stamp,
            looked: clock::monotonic(),
        });
        Ok(Self {
            certificate,
            key,
            current,
        })
    }

    /// What accepts the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK {
            current.looked = clock::monotonic();
            match self.renewed(current.stamp) {
                Ok(None) => {}
                Ok(Some((acceptor, stamp))) => {
                    info!(certificate = %self.certificate.display(), "the certificate was renewed");
                    (current.acceptor, current.stamp) = (acceptor, stamp);
                }
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "the renewed certificate cannot be used; the last one stays in force"
                ),
            }
        }
        current.acceptor.clone()
    }

    fn renewed(&self, before: Stamp) -> Result<Option<(TlsAcceptor, Stamp)>, TlsError> {
        let stamp = stamp(&self.certificate, &self.key)?;
        if stamp == before {
            return Ok(None);
        }
        Ok(Some((load(&self.certificate, &self.key)?, stamp)))
    }
}

fn stamp(certificate: &PathBuf, key: &PathBuf) -> Result<Stamp, TlsError> {
    let written = |path: &PathBuf| {
        std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .map_err(|source| TlsError::File(path.clone(), source))
    };
    Ok([written(certificate)?, written(key)?])
}

fn load(certificate: &PathBuf, key: &PathBuf) -> Result<TlsAcceptor, TlsError> {
    let unreadable = |path: &PathBuf| {
        let path = path.clone();
        move |source| TlsError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(certificate))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(TlsError::Config)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
