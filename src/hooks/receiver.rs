//! Receives events in every form that lokahi and the original send: the Twirp
//! call `github.xe.lokahi.Webhook/Handle` in both encodings, and on any other
//! path the bare message or the envelope `{type, timestamp, data}`. GET /livez says
//! that it is there.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tracing::{debug, warn};

use crate::proto::lokahi::CheckStatus;
use crate::proto::twirp::{Code, Encoding, TwirpError};
use crate::serve::body;
use crate::serve::respond::{answer_error, malformed, respond};

/// The largest event, in bytes.
const MOST: usize = 1024 * 1024;
const HANDLE: &str = "/twirp/github.xe.lokahi.Webhook/Handle";

/// What is done with an event. An error is a failure of whoever is told next:
/// the sender shall try again.
pub(super) type Handle =
    Arc<dyn Fn(CheckStatus) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

pub(super) fn router(handle: Handle) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .fallback(move |request| receive(Arc::clone(&handle), request))
}

async fn receive(handle: Handle, request: Request) -> Response {
    let (encoding, event) = match read(request).await {
        Ok(read) => read,
        Err(error) => {
            debug!("refused a request: {error}");
            return answer_error(&error);
        }
    };
    if let Err(why) = handle(event).await {
        warn!("an event was not passed on: {why}");
        let error = TwirpError::new(Code::Unavailable, why);
        let body = error.to_json();
        return respond(StatusCode::BAD_GATEWAY, Encoding::Json.content_type(), body);
    }
    // The message Nil.
    let body = match encoding {
        Encoding::Protobuf => "",
        Encoding::Json => "{}",
    };
    respond(StatusCode::OK, encoding.content_type(), body)
}

async fn read(request: Request) -> Result<(Encoding, CheckStatus), TwirpError> {
    let path = request.uri().path();
    let bad_route = |why: &str| TwirpError::new(Code::BadRoute, why);
    if path.starts_with("/twirp/") && path != HANDLE {
        return Err(bad_route("only github.xe.lokahi.Webhook/Handle is served"));
    }
    if request.method() != Method::POST {
        return Err(bad_route("events are POSTed"));
    }
    let encoding = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| Encoding::from_content_type(value.to_str().ok()?))
        .ok_or_else(|| bad_route("neither application/protobuf nor application/json"))?;
    let bytes = body::read(request, MOST).await?;
    let event = match encoding {
        Encoding::Protobuf => encoding.decode(&bytes),
        Encoding::Json => match envelope(&bytes) {
            Some(data) => encoding.decode(data.to_string().as_bytes()),
            None => encoding.decode(&bytes),
        },
    };
    Ok((encoding, event.map_err(|error| malformed(&error))?))
}

/// What is in an envelope. The bare message has a `type` too, but no `data`.
fn envelope(bytes: &[u8]) -> Option<Value> {
    let mut json: Value = serde_json::from_slice(bytes).ok()?;
    json.get("type")?.as_str()?;
    let data = json.get_mut("data")?.take();
    data.is_object().then_some(data)
}
