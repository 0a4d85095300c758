//! What a site does, as text: a line for each step, connection by connection. Every text is a
//! script; what is no step is nothing.
//!
//! ```text
//! ask tls h2              what the check asks for and expects, see `spec`
//! read                    waits for something that was asked
//! say HTTP/1.1 200\r\n    these bytes; there are \r \n \\ \xNN
//! many 500 x              the same, so often
//! pack gzip all is well   packed as gzip, zlib or deflate
//! zeros gzip 2000         so many KiB of zeros, packed
//! frame 1 5 1 \x88        a frame of HTTP/2: type, flags, stream, payload
//! echo                    what was asked
//! wait 20                 so many milliseconds
//! drip                    a byte now and then, for ever
//! hang                    nothing, for ever
//! reset                   ends it by a reset
//! tls 12 h2               TLS from here on, 12 or 13; with `h2` that is agreed upon
//! certificate 80 255      the certificate has other bits in that byte
//! spoil 80 255            so has what is sent over the wire
//! next                    what follows is the next connection
//! ```

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::spoiled::Spoil;

/// The most bytes of one step.
const MOST: usize = 4 << 20;

pub(super) struct Script {
    pub(super) asks: Vec<String>,
    /// Never none. The last one is everything that comes after it, too.
    pub(super) connections: Vec<Connection>,
}

#[derive(Default)]
pub(super) struct Connection {
    pub(super) steps: Vec<Step>,
    pub(super) certificate: Option<Spoil>,
    pub(super) spoil: Option<Spoil>,
}

pub(super) enum Step {
    Read,
    Say { bytes: Vec<u8>, times: usize },
    Echo,
    Wait(u64),
    Drip,
    Hang,
    Reset,
    Tls { old: bool, h2: bool },
}

impl Script {
    pub(super) fn read(text: &str) -> Self {
        let mut script = Self {
            asks: Vec::new(),
            connections: vec![Connection::default()],
        };
        for line in text.lines() {
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            let last = script.connections.last_mut().unwrap();
            match verb {
                "ask" => script
                    .asks
                    .extend(rest.split_whitespace().map(str::to_owned)),
                "next" => script.connections.push(Connection::default()),
                "certificate" => last.certificate = spoil(rest),
                "spoil" => last.spoil = spoil(rest),
                _ => last.steps.extend(step(verb, rest)),
            }
        }
        script
    }
}

fn spoil(rest: &str) -> Option<Spoil> {
    let (at, bits) = rest.split_once(' ')?;
    Some(Spoil {
        at: at.parse().ok()?,
        bits: bits.parse().ok()?,
    })
}

fn step(verb: &str, rest: &str) -> Option<Step> {
    let say = |bytes| Step::Say { bytes, times: 1 };
    let (first, behind) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match verb {
        "read" => Step::Read,
        "say" => say(bytes(rest)),
        "many" => {
            let bytes = bytes(behind);
            let times: usize = first.parse().ok()?;
            let times = times.min(MOST / bytes.len().max(1));
            Step::Say { bytes, times }
        }
        "pack" => say(packed(first, &bytes(behind))?),
        "zeros" => {
            let kibibytes: usize = behind.parse().ok()?;
            say(packed(first, &vec![0; kibibytes.min(MOST >> 10) << 10])?)
        }
        "frame" => say(frame(rest)?),
        "echo" => Step::Echo,
        "wait" => Step::Wait(rest.parse().ok()?),
        "drip" => Step::Drip,
        "hang" => Step::Hang,
        "reset" => Step::Reset,
        "tls" => Step::Tls {
            old: first == "12",
            h2: behind == "h2",
        },
        _ => return None,
    })
}

/// The bytes that a text with escapes means.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escape = match first {
            b'\\' => escape(behind),
            _ => None,
        };
        let (byte, length) = escape.unwrap_or((*first, 0));
        out.push(byte);
        rest = &behind[length..];
    }
    out
}

/// The byte that stands behind a backslash, and how long that is.
fn escape(behind: &[u8]) -> Option<(u8, usize)> {
    match behind {
        [b'r', ..] => Some((b'\r', 1)),
        [b'n', ..] => Some((b'\n', 1)),
        [b'\\', ..] => Some((b'\\', 1)),
        [b'x', high, low, ..] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let byte = digit(high)? * 16 + digit(low)?;
            Some((byte as u8, 3))
        }
        _ => None,
    }
}

fn packed(how: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let level = Compression::fast();
    Some(match how {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "zlib" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        _ => return None,
    })
}

/// RFC 9113, section 4.1.
fn frame(rest: &str) -> Option<Vec<u8>> {
    let mut words = rest.splitn(4, ' ');
    let kind: u8 = words.next()?.parse().ok()?;
    let flags: u8 = words.next()?.parse().ok()?;
    let stream: u32 = words.next()?.parse().ok()?;
    let payload = bytes(words.next().unwrap_or_default());
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    Some(frame)
}
