//! Reads request bodies up to a limit and a deadline, and answers what is too
//! large instead of resetting the connection.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt as _;

use crate::proto::twirp::{Code, TwirpError};

/// How long a caller may take to send a body.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a body that is too large is read and thrown away, so that the
/// caller, who is still sending, gets to see the answer.
const DRAINED: usize = 64 * 1024 * 1024;

/// The body of a request, of at most `limit` bytes.
pub async fn read(request: Request, limit: usize) -> Result<Bytes, TwirpError> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let waits = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    let fits = announced.is_none_or(|length| length <= limit as u64);
    if !fits && waits {
        // It asks before it sends: the refusal is enough.
        return Err(too_large(limit));
    }
    let reading = async {
        let mut bytes = Vec::new();
        if fits {
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(broken)?;
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                if bytes.len() + data.len() > limit {
                    drop(bytes);
                    drain(&mut body).await;
                    return Err(too_large(limit));
                }
                bytes.extend_from_slice(&data);
            }
            return Ok(Bytes::from(bytes));
        }
        drain(&mut body).await;
        Err(too_large(limit))
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_elapsed| {
            Err(TwirpError::new(
                Code::DeadlineExceeded,
                format!("the body did not come within {PATIENCE:?}"),
            ))
        })
}

async fn drain(body: &mut Body) {
    let mut drained = 0;
    while drained < DRAINED && !body.is_end_stream() {
        match body.frame().await {
            Some(Ok(frame)) => drained += frame.data_ref().map_or(0, Bytes::len),
            _ => return,
        }
    }
}

fn too_large(limit: usize) -> TwirpError {
    TwirpError::new(
        Code::ResourceExhausted,
        format!("the body is larger than {limit} bytes"),
    )
}

fn broken(error: axum::Error) -> TwirpError {
    TwirpError::new(
        Code::Malformed,
        format!("the body ended before its time: {error}"),
    )
}
