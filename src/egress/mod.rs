//! What leaves for the outside: the addresses that may be dialled, the names behind which
//! they are found, trust in TLS, and the client that delivers webhooks. Probes are made by
//! the prober, out of these parts.

pub mod mistrust;
pub mod policy;
pub mod resolver;
pub mod tls;
pub mod unanswered;
pub mod veil;
pub mod webhook;

/// At most `max` bytes of a text, cut between characters.
pub fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}
