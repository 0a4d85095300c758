//! The HTTP server: bounded connections, a deadline for request headers, and
//! an end that lets calls finish.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::tls::Tls;

/// How many connections are open at once; others wait in the listener's queue.
const MOST_CONNECTIONS: usize = 1024;
/// How long a connection may take to send a request's header, or be idle.
const HEADER_PATIENCE: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long calls may go on after the wish to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Serves until the token is cancelled, then until the calls have finished;
/// over TLS if there is any.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    token: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let accepting = async {
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (router, token) = (router.clone(), token.clone());
                    let connection = connection(stream, tls.clone(), router, token);
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => rest(&error).await,
            }
        }
    };
    token.run_until_cancelled(accepting).await;
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_PATIENCE, finish).await.is_err() {
        warn!(cut = connections.len(), "calls did not finish in time");
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    router: Router,
    token: CancellationToken,
) {
    // Answers are small and written whole.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(error = &error as &dyn std::error::Error, "no TCP_NODELAY");
    }
    let Some(tls) = tls else {
        return speak(stream, router, token).await;
    };
    match tokio::time::timeout(HANDSHAKE_PATIENCE, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, router, token).await,
        Ok(Err(error)) => {
            debug!(error = &error as &dyn std::error::Error, "no TLS handshake");
        }
        Err(_elapsed) => debug!("the TLS handshake took too long"),
    }
}

async fn speak<S>(stream: S, router: Router, token: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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
