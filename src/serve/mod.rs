//! HTTP from outside: the server, bounded bodies, and answers. What is served
//! is the business of `api`, `hooks` and `cli`.

pub mod server;
pub mod tls;
pub mod body;
pub mod respond;
pub mod receiver;
pub mod canary;
pub mod stream;
