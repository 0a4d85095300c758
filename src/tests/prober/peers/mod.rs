//! The prober against servers that nobody here wrote: nginx, nghttp2's server, `openssl
//! s_server`, dnsmasq, and the packet filter of a network namespace.
//!
//! What a probe must be true to, and the file in which a stranger says so:
//!
//! | | |
//! | --- | --- |
//! | connection, close, retries | `nginx`: a connection and a handshake for each probe, one request, an orderly end; `http2`: a GOAWAY |
//! | DNS | `names` |
//! | phases, deadline | `nginx`; `names` for the lookup; `namespace` for what never comes |
//! | body, redirects, request, assertions | `nginx`; `http2` |
//! | TLS | `openssl` |
//! | proxy | `proxy`: tinyproxy |
//! | connections that are kept | `reuse`: nginx and nghttp2's server, through tinyproxy, with a certificate of ours; `namespace` for one that is gone without a word |
//! | outcome | `classes`: each class has its story |

mod authority;
mod site;
mod nginx;
mod http2;
mod openssl;
mod names;
mod proxy;
mod reuse;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod comparison;
#[cfg(target_os = "linux")]
mod classes;
