//! One request and its answer in HTTP/2 (RFC 9113), over a connection that is driven by the
//! probe's own task. Its end is said (GOAWAY) and left to the server, as in HTTP/1.1.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::connect::within;
use super::exchange::{Answer, Exchanged, MAX_HEADER, Transport, is_silent, settle};
use super::failure::Failure;
use super::probe::Trace;
use super::reading::{MAX_BODY, Reading, Wants};
use super::timed::{Timed, late};
use crate::clock;

/// Over what is asked.
#[derive(Debug)]
pub(super) enum Over<S: Transport> {
    New(Box<S>),
    Kept(Box<Line<S>>),
}

impl<S: Transport> Over<S> {
    /// Whether something can be asked, as far as one can tell.
    pub(super) fn is_open(&mut self) -> bool {
        match self {
            Self::New(stream) => is_silent(&mut **stream),
            Self::Kept(line) => line.is_open(),
        }
    }

    /// Says goodbye, as far as that does not have to wait, and gives the stream back.
    pub(super) fn end(self) -> Option<S> {
        match self {
            Self::New(stream) => Some(*stream),
            Self::Kept(line) => line.end(),
        }
    }

    /// What an option of the socket is to be set on.
    pub(super) fn with_tcp<T>(&self, set: impl FnOnce(&TcpStream) -> T) -> T {
        match self {
            Self::New(stream) => set(stream.tcp()),
            Self::Kept(line) => set(line.io.lock().stream.tcp()),
        }
    }
}

/// Sends the request and reads the answer, as `exchange::exchange` does.
pub(super) async fn exchange<S: Transport>(
    over: Over<S>,
    request: Request<Full<Bytes>>,
    keeps: bool,
    reading: &mut Reading<'_>,
    trace: &mut Trace,
    deadline: Pin<&mut Sleep>,
) -> Exchanged<Over<S>> {
    let begun = clock::monotonic();
    let (io, mut line) = match over {
        Over::New(stream) => (Shared(Arc::new(Mutex::new(Timed::new(*stream)))), None),
        Over::Kept(line) => {
            line.io.lock().writing = true;
            (line.io.clone(), Some(line))
        }
    };
    let mut marks = Marks::default();
    let talk = talk(
        &io,
        &mut line,
        request,
        keeps,
        reading,
        &mut marks,
        &mut trace.status,
    );
    let result = within(deadline, talk).await;
    let ended = marks.ended.unwrap_or_else(clock::monotonic);
    let wrote = marks.wrote.unwrap_or(ended);
    trace.exchanged([begun, wrote, marks.first_byte.unwrap_or(ended), ended]);
    let whole = matches!(&result, Some(Ok(answer)) if !answer.truncated);
    let open = keeps && whole && line.as_mut().is_some_and(|line| line.is_open());
    let result = match (result, line) {
        (Some(Ok(answer)), Some(line)) if open => {
            return Exchanged::keeping(answer, Over::Kept(line));
        }
        // Whoever speaks over the connection has let it go after this.
        (result, _line) => result,
    };
    let Some(timed) = Arc::into_inner(io.0) else {
        return Exchanged::failed(Failure::internal("a connection is still in use"));
    };
    let timed = timed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let late = late(marks.first_byte, marks.wrote.is_none());
    settle(result, late, marks.first_byte.is_none(), timed, trace)
}

/// When what happened.
#[derive(Default)]
struct Marks {
    wrote: Option<Instant>,
    first_byte: Option<Instant>,
    ended: Option<Instant>,
}

async fn begun<S: Transport>(io: &Shared<S>) -> Result<Box<Line<S>>, h2::Error> {
    let window = MAX_BODY as u32;
    let (sender, connection) = Builder::new()
        .enable_push(false)
        .max_header_list_size(MAX_HEADER as u32)
        .initial_window_size(window)
        .initial_connection_window_size(window)
        .handshake::<_, Bytes>(io.clone())
        .await?;
    Ok(Box::new(Line {
        sender: Some(sender),
        connection,
        io: io.clone(),
        ended: false,
    }))
}

async fn talk<S: Transport>(
    io: &Shared<S>,
    line: &mut Option<Box<Line<S>>>,
    request: Request<Full<Bytes>>,
    keeps: bool,
    reading: &mut Reading<'_>,
    marks: &mut Marks,
    status: &mut u16,
) -> Result<Answer, Failure> {
    let fail = |error: h2::Error| Failure::of_http2(&error);
    let line = match line {
        Some(line) => line,
        None => line.insert(begun(io).await.map_err(fail)?),
    };
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(never) => match never {},
    };
    let request = Request::from_parts(head, ());
    let Some(sender) = &mut line.sender else {
        return Err(Failure::internal("a connection was asked that has ended"));
    };
    let (mut response, mut stream) = sender
        .send_request(request, body.is_empty())
        .map_err(fail)?;
    if !body.is_empty() {
        stream.send_data(body, true).map_err(fail)?;
    }
    drop(stream);
    if !keeps {
        // Nothing else will be asked: with the answer the connection may end.
        line.sender = None;
    }
    let answered =
        std::future::poll_fn(|cx| line.poll(cx, marks, |cx| Pin::new(&mut response).poll(cx)));
    let (head, mut body) = answered.await.map_err(fail)?.into_parts();
    marks.first_byte = Some(clock::monotonic());
    let mut answer = Answer::new(head);
    *status = answer.status;
    reading.restart(&answer.headers);
    while let Some(data) =
        std::future::poll_fn(|cx| line.poll(cx, marks, |cx| body.poll_data(cx))).await
    {
        let data = data.map_err(fail)?;
        body.flow_control()
            .release_capacity(data.len())
            .map_err(fail)?;
        if reading.feed(&data)? == Wants::Enough {
            answer.truncated = true;
            return Ok(answer);
        }
    }
    marks.ended = Some(clock::monotonic());
    answer.truncated = reading.end()? == Wants::Enough;
    // Without them nobody uses the connection any more, unless it is kept.
    drop((body, response));
    // Says goodbye, if it is one, as far as that does not have to wait.
    std::future::poll_fn(|cx| {
        line.drive(cx);
        Poll::Ready(())
    })
    .await;
    Ok(answer)
}

/// A connection that is driven by whoever waits for something that comes over it. Between two
/// probes nobody drives it.
pub(super) struct Line<S: Transport> {
    /// With it more can be asked.
    sender: Option<SendRequest<Bytes>>,
    connection: Connection<Shared<S>>,
    io: Shared<S>,
    ended: bool,
}

impl<S> std::fmt::Debug for Line<S>
where
    S: Transport,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl<S: Transport> Line<S> {
    /// Whether more can be asked. Takes note of what the site said meanwhile.
    fn is_open(&mut self) -> bool {
        let mut now = Context::from_waker(Waker::noop());
        self.drive(&mut now);
        let sender = self.sender.as_mut().filter(|_| !self.ended);
        sender.is_some_and(|sender| matches!(sender.poll_ready(&mut now), Poll::Ready(Ok(()))))
    }

    fn end(mut self) -> Option<S> {
        self.sender = None;
        self.drive(&mut Context::from_waker(Waker::noop()));
        let Self { connection, io, .. } = self;
        drop(connection);
        let timed = Arc::into_inner(io.0)?;
        let timed = timed.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some(timed.stream)
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        marks: &mut Marks,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Poll::Ready(value) = wanted(cx) {
            return Poll::Ready(value);
        }
        self.drive(cx);
        // What is there to be said is said at once, the request with it.
        if marks.wrote.is_none() && !self.io.lock().writing {
            marks.wrote = Some(clock::monotonic());
        }
        wanted(cx)
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        // An error of the connection comes out where it is waited for.
        self.ended = self.ended || Pin::new(&mut self.connection).poll(cx).is_ready();
    }
}

/// A stream that is still ours when the connection over it is gone. It is not shut down with
/// that: who closes first keeps the port.
struct Shared<S>(Arc<Mutex<Timed<S>>>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Timed<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Shared<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Shared<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
