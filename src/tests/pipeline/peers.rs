//! What stands around lokahi in a story: a site that goes down when it is told
//! to, and a receiver that remembers what it got.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use lokahi::proto::lokahi::CheckStatus;

/// A site under our thumb.
pub(super) struct Site {
    pub(super) url: String,
    up: Arc<AtomicBool>,
    pub(super) asked: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Site {
    pub(super) async fn start() -> Self {
        let (up, asked) = (
            Arc::new(AtomicBool::new(true)),
            Arc::new(AtomicUsize::new(0)),
        );
        let state = (Arc::clone(&up), Arc::clone(&asked));
        let router = Router::new()
            .fallback(
                async |State((up, asked)): State<(Arc<AtomicBool>, Arc<AtomicUsize>)>| {
                    asked.fetch_add(1, Ordering::SeqCst);
                    if up.load(Ordering::SeqCst) {
                        (StatusCode::OK, "all is well")
                    } else {
                        (StatusCode::INTERNAL_SERVER_ERROR, "nothing is well")
                    }
                },
            )
            .with_state(state);
        let (url, server) = serve(router).await;
        Self {
            url,
            up,
            asked,
            server,
        }
    }

    pub(super) fn set(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }
}

/// One attempt, as the receiver got it.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) id: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) answered: u16,
}

impl Received {
    /// The event, from protobuf.
    pub(super) fn event(&self) -> CheckStatus {
        CheckStatus::decode(self.body.as_slice()).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// A receiver that remembers everything.
pub(super) struct Receiver {
    pub(super) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Memory {
    received: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// One that takes what is sent there.
    pub(super) fn at(listener: TcpListener) -> Self {
        let memory = Memory {
            received: Arc::default(),
            status: Arc::new(AtomicU16::new(200)),
        };
        let router = Router::new().fallback(remember).with_state(memory.clone());
        let (url, server) = serve_at(listener, router);
        Self {
            url,
            received: memory.received,
            status: memory.status,
            server,
        }
    }

    /// What it answers from now on.
    pub(super) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What it said 200 to, each event once, in the order of the first time.
    pub(super) fn taken(&self) -> Vec<Received> {
        let mut seen = Vec::new();
        for received in self.received() {
            if received.answered == 200 && !seen.iter().any(|s: &Received| s.id == received.id) {
                seen.push(received);
            }
        }
        seen
    }
}

async fn remember(
    State(memory): State<Memory>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let answered = memory.status.load(Ordering::SeqCst);
    let id = headers
        .get("webhook-id")
        .map_or("", |id| id.to_str().unwrap())
        .to_owned();
    let received = Received {
        id,
        headers,
        body: body.to_vec(),
        answered,
    };
    memory.received.lock().unwrap().push(received);
    // Whatever a receiver says must not matter, not even what cannot be stored as text.
    (StatusCode::from_u16(answered).unwrap(), "taken\0")
}

pub(super) async fn serve(router: Router) -> (String, JoinHandle<()>) {
    serve_at(TcpListener::bind("127.0.0.1:0").await.unwrap(), router)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the story's own servers end with it"
)]
fn serve_at(listener: TcpListener, router: Router) -> (String, JoinHandle<()>) {
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, server)
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}
