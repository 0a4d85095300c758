//! The receivers: they do what the script says, and write down what came and what they answered.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::cast::{Mood, RECEIVERS};
use super::event::Event;
use super::fault::Moment;
use super::script::{Script, Span};
use super::signature;
use super::trap::Trap;
use crate::http::Request;
use crate::port::Port;

const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_secs(2);
/// What a receiver asks for with 503 and 429, in seconds.
const RETRY_AFTER: u32 = 5;

/// Something that came to a receiver.
#[derive(Debug, Clone)]
pub(super) struct Reception {
    pub(super) receiver: usize,
    /// When it was there, seconds since the beginning.
    pub(super) at: f64,
    /// Its `webhook-id`.
    pub(super) id: String,
    /// Of its body.
    pub(super) digest: u64,
    /// What is said in it, or why that cannot be read.
    pub(super) event: Result<Event, String>,
    /// Whether it is signed as its receiver wants it, or how it is.
    pub(super) signed: Result<(), String>,
    /// Whether it came to the place of its receiver in the form that this one wants.
    pub(super) shaped: Result<(), String>,
    /// How old its `webhook-timestamp` was then, in seconds.
    pub(super) age: f64,
    /// `None`: there was no answer.
    pub(super) answer: Option<u16>,
}

impl Reception {
    pub(super) fn was_taken(&self) -> bool {
        self.answer == Some(204)
    }
}

/// What all receivers share.
#[derive(Debug)]
pub(super) struct Hooks {
    /// In the order of the cast.
    pub(super) ports: Vec<u16>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Arc<Script>,
    clock: super::Clock,
    heard: Mutex<Vec<Reception>>,
    trap: Mutex<Option<(Trap, Moment)>>,
}

impl Hooks {
    /// They serve as long as this process lives.
    pub(super) fn start(script: Arc<Script>, clock: super::Clock) -> Result<Self> {
        let shared = Arc::new(Shared {
            script,
            clock,
            heard: Mutex::default(),
            trap: Mutex::default(),
        });
        let mut ports = Vec::new();
        for receiver in 0..RECEIVERS.len() {
            let port = Port::take()?;
            ports.push(port.number());
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.serve(receiver, &port));
        }
        Ok(Self { ports, shared })
    }

    /// What came so far, in the order in which it came.
    pub(super) fn heard(&self) -> Vec<Reception> {
        let mut heard = locked(&self.shared.heard).clone();
        heard.sort_by(|one, other| one.at.total_cmp(&other.at));
        heard
    }

    /// Springs this trap when something is taken next.
    pub(super) fn arm(&self, trap: Trap, moment: Moment) {
        *locked(&self.shared.trap) = Some((trap, moment));
    }

    pub(super) fn disarm(&self) {
        *locked(&self.shared.trap) = None;
    }
}

/// Whether it has the form and the place of this receiver.
fn shaped(receiver: usize, request: &Request) -> Result<(), String> {
    let it = RECEIVERS.get(receiver).context("no such receiver");
    let it = it.map_err(|error| error.to_string())?;
    let (path, format) = (&request.path, it.format);
    if path != it.path {
        return Err(format!("at {}, not {path}", it.path));
    }
    let kind = request.header("content-type").unwrap_or_default();
    if kind != format!("application/{format}") {
        return Err(format!("as {format}, not {kind}"));
    }
    let is_bare = it.path.starts_with("/twirp/");
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(body) if body.get("data").is_some() == is_bare => {
            Err("in an envelope, but for Twirp services".to_owned())
        }
        // Protobuf is no JSON; whether it can be read is seen elsewhere.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn stamp(request: &Request) -> f64 {
    let stamp = request.header("webhook-timestamp").unwrap_or_default();
    stamp.parse().unwrap_or_default()
}

fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(port: &Port) -> io::Result<TcpListener> {
    let listener = port.listen()?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Shared {
    fn mood(&self, receiver: usize) -> Option<(Span, Mood)> {
        self.script.mood(receiver, self.clock.now()?)
    }

    fn serve(self: Arc<Self>, receiver: usize, port: &Port) {
        let mut open = None;
        loop {
            let is_closed = matches!(self.mood(receiver), Some((_, Mood::Closed | Mood::Away)));
            match &open {
                Some(_) if is_closed => open = None,
                None if !is_closed => open = listen(port).ok(),
                _ => {}
            }
            let next = open.as_ref().and_then(|listener| listener.accept().ok());
            let Some((stream, _)) = next else {
                thread::sleep(POLL);
                continue;
            };
            let shared = Arc::clone(&self);
            thread::spawn(move || {
                // Whoever goes away early is not answered.
                if shared.hear(receiver, stream).is_err() {
                    thread::yield_now();
                }
            });
        }
    }

    /// One connection, one request.
    fn hear(&self, receiver: usize, mut stream: TcpStream) -> Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let Some(request) = Request::read(&mut reader)? else {
            return Ok(());
        };
        let mut digest = DefaultHasher::new();
        request.body.hash(&mut digest);
        let kind = request.header("content-type").unwrap_or_default();
        let secrets = RECEIVERS.get(receiver).map_or(&[][..], |it| it.secrets);
        let at = self.clock.now().unwrap_or_default();
        let reception = Reception {
            receiver,
            at,
            id: request.header("webhook-id").context("no id")?.to_owned(),
            digest: digest.finish(),
            event: Event::read(kind, &request.body).map_err(|error| format!("{error:#}")),
            shaped: shaped(receiver, &request),
            age: at + self.clock.epoch() - stamp(&request),
            signed: signature::check(&request, secrets).map_err(|error| format!("{error:#}")),
            answer: None,
        };
        let answer = self.answer(receiver, &mut stream);
        let answer = answer.ok().flatten();
        locked(&self.heard).push(Reception {
            answer,
            ..reception
        });
        Ok(())
    }

    /// Behaves as the script says; what was answered.
    fn answer(&self, receiver: usize, stream: &mut TcpStream) -> Result<Option<u16>> {
        let mood = self.mood(receiver);
        let (status, wait) = match mood {
            None => (204, None),
            Some((_, Mood::Slow)) => {
                thread::sleep(SLOW);
                (204, None)
            }
            Some((_, Mood::Busy)) => (503, Some(RETRY_AFTER)),
            Some((_, Mood::TooMany)) => (429, Some(RETRY_AFTER)),
            Some((_, Mood::Broken)) => (500, None),
            Some((_, Mood::Refuses)) => (400, None),
            Some((_, Mood::Gone)) => (410, None),
            Some((_, Mood::Closed | Mood::Away)) => return Ok(None),
            Some((span, Mood::Hangs)) => {
                self.hang(span.until, stream)?;
                return Ok(None);
            }
        };
        let wait = wait.map(|seconds| format!("Retry-After: {seconds}\r\n"));
        let answer = format!(
            "HTTP/1.1 {status} So\r\n{}Connection: close\r\nContent-Length: 0\r\n\r\n",
            wait.unwrap_or_default()
        );
        // A 204 has no length.
        let answer = match status {
            204 => answer.replace("Content-Length: 0\r\n", ""),
            _ => answer,
        };
        let trap = match status {
            204 => locked(&self.trap).take(),
            _ => None,
        };
        let Some((trap, moment)) = trap else {
            stream.write_all(answer.as_bytes())?;
            return Ok(Some(status));
        };
        match moment {
            Moment::Before => {
                trap.spring();
                return Ok(None);
            }
            Moment::Between => {
                trap.spring();
                // Whether it arrives or not, it was taken here.
                stream.write_all(answer.as_bytes()).unwrap_or_default();
            }
            Moment::After => {
                stream.write_all(answer.as_bytes())?;
                trap.spring();
            }
        }
        Ok(Some(status))
    }

    /// Until that moment, or until the other side has had enough.
    fn hang(&self, until: f64, stream: &mut TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut room = [0; 16];
        while self.clock.now().is_some_and(|now| now < until) {
            match stream.read(&mut room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => break,
            }
        }
        Ok(())
    }
}
