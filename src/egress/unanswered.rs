//! Why there is no answer, in the words of whoever asked and not of the client's layers.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::runtime::chain::chain;

/// How long it may take to be connected.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the client's layers say of themselves.
const LAYERS: [&str; 8] = [
    "error sending request: ",
    "error decoding response body: ",
    "request or response body error: ",
    "client error (Connect): ",
    "client error (SendRequest): ",
    "tcp connect error: ",
    "dns error: ",
    "error resolving DNS: ",
];

/// Why there is none within so long, without the URL.
pub fn unanswered(error: reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return match error.is_connect() {
            true => format!("no connection within {CONNECT_TIMEOUT:?}"),
            false => format!("no answer within {timeout:?}"),
        };
    }
    let mut cause = error.source();
    while let Some(it) = cause {
        let io = it.downcast_ref::<io::Error>();
        if let Some(words) = io.and_then(broken) {
            return words.to_owned();
        }
        cause = it.source();
    }
    let is_body = error.is_body() || error.is_decode();
    let whole = chain(&error.without_url());
    let mut said = whole.as_str();
    for layer in LAYERS {
        said = said.strip_prefix(layer).unwrap_or(said);
    }
    if said.contains("InvalidContentType") {
        return "it does not speak TLS".to_owned();
    }
    match is_body {
        true => format!("the answer broke off: {said}"),
        false => said.to_owned(),
    }
}

/// What is wrong with the connection, if that is all.
fn broken(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::ConnectionReset => Some("the connection was reset"),
        _ => None,
    }
}
