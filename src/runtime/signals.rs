//! The wish to stop, as the operating system says it.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Listens for SIGINT and SIGTERM from this call on, so that none is lost between it and the
/// first poll of the future. The future ends at the first of them, with its name.
pub fn stop() -> io::Result<impl Future<Output = &'static str> + Send> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}
