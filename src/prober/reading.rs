//! What becomes of a body while it is read: it is unpacked, looked through, and kept where
//! somebody wants all of it. Both what comes and what it becomes have a bound.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hyper::header::{CONTENT_ENCODING, HeaderMap};

use super::failure::Failure;
use super::search::Search;
use crate::model::observation::ErrorClass;

/// How much of a body is read, as it comes and as it is unpacked.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// The body of one answer after another.
#[derive(Default)]
pub(super) struct Reading<'a> {
    packed: Packed,
    /// What may still come.
    room: usize,
    seen: Seen<'a>,
}

/// A body as it is meant.
#[derive(Default)]
struct Seen<'a> {
    search: Search<'a>,
    /// The whole of it; `None` where nobody needs that.
    whole: Option<Vec<u8>>,
    /// What may still be unpacked.
    room: usize,
}

/// What a probe keeps of a body.
pub(super) struct Kept {
    /// For each text that was looked for, whether it is there.
    pub(super) contained: Vec<bool>,
    /// Empty where nobody needs it.
    pub(super) body: Vec<u8>,
}

/// Whether more of a body is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wants {
    More,
    Enough,
}

/// How a body comes (RFC 9110, section 8.4.1).
#[derive(Default)]
enum Packed {
    #[default]
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    /// What some servers call deflate.
    Deflate(Box<DeflateDecoder<Vec<u8>>>),
    /// Not known yet which of the two it is.
    Undecided,
    /// Nothing here unpacks it.
    Foreign(String),
}

impl<'a> Reading<'a> {
    pub(super) fn new(search: Search<'a>, keeps: bool) -> Self {
        Self {
            seen: Seen {
                search,
                whole: keeps.then(Vec::new),
                room: 0,
            },
            ..Self::default()
        }
    }

    /// Another answer begins: what came before is forgotten.
    pub(super) fn restart(&mut self, headers: &HeaderMap) {
        let mut named = headers.get_all(CONTENT_ENCODING).iter();
        let name = match (named.next(), named.next()) {
            (Some(one), None) => String::from_utf8_lossy(one.as_bytes()).to_ascii_lowercase(),
            (Some(_), Some(_)) => "several".to_owned(),
            (None, _) => String::new(),
        };
        self.packed = match name.trim() {
            "" | "identity" => Packed::Plain,
            "gzip" | "x-gzip" => Packed::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            "deflate" => Packed::Undecided,
            other => Packed::Foreign(other.to_owned()),
        };
        self.room = MAX_BODY;
        self.seen.room = MAX_BODY;
        self.seen.search.restart();
        if let Some(whole) = &mut self.seen.whole {
            whole.clear();
        }
    }

    /// Takes a part of the body.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<Wants, Failure> {
        let part = chunk.get(..self.room).unwrap_or(chunk);
        self.room -= part.len();
        if let (Packed::Undecided, Some(first)) = (&self.packed, part.first()) {
            // RFC 1950, section 2.2: the method is 8.
            self.packed = match first & 0x0f {
                8 => Packed::Zlib(Box::new(ZlibDecoder::new(Vec::new()))),
                _ => Packed::Deflate(Box::new(DeflateDecoder::new(Vec::new()))),
            };
        }
        let wants = match &mut self.packed {
            Packed::Plain | Packed::Undecided => self.seen.take(part),
            Packed::Gzip(decoder) => unpack(part, &mut **decoder, &mut self.seen, |d| d.get_mut())?,
            Packed::Zlib(decoder) => unpack(part, &mut **decoder, &mut self.seen, |d| d.get_mut())?,
            Packed::Deflate(decoder) => {
                unpack(part, &mut **decoder, &mut self.seen, |d| d.get_mut())?
            }
            Packed::Foreign(name) if self.seen.wanted() => {
                let detail = format!("the body comes as {name:?}, which is not unpacked here");
                return Err(Failure::new(ErrorClass::Protocol, detail));
            }
            Packed::Foreign(_) => Wants::More,
        };
        match part.len() < chunk.len() {
            true => Ok(Wants::Enough),
            false => Ok(wants),
        }
    }

    /// The body has ended: what was packed must have, too.
    pub(super) fn end(&mut self) -> Result<Wants, Failure> {
        // A body of nothing at all is the answer to HEAD, or a 304.
        if self.room == MAX_BODY {
            return Ok(Wants::More);
        }
        let ended = match &mut self.packed {
            Packed::Gzip(decoder) => decoder.try_finish(),
            Packed::Zlib(decoder) => decoder.try_finish(),
            Packed::Deflate(decoder) => decoder.try_finish(),
            _ => return Ok(Wants::More),
        };
        ended.map_err(broken)?;
        let rest = match &mut self.packed {
            Packed::Gzip(decoder) => std::mem::take(decoder.get_mut()),
            Packed::Zlib(decoder) => std::mem::take(decoder.get_mut()),
            Packed::Deflate(decoder) => std::mem::take(decoder.get_mut()),
            _ => Vec::new(),
        };
        Ok(self.seen.take(&rest))
    }

    /// What is there at the end.
    pub(super) fn kept(self) -> Kept {
        Kept {
            contained: self.seen.search.found,
            body: self.seen.whole.unwrap_or_default(),
        }
    }
}

impl Seen<'_> {
    fn take(&mut self, bytes: &[u8]) -> Wants {
        let part = bytes.get(..self.room).unwrap_or(bytes);
        self.room -= part.len();
        self.search.feed(part);
        if let Some(whole) = &mut self.whole {
            whole.extend_from_slice(part);
        }
        match part.len() < bytes.len() {
            true => Wants::Enough,
            false => Wants::More,
        }
    }

    /// Whether anybody looks at the body.
    fn wanted(&self) -> bool {
        self.whole.is_some() || !self.search.found.is_empty()
    }
}

/// Unpacks a part in small steps: a few bytes can become many, and the first megabyte is
/// enough.
fn unpack<D: Write>(
    part: &[u8],
    decoder: &mut D,
    seen: &mut Seen<'_>,
    out: fn(&mut D) -> &mut Vec<u8>,
) -> Result<Wants, Failure> {
    const STEP: usize = 1024;
    for step in part.chunks(STEP) {
        decoder.write_all(step).map_err(broken)?;
        decoder.flush().map_err(broken)?;
        let wants = seen.take(out(decoder));
        out(decoder).clear();
        if wants == Wants::Enough {
            return Ok(wants);
        }
    }
    Ok(Wants::More)
}

fn broken(error: io::Error) -> Failure {
    let detail = format!("the body cannot be unpacked as its header says: {error}");
    Failure::new(ErrorClass::Protocol, detail)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use hyper::header::HeaderValue;

    use super::*;

    fn packed(mut encoder: impl io::Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        encoder.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// What is kept of a body that comes like this, in parts of so many bytes.
    fn read(encoding: &str, bytes: &[u8], part: usize) -> Result<(Vec<u8>, Wants), Failure> {
        let mut reading = Reading::new(Search::default(), true);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap());
        reading.restart(&headers);
        for chunk in bytes.chunks(part) {
            if reading.feed(chunk)? == Wants::Enough {
                return Ok((reading.kept().body, Wants::Enough));
            }
        }
        let wants = reading.end()?;
        Ok((reading.kept().body, wants))
    }

    #[test]
    fn a_body_is_unpacked_as_its_header_says() {
        let text = "to be or not to be ".repeat(500).into_bytes();
        let fast = Compression::fast();
        for (encoding, bytes) in [
            ("gzip", packed(GzEncoder::new(text.as_slice(), fast))),
            ("X-GZIP", packed(GzEncoder::new(text.as_slice(), fast))),
            ("deflate", packed(ZlibEncoder::new(text.as_slice(), fast))),
            (
                "deflate",
                packed(DeflateEncoder::new(text.as_slice(), fast)),
            ),
            ("identity", text.clone()),
        ] {
            for part in [1, 7, 100_000] {
                let (body, wants) = read(encoding, &bytes, part).unwrap();
                assert_eq!(wants, Wants::More, "{encoding}");
                assert!(body == text, "{encoding} in parts of {part}");
            }
        }
        assert_eq!(read("gzip", b"", 1).unwrap(), (Vec::new(), Wants::More));
    }

    #[test]
    fn what_becomes_too_much_is_cut() {
        let zeros = io::repeat(0).take(1 << 28);
        let zeros = packed(GzEncoder::new(zeros, Compression::best()));
        assert!(zeros.len() < MAX_BODY);
        let (body, wants) = read("gzip", &zeros, 16 * 1024).unwrap();
        assert_eq!((body.len(), wants), (MAX_BODY, Wants::Enough));
        for (length, expected) in [(MAX_BODY + 1, Wants::Enough), (MAX_BODY, Wants::More)] {
            let (body, wants) = read("identity", &vec![0; length], 16 * 1024).unwrap();
            assert_eq!((body.len(), wants), (MAX_BODY, expected));
        }
    }

    #[test]
    fn what_is_not_what_its_header_says_is_no_answer() {
        let bytes = packed(GzEncoder::new(b"all of it".as_slice(), Compression::fast()));
        let cut = bytes.iter().copied().take(bytes.len() - 9).collect();
        for (encoding, bytes) in [
            ("gzip", b"plain".to_vec()),
            ("gzip", cut),
            ("br", b"x".to_vec()),
            ("gzip, gzip", bytes),
        ] {
            let failure = read(encoding, &bytes, 4).unwrap_err();
            assert_eq!(
                failure.class,
                ErrorClass::Protocol,
                "{encoding} {failure:?}"
            );
        }
    }
}
