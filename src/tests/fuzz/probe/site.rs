//! The site that follows a script, and is gone when the probe has ended.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::script::{Connection, Script, Step};
use super::spoiled::Spoiled;

/// An address of this machine where nobody else is.
pub(super) const HOST: &str = "127.83.0.1";

/// How long more of a request is waited for.
const MOMENT: Duration = Duration::from_millis(5);

/// Who the site is, over TLS.
#[derive(Clone)]
pub(super) struct Keys {
    certificate: Vec<u8>,
    key: Arc<dyn SigningKey>,
}

impl Keys {
    pub(super) fn new() -> Self {
        let names = [HOST.to_owned(), "site.test".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        Self {
            certificate: made.cert.der().to_vec(),
            key: any_supported_type(&key).unwrap(),
        }
    }

    fn acceptor(&self, connection: &Connection, old: bool, h2: bool) -> TlsAcceptor {
        let mut certificate = self.certificate.clone();
        if let Some(spoil) = connection.certificate {
            spoil.of(&mut certificate);
        }
        let shown = vec![CertificateDer::from(certificate)];
        let shown = CertifiedKey::new(shown, Arc::clone(&self.key));
        let versions = if old { [&TLS12] } else { [&TLS13] };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        if h2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        TlsAcceptor::from(Arc::new(config))
    }
}

pub(super) struct Site {
    listener: TcpListener,
    address: SocketAddr,
}

impl Site {
    pub(super) async fn bind() -> Self {
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// Its host and port.
    pub(super) fn name(&self) -> String {
        self.address.to_string()
    }

    /// What comes of something while the site follows its script.
    pub(super) async fn serving<T>(
        self,
        script: Script,
        keys: &Keys,
        during: impl Future<Output = T>,
    ) -> T {
        let mut running = JoinSet::new();
        let connections: Vec<_> = script.connections.into_iter().map(Arc::new).collect();
        let mut during = std::pin::pin!(during);
        let mut number = 0;
        let ended = loop {
            tokio::select! {
                ended = &mut during => break ended,
                accepted = self.listener.accept() => {
                    let (tcp, _) = accepted.unwrap();
                    let own = connections.get(number).or(connections.last());
                    let (own, keys) = (Arc::clone(own.unwrap()), keys.clone());
                    running.spawn(async move { follow(&own, tcp, &keys).await });
                    number += 1;
                }
            }
        };
        running.shutdown().await;
        ended
    }
}

/// What a step speaks over.
trait Stream: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for Spoiled {
    fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl Stream for TlsStream<Spoiled> {
    fn tcp(&self) -> &TcpStream {
        &self.get_ref().0.tcp
    }
}

/// What goes wrong here is the prober's good right: it may leave when it likes.
async fn follow(connection: &Connection, tcp: TcpStream, keys: &Keys) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut plain = Spoiled::new(tcp, connection.spoil);
    let mut steps = connection.steps.iter();
    let mut asked = Vec::new();
    match speak(&mut plain, &mut steps, &mut asked).await? {
        Some((old, h2)) => {
            let acceptor = keys.acceptor(connection, old, h2);
            let mut secure = acceptor.accept(plain).await?;
            // It does not begin twice.
            while speak(&mut secure, &mut steps, &mut asked).await?.is_some() {}
            end(&mut secure).await
        }
        None => end(&mut plain).await,
    }
}

/// Goes on until TLS is to begin, or the script is at its end.
async fn speak(
    stream: &mut impl Stream,
    steps: &mut std::slice::Iter<'_, Step>,
    asked: &mut Vec<u8>,
) -> io::Result<Option<(bool, bool)>> {
    for step in steps {
        match step {
            Step::Read => {
                let mut buffer = [0; 4096];
                let length = match asked.is_empty() {
                    true => stream.read(&mut buffer).await?,
                    // Most have said everything at once.
                    false => {
                        let more = tokio::time::timeout(MOMENT, stream.read(&mut buffer));
                        more.await.unwrap_or(Ok(0))?
                    }
                };
                asked.extend_from_slice(&buffer[..length]);
            }
            Step::Say { bytes, times } => {
                for _ in 0..*times {
                    stream.write_all(bytes).await?;
                }
                stream.flush().await?;
            }
            Step::Echo => {
                stream.write_all(asked).await?;
                stream.flush().await?;
            }
            Step::Wait(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
            }
            Step::Drip => loop {
                stream.write_all(b"x").await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            },
            Step::Hang => std::future::pending().await,
            Step::Reset => {
                stream.tcp().set_zero_linger()?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Step::Tls { old, h2 } => return Ok(Some((*old, *h2))),
        }
    }
    Ok(None)
}

/// Says that nothing will come any more, and hears the other side out.
async fn end(stream: &mut impl Stream) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(stream, &mut tokio::io::sink()).await?;
    Ok(())
}
