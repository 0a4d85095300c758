//! Pages for load balancers and Prometheus.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use tracing::warn;

use super::{ApiState, Call, Trouble};
use crate::model::scope::Scope;
use crate::proto::twirp::{Code, TwirpError};
use crate::serve::respond::{answer_error, respond};
use crate::serve::stream::streamed;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What does not answer within this time is not ready.
const PATIENCE: Duration = Duration::from_secs(3);
/// So long Prometheus itself waits unless told.
const SCRAPE: Duration = Duration::from_secs(10);

/// The process lives.
pub(super) async fn livez() -> Response {
    respond(StatusCode::OK, TEXT, "ok\n")
}

/// What the process needs is there; if not, what is wrong with which.
///
/// Probes that nobody answers and messages that nobody sends are named, but whoever routes calls has no reason
/// to leave this process out: it serves them as well as any other.
pub(super) async fn readyz(State(state): State<Arc<ApiState>>) -> Response {
    let database = match tokio::time::timeout(PATIENCE, state.store.ping()).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => {
            warn!(error = &error as &dyn std::error::Error, "not ready");
            // The reasons behind it may name users and hosts.
            error.to_string()
        }
        Err(_elapsed) => format!("Postgres did not answer within {PATIENCE:?}"),
    };
    let nats = if state.bus.is_connected() {
        "ok"
    } else {
        "NATS is not connected"
    };
    let ready = database == "ok" && nats == "ok";
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let of = |trouble: &Trouble| trouble().unwrap_or_else(|| "ok".to_owned());
    let page = serde_json::json!({
        "ready": ready, "database": database, "nats": nats,
        "probes": of(&state.troubles.probes), "deliveries": of(&state.troubles.deliveries),
    });
    respond(status, JSON, format!("{page}\n"))
}

/// The metrics of this process.
pub(super) async fn metrics(State(state): State<Arc<ApiState>>, request: Parts) -> Response {
    let may = async {
        let call = Call::of(&state, "metrics", &request).await?;
        call.needs(&Scope::Read).await
    };
    if !state.metrics_open
        && let Err(error) = may.await
    {
        return refuse(&error.told("/metrics"));
    }
    let page = Arc::clone(&state.pages).acquire_owned();
    let Ok(Ok(permit)) = tokio::time::timeout(SCRAPE, page).await else {
        let words = "too many read the metrics at once; try again\n";
        return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, words);
    };
    let write = Arc::clone(&state.metrics);
    let body = streamed(move |out| {
        let written = write(out);
        drop(permit);
        written
    });
    respond(StatusCode::OK, OPEN_METRICS, body)
}

/// Why somebody does not get in; with 401, what they can send. A browser asks
/// for a password then.
pub(super) fn refuse(error: &TwirpError) -> Response {
    let mut response = answer_error(error);
    if error.code == Code::Unauthenticated {
        for way in [r#"Basic realm="lokahi""#, r#"Bearer realm="lokahi""#] {
            let way = HeaderValue::from_static(way);
            response.headers_mut().append(WWW_AUTHENTICATE, way);
        }
    }
    response
}
