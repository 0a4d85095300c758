//! The HTTP server: bounded connections, a deadline for request headers, and
//! an end that lets calls finish.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::tls::Tls;

/// How many connections are open at once. When there are more, those are closed
/// that have waited longest without asking anything: whoever asks is answered,
/// however many others only hold a connection.
const MOST_CONNECTIONS: usize = 2048;
/// How long a connection may take to send a request's header, or be idle.
const HEADER_PATIENCE: Duration = Duration::from_secs(15);
/// How long a TLS handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long calls may go on after the wish to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Who is at the other end of the connection that a request came by: an
/// extension of each request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub IpAddr);

/// Serves until the token is cancelled, then until the calls have finished;
/// over TLS if there is any.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    token: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let mut open: VecDeque<Open> = VecDeque::new();
    let accepting = async {
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    rest(&error).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            make_room(&mut open);
            let asks = Arc::new(AtomicUsize::new(0));
            let served = Served {
                router: router.clone(),
                peer: Peer(address.ip()),
                asks: Arc::clone(&asks),
            };
            let connection = connection(stream, tls.clone(), served, token.clone());
            let task = connections.spawn(connection);
            open.push_back(Open { task, asks });
        }
    };
    token.run_until_cancelled(accepting).await;
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_PATIENCE, finish).await.is_err() {
        warn!(cut = connections.len(), "calls did not finish in time");
    }
}

/// A connection, and how many requests it has that are not answered yet.
struct Open {
    task: AbortHandle,
    asks: Arc<AtomicUsize>,
}

fn make_room(open: &mut VecDeque<Open>) {
    if open.len() < MOST_CONNECTIONS {
        return;
    }
    open.retain(|connection| !connection.task.is_finished());
    if open.len() < MOST_CONNECTIONS {
        return;
    }
    let idle = |connection: &Open| connection.asks.load(Ordering::Relaxed) == 0;
    if let Some(oldest) = open.iter().position(idle).and_then(|at| open.remove(at)) {
        oldest.task.abort();
        debug!("closed the connection that has waited longest: there are too many");
    }
}

/// A request that is being answered; it ends with this, whatever happens.
struct Asking(Arc<AtomicUsize>);

impl Asking {
    fn new(asks: &Arc<AtomicUsize>) -> Self {
        asks.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(asks))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one connection is served with.
struct Served {
    router: Router,
    peer: Peer,
    asks: Arc<AtomicUsize>,
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    served: Served,
    token: CancellationToken,
) {
    // Answers are small and written whole.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(error = &error as &dyn std::error::Error, "no TCP_NODELAY");
    }
    let Some(tls) = tls else {
        return speak(stream, served, token).await;
    };
    match tokio::time::timeout(HANDSHAKE_PATIENCE, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, served, token).await,
        Ok(Err(error)) => {
            debug!(error = &error as &dyn std::error::Error, "no TLS handshake");
        }
        Err(_elapsed) => debug!("the TLS handshake took too long"),
    }
}

async fn speak<S>(stream: S, served: Served, token: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Served { router, peer, asks } = served;
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let asking = Asking::new(&asks);
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            drop(asking);
            answer
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = token.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        debug!(
            error = &error as &dyn std::error::Error,
            "a connection broke"
        );
    }
}

/// A caller that went away is nothing; out of descriptors, accepting at once
/// again would only spin.
async fn rest(error: &io::Error) {
    let gone = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    );
    if !gone {
        warn!(error = error as &dyn std::error::Error, "cannot accept");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
