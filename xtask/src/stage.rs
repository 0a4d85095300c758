//! A site with many pages, `/0`, `/1` and so on, each of which behaves as it is told at that
//! moment; it notes when each was asked for.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::workspace::epoch;

const PATIENCE: Duration = Duration::from_secs(60);
const WELL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const BAD: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What a page does to one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Well,
    Bad,
    Close,
    /// Until the other side has had enough.
    Hang,
}

/// Which page was asked for, and when, in seconds since 1970.
pub(crate) type Asked = Vec<(u32, f64)>;

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) port: u16,
    asked: Arc<Mutex<Asked>>,
}

impl Stage {
    /// It serves as long as this process lives. `play` says what a page does now.
    pub(crate) fn start(play: impl Fn(u32) -> Answer + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let asked: Arc<Mutex<Asked>> = Arc::default();
        let (notes, play) = (Arc::clone(&asked), Arc::new(play));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (notes, play) = (Arc::clone(&notes), Arc::clone(&play));
                // One that hangs must not hold up another. Whoever goes away early is not answered.
                let served = move || stream.and_then(|stream| serve(stream, &notes, &*play));
                if thread::Builder::new()
                    .stack_size(64 << 10)
                    .spawn(served)
                    .is_err()
                {
                    thread::yield_now();
                }
            }
        });
        Ok(Self { port, asked })
    }

    /// What was asked for so far, in the order in which it came.
    pub(crate) fn asked(&self) -> Asked {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

fn serve(
    mut stream: TcpStream,
    notes: &Mutex<Asked>,
    play: &dyn Fn(u32) -> Answer,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 4096];
    let mut length = 0;
    while !request
        .get(..length)
        .unwrap_or_default()
        .ends_with(b"\r\n\r\n")
    {
        let room = request.get_mut(length..).unwrap_or_default();
        match stream.read(room)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => length += read,
        }
    }
    let at = epoch().map_err(std::io::Error::other)?;
    let head = String::from_utf8_lossy(request.get(..length).unwrap_or_default());
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    let page: u32 = path.trim_start_matches('/').parse().unwrap_or(u32::MAX);
    let mut asked = notes.lock().unwrap_or_else(PoisonError::into_inner);
    asked.push((page, at));
    drop(asked);
    match play(page) {
        Answer::Well => stream.write_all(WELL),
        Answer::Bad => stream.write_all(BAD),
        Answer::Close => stream.shutdown(Shutdown::Both),
        Answer::Hang => stream.read(&mut request).map(drop),
    }
}
