//! The end of a connection, after the observation is made. Whoever closes first keeps the
//! port for a minute; a prober would run out of them, and a reset looks like an abort in the
//! server's log. So the server is given a moment to close first, as it was asked to.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::model::dial::Close;

/// How long the server's end is waited for.
const PATIENCE: Duration = Duration::from_millis(20);
/// The most that is read past the answer.
const MAX_REST: usize = 64 * 1024;

/// Connections whose answers have been read whole: one, and one more for each redirect.
#[derive(Debug, Default)]
#[must_use = "dropping it closes first"]
pub struct Closing {
    streams: Vec<TcpStream>,
    /// How they are closed.
    close: Close,
}

impl Closing {
    pub(super) fn new(close: Close) -> Self {
        Self {
            streams: Vec::new(),
            close,
        }
    }

    pub(super) fn push(&mut self, stream: TcpStream) {
        self.streams.push(stream);
    }

    pub(super) fn extend(&mut self, streams: impl IntoIterator<Item = TcpStream>) {
        self.streams.extend(streams);
    }

    /// Those of another one, too.
    pub(super) fn append(&mut self, mut other: Self) {
        self.streams.append(&mut other.streams);
    }

    /// Waits for the server's end at most 20 ms, then closes: normally if it has come, by a
    /// reset if not. Who wants a reset waits for nothing.
    pub async fn finish(self) {
        for stream in self.streams {
            if self.close == Close::Reset || !ended(&stream).await {
                abort(&stream);
            }
        }
    }
}

async fn ended(stream: &TcpStream) -> bool {
    if let Some(ended) = drain(stream) {
        return ended;
    }
    let wait = async {
        loop {
            if stream.readable().await.is_err() {
                return true;
            }
            if let Some(ended) = drain(stream) {
                return ended;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or(false)
}

/// Closing will be a reset: nothing of the connection stays behind.
pub(super) fn abort(stream: &TcpStream) {
    // If it cannot be set, the connection is already dead.
    stream.set_zero_linger().ok();
}

/// Reads away what is there: `Some(true)` at the end of the connection, `Some(false)` when
/// the server talks on, `None` when there is nothing yet. What is left unread would turn our
/// close into a reset, TLS's closing alert for one.
fn drain(stream: &TcpStream) -> Option<bool> {
    let mut buffer = [0; 1024];
    let mut rest = 0;
    loop {
        match stream.try_read(&mut buffer) {
            Ok(0) => return Some(true),
            Ok(length) => {
                rest += length;
                if rest > MAX_REST {
                    return Some(false);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_dead) => return Some(true),
        }
    }
}
