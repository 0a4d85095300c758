//! A receiver that writes down what it is told, and when. It answers at once and keeps connections,
//! unless it is told to hang, or to be away for a while.

use std::collections::HashSet;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::http::Request;
use crate::port::Port;
use crate::workspace;

const PATIENCE: Duration = Duration::from_secs(10);
/// How often one that comes back tries to have its port again.
const POLL: Duration = Duration::from_millis(5);

/// What it does to whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Manner {
    #[default]
    Answers,
    /// Takes the request, and says nothing.
    Hangs,
    /// Nobody listens.
    Away,
}

/// What a receiver heard of a page, so long after a beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) page: u32,
    pub(super) at: Duration,
    /// Whether an outage begins, or ends.
    pub(super) opens: bool,
}

/// How much came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    /// Events, each once.
    pub(super) events: usize,
    /// Those that came again.
    pub(super) repeated: usize,
    /// When the last one came for the first time.
    pub(super) last: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    manner: Manner,
    /// Of all that came once, by `webhook-id`.
    known: HashSet<String>,
    /// In the order in which it came: when, and the body. It is read later: whoever sends is
    /// measured.
    heard: Vec<(Instant, Vec<u8>)>,
    repeated: usize,
    open: Vec<(u64, TcpStream)>,
    next: u64,
}

impl Receiver {
    /// It serves as long as this process lives.
    pub(super) fn start() -> Result<Self> {
        let place = Port::take()?;
        let port = place.number();
        let listener = place.listen()?;
        let shared: Arc<Shared> = Arc::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || serving.serve(&place, listener));
        Ok(Self { port, shared })
    }

    /// From now on it behaves so.
    pub(super) fn behave(&self, manner: Manner) {
        let mut state = self.shared.lock();
        state.manner = manner;
        if manner == Manner::Away {
            for (_, stream) in state.open.drain(..) {
                // The other side may have closed it.
                stream.shutdown(Shutdown::Both).unwrap_or_default();
            }
        }
        drop(state);
        self.shared.changed.notify_all();
        if manner == Manner::Away {
            // Whoever waits for a connection sees it with the next one, which is ours.
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        }
    }

    pub(super) fn count(&self) -> Count {
        let state = self.shared.lock();
        Count {
            events: state.heard.len(),
            repeated: state.repeated,
            last: state.heard.last().map(|(at, _)| *at),
        }
    }

    /// What it was told since a beginning of pages that went down or up, without repetitions, in
    /// order.
    pub(super) fn events(&self, since: Instant) -> Result<Vec<Event>> {
        let state = self.shared.lock();
        let mut events = Vec::new();
        for (at, body) in &state.heard {
            // What was told before is no event of ours.
            if let Some(at) = at.checked_duration_since(since) {
                events.extend(event(at, body)?);
            }
        }
        events.sort_by_key(|event| event.at);
        Ok(events)
    }
}

/// What it says of the page that the check's URL leads to.
fn event(at: Duration, body: &[u8]) -> Result<Option<Event>> {
    let event: Value = serde_json::from_slice(body)?;
    let text = |place: &str| event.pointer(place).and_then(Value::as_str);
    let opens = match text("/type") {
        Some("check.down" | "check.error") => true,
        Some("check.up") => false,
        _ => return Ok(None),
    };
    let url = text("/data/check/url").context("an event without a check")?;
    let page = url.rsplit_once('/').and_then(|(_, page)| page.parse().ok());
    let page = page.with_context(|| format!("{url} is none of ours"))?;
    Ok(Some(Event { page, at, opens }))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_away(&self) -> bool {
        self.lock().manner == Manner::Away
    }

    fn serve(self: Arc<Self>, place: &Port, mut listener: TcpListener) {
        loop {
            while let Ok((stream, _)) = listener.accept() {
                if self.is_away() {
                    break;
                }
                let shared = Arc::clone(&self);
                thread::spawn(move || {
                    if let Err(error) = shared.hear(stream) {
                        eprintln!("the receiver: {error:#}");
                    }
                });
            }
            if !self.is_away() {
                thread::yield_now();
                continue;
            }
            drop(listener);
            listener = self.come_back(place);
        }
    }

    /// Waits until it is to be there, and is.
    fn come_back(&self, place: &Port) -> TcpListener {
        let mut state = self.lock();
        while state.manner == Manner::Away {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        loop {
            if let Ok(listener) = place.listen() {
                return listener;
            }
            thread::sleep(POLL);
        }
    }

    /// The requests of one connection.
    fn hear(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut answers = stream.try_clone()?;
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        if state.manner == Manner::Away {
            return Ok(());
        }
        state.open.push((number, stream.try_clone()?));
        drop(state);
        let mut lines = BufReader::new(stream);
        // One that is cut while it asks has not been heard.
        while let Ok(Some(request)) = Request::read(&mut lines) {
            let at = workspace::monotonic();
            if !self.note(at, &request) {
                continue;
            }
            if answers
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .is_err()
            {
                break;
            }
        }
        self.lock().open.retain(|(open, _)| *open != number);
        Ok(())
    }

    /// Writes down what came; whether it is to be answered.
    fn note(&self, at: Instant, request: &Request) -> bool {
        let mut state = self.lock();
        if state.manner != Manner::Answers {
            return false;
        }
        let id = request.header("webhook-id").unwrap_or_default();
        if state.known.insert(id.to_owned()) {
            state.heard.push((at, request.body.clone()));
        } else {
            state.repeated += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Posts an event of this id, and returns the status, if there is an answer within a second.
    fn post(port: u16, id: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        let patience = Some(Duration::from_secs(1));
        stream.set_read_timeout(patience).ok()?;
        let body = r#"{"type":"check.down","data":{"check":{"url":"http://x/7"}}}"#;
        let length = body.len();
        let head = format!("POST / HTTP/1.1\r\nwebhook-id: {id}\r\ncontent-length: {length}");
        write!(stream, "{head}\r\n\r\n{body}").ok()?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    #[test]
    fn what_comes_is_written_down_once() {
        let receiver = Receiver::start().unwrap();
        let since = workspace::monotonic();
        for id in ["a", "b", "a"] {
            assert_eq!(post(receiver.port, id).unwrap(), "HTTP/1.1 204");
        }
        let count = receiver.count();
        assert_eq!((count.events, count.repeated), (2, 1));
        let events = receiver.events(since).unwrap();
        let found: Vec<_> = events.iter().map(|it| (it.page, it.opens)).collect();
        assert_eq!(found, [(7, true), (7, true)]);
        assert!(receiver.events(workspace::monotonic()).unwrap().is_empty());
    }

    #[test]
    fn one_that_hangs_or_is_away_hears_nothing() {
        let receiver = Receiver::start().unwrap();
        for manner in [Manner::Hangs, Manner::Away] {
            receiver.behave(manner);
            assert_eq!(post(receiver.port, "a"), None, "{manner:?}");
        }
        receiver.behave(Manner::Answers);
        // Its port is its own again a moment later.
        let mut tries = 0..1000;
        while post(receiver.port, "a").is_none() {
            assert!(tries.next().is_some(), "it does not come back");
            thread::sleep(POLL);
        }
        assert_eq!(receiver.count().events, 1);
    }
}
