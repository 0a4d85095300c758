//! Why there is no answer, in the words of whoever asked and not of the client's layers.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use crate::runtime::chain::chain;

/// What the client's layers say of themselves.
const LAYERS: [&str; 4] = [
    "error sending request: ",
    "client error (Connect): ",
    "client error (SendRequest): ",
    "tcp connect error: ",
];

/// Why there is none within so long, without the URL.
pub fn unanswered(error: reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() && !error.is_connect() {
        return format!("no answer within {timeout:?}");
    }
    let mut cause = error.source();
    while let Some(it) = cause {
        let io = it.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return "connection refused".to_owned();
        }
        cause = it.source();
    }
    let whole = chain(&error.without_url());
    let mut said = whole.as_str();
    for layer in LAYERS {
        said = said.strip_prefix(layer).unwrap_or(said);
    }
    said.to_owned()
}
