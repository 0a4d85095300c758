//! One request and its answer over a connection. The connection is driven here, by the same
//! task: nothing is spawned, and it can be taken back to be closed well, or to be asked again.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper::header::{HeaderMap, LOCATION};
use hyper::http::response::Parts;
use hyper::{Request, Response, Version, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn into_tcp(self) -> TcpStream {
        self
    }

    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn into_tcp(self) -> TcpStream {
        self.into_inner().0
    }

    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Whether a connection is open and says nothing, as it should be where nothing was asked.
pub(super) fn is_silent<S: Transport>(stream: &mut S) -> bool {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    let mut now = Context::from_waker(Waker::noop());
    // What TLS has to say for itself is read away by this.
    let read = Pin::new(stream).poll_read(&mut now, &mut buffer);
    read.is_pending()
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

/// What came of a request.
pub(super) struct Exchanged<C> {
    pub(super) result: Result<Answer, Failure>,
    /// The connection, if more can be asked over it, and somebody wants that.
    pub(super) kept: Option<C>,
    /// The connection was of no use: it ended before anything came over it.
    pub(super) stale: bool,
}

/// Sends the request and reads the answer. When it was read whole the connection goes to the
/// trace, to be closed at leisure, unless it `keeps` open.
pub(super) async fn exchange<S: Transport>(
    stream: S,
    request: Request<Full<Bytes>>,
    keeps: bool,
    reading: &mut Reading<'_>,
    trace: &mut Trace,
    deadline: Pin<&mut Sleep>,
) -> Exchanged<S> {
    let begun = clock::monotonic();
    let made = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(MAX_HEADER)
        .handshake(TokioIo::new(Timed::new(stream)))
        .await;
    let (mut sender, connection) = match made {
        Ok(made) => made,
        Err(error) => return Exchanged::failed(Failure::of_exchange(&error)),
    };
    let mut line = Line {
        connection,
        ended: false,
    };
    let response = sender.send_request(request);
    let talk = talk(&mut line, response, reading, &mut trace.status);
    let result = within(deadline, talk).await;
    let ended = clock::monotonic();
    let whole = matches!(&result, Some(Ok(answer)) if !answer.truncated);
    let open = keeps && whole && line.is_idle(&sender).await;
    let parts = line.connection.into_parts();
    let timed = parts.io.into_inner();

    let wrote = timed
        .wrote_at
        .unwrap_or(if timed.writing { ended } else { begun });
    trace.exchanged([begun, wrote, timed.first_byte_at.unwrap_or(ended), ended]);
    match result {
        // What was said after the answer belongs to no request.
        Some(Ok(answer)) if open && parts.read_buf.is_empty() => {
            Exchanged::keeping(answer, timed.stream)
        }
        result => {
            let (late, silent) = (timed.late(), timed.first_byte_at.is_none());
            settle(result, late, silent, timed, trace)
        }
    }
}

impl<C> Exchanged<C> {
    pub(super) fn map<D>(self, change: impl FnOnce(C) -> D) -> Exchanged<D> {
        Exchanged {
            result: self.result,
            kept: self.kept.map(change),
            stale: self.stale,
        }
    }

    pub(super) fn keeping(answer: Answer, connection: C) -> Self {
        Self {
            result: Ok(answer),
            kept: Some(connection),
            stale: false,
        }
    }

    pub(super) fn failed(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            kept: None,
            stale: false,
        }
    }
}

/// What came of an exchange, and what becomes of its connection: `None` is late.
pub(super) fn settle<S: Transport, C>(
    result: Option<Result<Answer, Failure>>,
    late: Failure,
    silent: bool,
    timed: Timed<S>,
    trace: &mut Trace,
) -> Exchanged<C> {
    let stream = timed.stream.into_tcp();
    let stale = silent && matches!(result, Some(Err(_)));
    let result = match result {
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
    };
    Exchanged {
        result,
        kept: None,
        stale,
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

    /// Whether both sides are ready for another request. The end of the answer is known before
    /// the connection has come to rest.
    async fn is_idle(&mut self, sender: &http1::SendRequest<Full<Bytes>>) -> bool {
        std::future::poll_fn(|cx| {
            self.ended = self.ended || self.connection.poll_without_shutdown(cx).is_ready();
            Poll::Ready(!self.ended && sender.is_ready())
        })
        .await
    }
}
