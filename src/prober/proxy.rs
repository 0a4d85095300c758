//! A way through an HTTP proxy to a site (RFC 9110, section 9.3.6), by CONNECT.

use std::pin::Pin;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use url::{Position, Url};

use super::connect::within;
use super::failure::Failure;
use crate::egress::webhook::USER_AGENT;
use crate::model::observation::{ErrorClass, Outcome};

/// The largest header with which a proxy may answer, in bytes.
const MAX_HEADER: usize = 16 * 1024;

/// Asks for a way to the host of the URL. What comes over the connection from then on is the
/// site's.
pub(super) async fn tunnel(
    stream: &mut TcpStream,
    url: &Url,
    deadline: Pin<&mut Sleep>,
) -> Result<(), Failure> {
    let host = &url[Position::BeforeHost..Position::AfterHost];
    let port = url.port_or_known_default().unwrap_or(443);
    let request = format!(
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {USER_AGENT}\r\n\r\n"
    );
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // Byte by byte: what follows the header is the site's.
        while !answer.ends_with(b"\r\n\r\n") && answer.len() < MAX_HEADER {
            answer.push(stream.read_u8().await?);
        }
        Ok::<_, std::io::Error>(answer)
    };
    let asked = within(deadline, asked).await;
    let asked = asked.ok_or_else(|| failed("it did not answer in time"))?;
    let answer = asked.map_err(|error| failed(&format!("it broke off: {error}")))?;
    let line = answer
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    match words.next().and_then(|status| status.parse::<u16>().ok()) {
        Some(200..=299) if is_http => Ok(()),
        Some(status) if is_http => Err(failed(&format!(
            "it answers {status} to CONNECT {host}:{port}"
        ))),
        _ => Err(failed("what it answers is not HTTP")),
    }
}

/// What went wrong on the way to the proxy is not the site's. Our own faults stay ours, and
/// so does what we must not dial.
pub(super) fn of_proxy(failure: Failure) -> Failure {
    let ours = failure.outcome() == Outcome::Unknown;
    if ours || failure.class == ErrorClass::BlockedByPolicy {
        return failure;
    }
    failed(&failure.detail)
}

fn failed(why: &str) -> Failure {
    Failure::new(ErrorClass::Proxy, format!("the proxy: {why}"))
}
