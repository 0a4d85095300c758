//! A connection that notes when the request had gone out and when the answer began.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::failure::Failure;
use super::tls;
use crate::clock;
use crate::model::observation::ErrorClass;

/// The stream and its marks.
#[derive(Debug)]
pub(super) struct Timed<S> {
    pub(super) stream: S,
    /// When the last flush before the answer was done.
    pub(super) wrote_at: Option<Instant>,
    pub(super) first_byte_at: Option<Instant>,
    /// Something waits to be written or flushed.
    pub(super) writing: bool,
    /// What TLS said in place of an answer.
    pub(super) refusal: Option<Failure>,
}

impl<S> Timed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            wrote_at: None,
            first_byte_at: None,
            writing: true,
            refusal: None,
        }
    }

    /// What the exchange was waiting for when its time was over.
    pub(super) fn late(&self) -> Failure {
        late(self.first_byte_at, self.writing)
    }
}

/// What an exchange was waiting for, whose answer began then, or which was still writing.
pub(super) fn late(first_byte_at: Option<Instant>, writing: bool) -> Failure {
    let (class, detail) = match (first_byte_at, writing) {
        (Some(_), _) => (
            ErrorClass::TransferTimeout,
            "the answer began but did not end in time",
        ),
        (None, true) => (
            ErrorClass::WriteTimeout,
            "the request could not be sent in time",
        ),
        (None, false) => (ErrorClass::FirstByteTimeout, "no answer in time"),
    };
    Failure::new(class, detail)
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Err(error) = ready!(Pin::new(&mut self.stream).poll_read(cx, buf)) {
            if self.first_byte_at.is_none() {
                self.refusal = tls::refusal(&error);
            }
            return Poll::Ready(Err(error));
        }
        if self.first_byte_at.is_none() && buf.filled().len() > before {
            self.first_byte_at = Some(clock::monotonic());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writing = true;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing = true;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.writing {
            self.writing = false;
            if self.first_byte_at.is_none() {
                self.wrote_at = Some(clock::monotonic());
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_request_that_does_not_fit_is_late_at_writing() {
        let (near, mut far) = duplex(8);
        let mut timed = Timed::new(near);
        let mut request = Box::pin(async {
            timed.write_all(b"twelve bytes").await.unwrap();
            timed.flush().await.unwrap();
        });
        assert!(request.as_mut().now_or_never().is_none());
        drop(request);
        assert_eq!(timed.late().class, ErrorClass::WriteTimeout);
        far.read_exact(&mut [0; 8]).await.unwrap();
        timed.flush().await.unwrap();
        assert_eq!(timed.late().class, ErrorClass::FirstByteTimeout);
        far.write_all(b"H").await.unwrap();
        timed.read_u8().await.unwrap();
        assert_eq!(timed.late().class, ErrorClass::TransferTimeout);
        assert!(timed.wrote_at.unwrap() <= timed.first_byte_at.unwrap());
    }
}
