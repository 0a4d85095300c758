//! The site that is probed: reads a request, answers as the checks want, closes. It is light, so
//! that what is measured beside it on the same cores is lokahi.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

const THREADS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"ok\":true}";

/// Starts the target and returns its port. It serves as long as this process lives.
pub(super) fn start() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    for _ in 0..THREADS {
        let listener = listener.try_clone().context("cannot share the target")?;
        thread::spawn(move || serve(&listener));
    }
    Ok(port)
}

fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        // Whoever goes away early, or finds no descriptor left, is not answered.
        if stream.and_then(answer).is_err() {
            thread::yield_now();
        }
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 4096];
    let mut length = 0;
    while let Some(room @ [_, ..]) = request.get_mut(length..) {
        match stream.read(room)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => length += read,
        }
        let so_far = request.get(..length).unwrap_or_default();
        if so_far.ends_with(b"\r\n\r\n") {
            return stream.write_all(ANSWER);
        }
    }
    Err(ErrorKind::InvalidData.into())
}
