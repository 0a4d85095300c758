//! One request and its answer over a connection of its own. The connection is driven here,
//! by the same task: nothing is spawned, and it can be taken back to be closed well.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper::header::{HeaderMap, LOCATION};
use hyper::http::response::Parts;
use hyper::{Request, Response, Version, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::client::TlsStream;

use super::close::abort;
use super::connect::within;
use super::failure::Failure;
use super::hop::is_redirect;
use super::probe::Trace;
use super::reading::{Reading, Wants};
use super::timed::Timed;
use crate::clock;

/// The largest header of an answer, in bytes.
pub(super) const MAX_HEADER: usize = 64 * 1024;

/// What a probe asks over: plain or TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin {
    fn into_tcp(self) -> TcpStream;
}

impl Transport for TcpStream {
    fn into_tcp(self) -> TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn into_tcp(self) -> TcpStream {
        self.into_inner().0
    }
}

/// An answer that was read to its end, or as far as we read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// Where a redirect leads.
    pub(super) location: Option<Vec<u8>>,
    pub(super) truncated: bool,
}

/// Sends the request and reads the answer. When it was read whole the connection goes to the
/// trace, to be closed at leisure.
pub(super) async fn exchange<S: Transport>(
    stream: S,
    request: Request<Full<Bytes>>,
    reading: &mut Reading<'_>,
    trace: &mut Trace,
    deadline: Pin<&mut Sleep>,
) -> Result<Answer, Failure> {
    let begun = clock::monotonic();
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(MAX_HEADER)
        .handshake(TokioIo::new(Timed::new(stream)))
        .await
        .map_err(|error| Failure::of_exchange(&error))?;
    let mut line = Line {
        connection,
        ended: false,
    };
    let response = sender.send_request(request);
    let talk = talk(&mut line, response, reading, &mut trace.status);
    let result = within(deadline, talk).await;
    let ended = clock::monotonic();
    let timed = line.connection.into_parts().io.into_inner();

    let wrote = timed
        .wrote_at
        .unwrap_or(if timed.writing { ended } else { begun });
    trace.exchanged([begun, wrote, timed.first_byte_at.unwrap_or(ended), ended]);
    let late = timed.late();
    settle(result, late, timed, trace)
}

/// What came of an exchange, and what becomes of its connection: `None` is late.
pub(super) fn settle<S: Transport>(
    result: Option<Result<Answer, Failure>>,
    late: Failure,
    timed: Timed<S>,
    trace: &mut Trace,
) -> Result<Answer, Failure> {
    let stream = timed.stream.into_tcp();
    match result {
        Some(Ok(answer)) if !answer.truncated => {
            trace.closing.push(stream);
            Ok(answer)
        }
        other => {
            abort(&stream);
            let result = other.unwrap_or(Err(late));
            // What HTTP makes of it says less.
            result.map_err(|failure| timed.refusal.unwrap_or(failure))
        }
    }
}

impl Answer {
    pub(super) fn new(head: Parts) -> Self {
        let location = head.headers.get(LOCATION);
        Self {
            status: head.status.as_u16(),
            version: head.version,
            location: location
                .filter(|_| is_redirect(head.status))
                .map(|value| value.as_bytes().to_vec()),
            headers: head.headers,
            truncated: false,
        }
    }
}

async fn talk<S: Transport>(
    line: &mut Line<S>,
    response: impl Future<Output = hyper::Result<Response<Incoming>>>,
    reading: &mut Reading<'_>,
    status: &mut u16,
) -> Result<Answer, Failure> {
    let mut response = std::pin::pin!(response);
    let response = std::future::poll_fn(|cx| line.poll(cx, |cx| response.as_mut().poll(cx))).await;
    let (head, mut body) = response
        .map_err(|error| Failure::of_exchange(&error))?
        .into_parts();
    let mut answer = Answer::new(head);
    *status = answer.status;
    reading.restart(&answer.headers);
    while let Some(frame) =
        std::future::poll_fn(|cx| line.poll(cx, |cx| Pin::new(&mut body).poll_frame(cx))).await
    {
        let frame = frame.map_err(|error| Failure::of_exchange(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if reading.feed(&data)? == Wants::Enough {
            answer.truncated = true;
            return Ok(answer);
        }
    }
    answer.truncated = reading.end()? == Wants::Enough;
    Ok(answer)
}

/// A connection that is driven by whoever waits for something that comes over it.
struct Line<S: Transport> {
    connection: http1::Connection<TokioIo<Timed<S>>, Full<Bytes>>,
    ended: bool,
}

impl<S: Transport> Line<S> {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Poll::Ready(value) = wanted(cx) {
            return Poll::Ready(value);
        }
        if self.ended {
            return Poll::Pending;
        }
        // An error of the connection comes out where it is waited for.
        self.ended = self.connection.poll_without_shutdown(cx).is_ready();
        wanted(cx)
    }
}
