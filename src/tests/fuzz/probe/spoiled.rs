//! A connection on which one byte of what is sent is changed on its way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The byte in that place is changed by these bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoil {
    pub(super) at: usize,
    pub(super) bits: u8,
}

impl Spoil {
    pub(super) fn of(self, bytes: &mut [u8]) {
        if let Some(byte) = bytes.get_mut(self.at) {
            *byte ^= self.bits;
        }
    }
}

pub(super) struct Spoiled {
    pub(super) tcp: TcpStream,
    spoil: Option<Spoil>,
    sent: usize,
}

impl Spoiled {
    pub(super) fn new(tcp: TcpStream, spoil: Option<Spoil>) -> Self {
        Self {
            tcp,
            spoil,
            sent: 0,
        }
    }
}

impl AsyncRead for Spoiled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Spoiled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let here = self.spoil.and_then(|spoil| {
            let at = spoil.at.checked_sub(self.sent)?;
            (at < buf.len()).then_some(Spoil { at, ..spoil })
        });
        let wrote = match here {
            None => Pin::new(&mut self.tcp).poll_write(cx, buf),
            Some(spoil) => {
                let mut changed = buf.to_vec();
                spoil.of(&mut changed);
                Pin::new(&mut self.tcp).poll_write(cx, &changed)
            }
        };
        let wrote = ready!(wrote)?;
        self.sent += wrote;
        Poll::Ready(Ok(wrote))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
