//! What leaves for the outside: the addresses that may be dialled, the names behind which
//! they are found, trust in TLS, and the client that delivers webhooks. Probes are made by
//! the prober, out of these parts.

pub mod policy;
pub mod resolver;
pub mod tls;
pub mod webhook;

use std::error::Error;

/// An error with its causes, on one line and without repeating itself.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// At most `max` bytes of a text, cut between characters.
pub fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}
