//! Answers, and errors in Twirp's form.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use crate::proto::twirp::{Code, Encoding, TwirpError};
use crate::runtime::chain::chain;

/// What a body that cannot be read is answered with; its chain of reasons is
/// the caller's own text.
pub fn malformed(error: &dyn std::error::Error) -> TwirpError {
    TwirpError::new(
        Code::Malformed,
        chain(error).chars().take(1000).collect::<String>(),
    )
}

/// The answer that carries an error.
pub fn answer_error(error: &TwirpError) -> Response {
    let status = StatusCode::from_u16(error.code.status());
    respond(
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        Encoding::Json.content_type(),
        error.to_json(),
    )
}

/// An answer.
pub fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
