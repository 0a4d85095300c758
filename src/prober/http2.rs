//! One request and its answer in HTTP/2 (RFC 9113), over a connection of its own, driven by
//! the probe's own task. Its end is said (GOAWAY) and left to the server, as in HTTP/1.1.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::client::{Builder, Connection};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::connect::within;
use super::exchange::{Answer, MAX_HEADER, Transport, settle};
use super::failure::Failure;
use super::probe::Trace;
use super::reading::{MAX_BODY, Reading, Wants};
use super::timed::{Timed, late};
use crate::clock;

/// Sends the request and reads the answer, as `exchange::exchange` does.
pub(super) async fn exchange<S: Transport>(
    stream: S,
    request: Request<Full<Bytes>>,
    reading: &mut Reading<'_>,
    trace: &mut Trace,
    deadline: Pin<&mut Sleep>,
) -> Result<Answer, Failure> {
    let begun = clock::monotonic();
    let io = Shared(Arc::new(Mutex::new(Timed::new(stream))));
    let mut marks = Marks::default();
    let talk = talk(io.clone(), request, reading, &mut marks, &mut trace.status);
    // Whoever speaks over the connection has let it go after this.
    let result = within(deadline, talk).await;
    let ended = marks.ended.unwrap_or_else(clock::monotonic);
    let wrote = marks.wrote.unwrap_or(ended);
    trace.exchanged([begun, wrote, marks.first_byte.unwrap_or(ended), ended]);
    let Some(timed) = Arc::into_inner(io.0) else {
        return Err(Failure::internal("a connection is still in use"));
    };
    let timed = timed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let late = late(marks.first_byte, marks.wrote.is_none());
    settle(result, late, timed, trace)
}

/// When what happened.
#[derive(Default)]
struct Marks {
    wrote: Option<Instant>,
    first_byte: Option<Instant>,
    ended: Option<Instant>,
}

async fn talk<S: Transport>(
    io: Shared<S>,
    request: Request<Full<Bytes>>,
    reading: &mut Reading<'_>,
    marks: &mut Marks,
    status: &mut u16,
) -> Result<Answer, Failure> {
    let fail = |error: h2::Error| Failure::of_http2(&error);
    let window = MAX_BODY as u32;
    let (mut sender, connection) = Builder::new()
        .enable_push(false)
        .max_header_list_size(MAX_HEADER as u32)
        .initial_window_size(window)
        .initial_connection_window_size(window)
        .handshake::<_, Bytes>(io.clone())
        .await
        .map_err(fail)?;
    let mut line = Line {
        connection,
        io,
        ended: false,
    };
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(never) => match never {},
    };
    let request = Request::from_parts(head, ());
    let (mut response, mut stream) = sender
        .send_request(request, body.is_empty())
        .map_err(fail)?;
    if !body.is_empty() {
        stream.send_data(body, true).map_err(fail)?;
    }
    // Nothing else will be asked: with the answer the connection may end.
    drop((sender, stream));
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
    // Without them nobody uses the connection any more.
    drop((body, response));
    // Says goodbye, as far as that does not have to wait.
    std::future::poll_fn(|cx| {
        line.drive(cx);
        Poll::Ready(())
    })
    .await;
    Ok(answer)
}

/// A connection that is driven by whoever waits for something that comes over it.
struct Line<S: Transport> {
    connection: Connection<Shared<S>>,
    io: Shared<S>,
    ended: bool,
}

impl<S: Transport> Line<S> {
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
