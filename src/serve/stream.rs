//! A page that is sent while it is written: however long it is, little of it is in memory.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Sender};

/// How much is sent at once, in bytes, and how many such parts wait at most.
const PART: usize = 64 * 1024;
const WAITING: usize = 4;
/// Whoever takes nothing for so long gets no more.
const PATIENCE: Duration = Duration::from_secs(30);

/// A body that is written on a thread of its own. One that cannot be written to its end breaks
/// off, so that nobody takes a part for the whole.
pub fn streamed(write: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result + Send + 'static) -> Body {
    let (sender, parts) = mpsc::channel(WAITING);
    let whole = Arc::new(AtomicBool::new(false));
    let written = Arc::clone(&whole);
    let runtime = Handle::current();
    let mut writer = Parts {
        runtime,
        sender,
        part: String::with_capacity(PART),
    };
    // It ends with the last part that somebody takes.
    tokio::task::spawn_blocking(move || {
        let sent = write(&mut writer).and_then(|()| writer.send());
        written.store(sent.is_ok(), Ordering::Release);
    });
    let parts = stream::unfold((parts, whole), async |(mut parts, whole)| {
        let part = match parts.recv().await {
            Some(part) => Ok(part),
            None if whole.swap(true, Ordering::AcqRel) => return None,
            None => Err(io::Error::other("the page could not be written")),
        };
        Some((part, (parts, whole)))
    });
    Body::from_stream(parts)
}

struct Parts {
    runtime: Handle,
    sender: Sender<Bytes>,
    part: String,
}

impl Parts {
    fn send(&mut self) -> fmt::Result {
        let part = std::mem::replace(&mut self.part, String::with_capacity(PART));
        let sent = self.sender.send_timeout(part.into(), PATIENCE);
        self.runtime.block_on(sent).map_err(|_unsent| fmt::Error)
    }
}

impl fmt::Write for Parts {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.part.push_str(text);
        match self.part.len() < PART {
            true => Ok(()),
            false => self.send(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_long_page_comes_whole() {
        let body = streamed(|out| (0..100_000).try_for_each(|n| writeln!(out, "line {n}")));
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(
            text.lines()
                .enumerate()
                .all(|(n, line)| line == format!("line {n}"))
        );
        assert_eq!(text.lines().count(), 100_000);
    }

    #[tokio::test]
    async fn what_cannot_be_written_breaks_off() {
        let body = streamed(|out| {
            out.write_str("a part")?;
            Err(fmt::Error)
        });
        let error = body.collect().await.unwrap_err();
        assert_eq!(error.to_string(), "the page could not be written");
    }

    #[tokio::test]
    async fn nobody_who_reads_is_the_end_of_it() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let body = streamed(move |out| {
            let written = (0..).try_for_each(|n| writeln!(out, "line {n}"));
            ended.send(written).unwrap();
            written
        });
        drop(body);
        assert_eq!(end.await.unwrap(), Err(fmt::Error));
    }
}
