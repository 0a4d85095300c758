//! A receiver that writes down what it is told, and when.

use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver as Channel, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::http::Request;
use crate::workspace;

const PATIENCE: Duration = Duration::from_secs(10);

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) at: Instant,
    /// The same in every repetition.
    id: String,
    /// `check.down` and the like.
    pub(super) kind: String,
    /// The page that the check's URL leads to.
    pub(super) page: u32,
}

#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) port: u16,
    told: Channel<Told>,
}

impl Receiver {
    /// It serves as long as this process lives.
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                thread::spawn(move || {
                    if let Err(error) = hear(stream, &tell) {
                        eprintln!("the receiver: {error:#}");
                    }
                });
            }
        });
        Ok(Self { port, told })
    }

    /// What came, without repetitions, and how many of those there were.
    pub(super) fn told(&self) -> (Vec<Told>, usize) {
        let all: Vec<Told> = self.told.try_iter().collect();
        let count = all.len();
        let mut known = BTreeSet::new();
        let mut first: Vec<_> = all
            .into_iter()
            .filter(|told| known.insert(told.id.clone()))
            .collect();
        first.sort_by_key(|told| told.at);
        let repeated = count - first.len();
        (first, repeated)
    }
}

/// The requests of one connection.
fn hear(stream: TcpStream, tell: &Sender<Told>) -> Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut answers = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    while let Some(request) = Request::read(&mut lines)? {
        let at = workspace::monotonic();
        answers.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        let event: Value = serde_json::from_slice(&request.body)?;
        let text = |place: &str| event.pointer(place).and_then(Value::as_str);
        let url = text("/data/check/url").context("an event without a check")?;
        let page = url.rsplit_once('/').and_then(|(_, page)| page.parse().ok());
        let told = Told {
            at,
            id: request.header("webhook-id").unwrap_or_default().to_owned(),
            kind: text("/type").unwrap_or_default().to_owned(),
            page: page.with_context(|| format!("{url} is none of ours"))?,
        };
        if tell.send(told).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
