//! HTTP from outside: the server, bounded bodies, and answers. What is served
//! is the business of `api` and `hooks`.

pub mod server;
pub mod tls;
pub mod body;
pub mod respond;
pub mod stream;
