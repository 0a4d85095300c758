//! Authorities that are made for a story, and sites with certificates of theirs.

use std::sync::Arc;

use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::Resolver;
use lokahi::egress::tls::Trust;
use lokahi::prober::probe::ProbeContext;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::site::{OK, Site, request};

pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(super) fn context(&self) -> ProbeContext {
        let trust = Trust::native()
            .with_authorities(self.pem.as_bytes())
            .unwrap();
        let resolver = Arc::new(Resolver::with_servers(&[], ""));
        ProbeContext::new(resolver, AddressPolicy::default(), &trust).unwrap()
    }
}

/// A site over TLS for a name, with a certificate until a year.
pub(super) async fn site(authority: Option<&Authority>, name: &str, until: i32) -> Site {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    site_of(params, authority).await
}

pub(super) async fn site_of(params: CertificateParams, authority: Option<&Authority>) -> Site {
    serving(config_of(&params, authority)).await
}

/// What a site shows a certificate with.
pub(super) fn config_of(params: &CertificateParams, authority: Option<&Authority>) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let certificate = match authority {
        Some(authority) => params.signed_by(&key, &authority.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    showing(certificate.der(), &key)
}

pub(super) fn showing(certificate: &CertificateDer<'_>, key: &KeyPair) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.clone().into_owned()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap()
}

/// A site that answers everyone who gets through the handshake.
pub(super) async fn serving(config: ServerConfig) -> Site {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Site::start(move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                request(&mut stream).await;
                stream.write_all(OK.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }
    })
    .await
}
