//! What a connection costs here and now: a client that could not be simpler asks the target
//! beside what is measured. On a machine that is shared, or is itself a guest, the same work
//! takes twice the processor time from one minute to the next; against this client it does
//! not.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

/// In bursts, as a worker does.
const BURST: u32 = 16;
const PAUSE: Duration = Duration::from_millis(250);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

/// A client that asks until it is told to stop.
#[derive(Debug)]
pub(super) struct Yardstick {
    stop: Arc<AtomicBool>,
    client: JoinHandle<Result<f64>>,
}

impl Yardstick {
    pub(super) fn start(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let client = thread::spawn(move || ask(port, &flag));
        Self { stop, client }
    }

    /// Its processor time for a connection, in microseconds.
    pub(super) fn finish(self) -> Result<f64> {
        self.stop.store(true, Ordering::Relaxed);
        let result = self.client.join();
        result.ok().context("the yardstick panicked")?
    }
}

fn ask(port: u16, stop: &AtomicBool) -> Result<f64> {
    let before = own_nanoseconds()?;
    let mut connections = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..BURST {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.write_all(REQUEST)?;
            let mut answer = [0; 1024];
            while stream.read(&mut answer)? > 0 {}
            connections += 1;
        }
        thread::sleep(PAUSE);
    }
    let used = own_nanoseconds()? - before;
    Ok(used / 1000.0 / f64::from(connections.max(1)))
}

/// The processor time of this thread.
fn own_nanoseconds() -> Result<f64> {
    let line = fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = line.split_whitespace().next().unwrap_or_default();
    first.parse().context("schedstat begins with nanoseconds")
}
