//! Receives events in every form that lokahi and the original send: the Twirp call
//! `github.xe.lokahi.Webhook/Handle` in both encodings, and on any other path the bare message
//! or the envelope `{type, timestamp, data}`. GET /livez says that it is there. What is done
//! with an event is the business of whoever receives.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tracing::{debug, warn};

use super::body;
use super::respond::{answer_error, malformed, respond};
use crate::proto::lokahi::CheckStatus;
use crate::proto::twirp::{Code, Encoding, TwirpError};

/// The largest event, in bytes: after days of flapping one has much in `superseded`.
pub const MOST: usize = 4 * 1024 * 1024;
/// The longest that a sender is asked to wait: lokahi waits no longer.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const HANDLE: &str = "/twirp/github.xe.lokahi.Webhook/Handle";

/// What was POSTed.
#[derive(Clone, Debug)]
pub struct Received {
    pub encoding: Encoding,
    /// The bytes as they came: what is signed.
    pub body: Bytes,
    headers: HeaderMap,
}

impl Received {
    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The event, or why the body is none.
    pub fn event(&self) -> Result<CheckStatus, TwirpError> {
        let event = match (self.encoding, &self.body) {
            (Encoding::Protobuf, body) => self.encoding.decode(body),
            (Encoding::Json, body) => match envelope(body) {
                Some(data) => self.encoding.decode(data.to_string().as_bytes()),
                None => self.encoding.decode(body),
            },
        };
        event.map_err(|error| malformed(&error))
    }
}

/// What the sender is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Absent: the message Nil.
    pub error: Option<TwirpError>,
    /// How long the sender is asked to wait, in whole seconds and 10 minutes at most.
    pub retry_after: Option<Duration>,
}

impl Reply {
    /// It was taken.
    pub fn taken() -> Self {
        Self {
            status: 200,
            error: None,
            retry_after: None,
        }
    }
}

impl From<TwirpError> for Reply {
    fn from(error: TwirpError) -> Self {
        Self {
            status: error.code.status(),
            error: Some(error),
            retry_after: None,
        }
    }
}

/// What is done with an event.
pub type Handle = Arc<dyn Fn(Received) -> BoxFuture<'static, Reply> + Send + Sync>;

/// A receiver.
pub fn router(handle: Handle) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .fallback(move |request| receive(Arc::clone(&handle), request))
}

async fn receive(handle: Handle, request: Request) -> Response {
    let received = match read(request).await {
        Ok(received) => received,
        Err(error) if error.code == Code::ResourceExhausted => {
            warn!("refused an event: {}", error.msg);
            // Twirp's own status for it, 429, asks for it again and again.
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return respond(status, Encoding::Json.content_type(), error.to_json());
        }
        Err(error) => {
            debug!("refused a request: {error}");
            return answer_error(&error);
        }
    };
    let encoding = received.encoding;
    let reply = handle(received).await;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(error) = reply.error {
        let mut answer = respond(status, Encoding::Json.content_type(), error.to_json());
        if let Some(wait) = reply.retry_after {
            let seconds = wait.min(LONGEST_WAIT).as_secs();
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        return answer;
    }
    let body = match encoding {
        Encoding::Protobuf => "",
        Encoding::Json => "{}",
    };
    respond(status, encoding.content_type(), body)
}

async fn read(request: Request) -> Result<Received, TwirpError> {
    let path = request.uri().path();
    let bad_route = |why: &str| TwirpError::new(Code::BadRoute, why);
    if path.starts_with("/twirp/") && path != HANDLE {
        return Err(bad_route("only github.xe.lokahi.Webhook/Handle is served"));
    }
    if request.method() != Method::POST {
        return Err(bad_route("events are POSTed"));
    }
    let headers = request.headers().clone();
    let encoding = headers
        .get(CONTENT_TYPE)
        .and_then(|value| Encoding::from_content_type(value.to_str().ok()?))
        .ok_or_else(|| bad_route("neither application/protobuf nor application/json"))?;
    Ok(Received {
        encoding,
        body: body::read(request, MOST).await?,
        headers,
    })
}

/// What is in an envelope. The bare message has a `type` too, but no `data`.
fn envelope(bytes: &[u8]) -> Option<Value> {
    let mut json: Value = serde_json::from_slice(bytes).ok()?;
    json.get("type")?.as_str()?;
    let data = json.get_mut("data")?.take();
    data.is_object().then_some(data)
}
