//! HTTP by hand, as much as the chores need of it.

use std::io::{BufRead, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(30);
/// A page of metrics has some hundred bytes for each check.
const LARGEST: u64 = 512 * 1024 * 1024;

/// One GET from this machine; the whole answer.
pub(crate) fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What somebody asks of a server of ours.
#[derive(Debug)]
pub(crate) struct Request {
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The next one of a connection; `None` at its end. One without a length has no body.
    pub(crate) fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let path = line.split_whitespace().nth(1).context("no request")?;
        let path = path.to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) => {
                    headers.push((name.to_ascii_lowercase(), value.to_owned()));
                }
                None => break,
            }
        }
        let mut request = Self {
            headers,
            path,
            body: Vec::new(),
        };
        let length = request.header("content-length").unwrap_or("0").parse()?;
        from.take(LARGEST.min(length))
            .read_to_end(&mut request.body)?;
        // Whoever went away amid its request has said nothing.
        Ok((request.body.len() as u64 == length).then_some(request))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}
