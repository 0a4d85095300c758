//! Just enough of Postgres's protocol (version 3.0, "Message Flow" in its manual) to ask a
//! server whether it can be used, and to send it one statement. Queries belong to the store:
//! this exists before there is a database for the store to connect to.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::error::NotReady;

const PROTOCOL: i32 = 196_608;
/// No message that we expect is anywhere near this long.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// Logs in to `database` as `user` and, when there is a statement, runs it.
pub(super) async fn run(
    socket: &Path,
    user: &str,
    database: &str,
    statement: Option<&str>,
    patience: Duration,
) -> Result<(), NotReady> {
    timeout(patience, converse(socket, user, database, statement))
        .await
        .unwrap_or(Err(NotReady::Timeout))
}

async fn converse(
    socket: &Path,
    user: &str,
    database: &str,
    statement: Option<&str>,
) -> Result<(), NotReady> {
    let mut stream = UnixStream::connect(socket)
        .await
        .map_err(NotReady::Connection)?;
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for word in ["user", user, "database", database, ""] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    send(&mut stream, None, &body).await?;
    until_ready(&mut stream).await?;
    if let Some(statement) = statement {
        let mut body = statement.as_bytes().to_vec();
        body.push(0);
        send(&mut stream, Some(b'Q'), &body).await?;
        until_ready(&mut stream).await?;
    }
    send(&mut stream, Some(b'X'), &[]).await
}

async fn send(stream: &mut UnixStream, kind: Option<u8>, body: &[u8]) -> Result<(), NotReady> {
    let mut message: Vec<u8> = kind.into_iter().collect();
    let length = i32::try_from(body.len() + 4).map_err(|_| strange("our message is too long"))?;
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(body);
    stream
        .write_all(&message)
        .await
        .map_err(NotReady::Connection)
}

/// Reads until the server waits for us (ReadyForQuery) or says what is wrong.
async fn until_ready(stream: &mut UnixStream) -> Result<(), NotReady> {
    loop {
        let (kind, body) = receive(stream).await.map_err(NotReady::Connection)?;
        match kind {
            b'Z' => return Ok(()),
            b'E' => return Err(refusal(&body)),
            // Authentication: 0 is "ok", anything else asks for what we do not have.
            b'R' if body.iter().any(|byte| *byte != 0) => {
                return Err(strange("it wants a password"));
            }
            _ => {}
        }
    }
}

async fn receive(stream: &mut UnixStream) -> io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = usize::try_from(stream.read_i32().await?).unwrap_or(usize::MAX);
    let length = length
        .checked_sub(4)
        .filter(|length| *length <= LONGEST_MESSAGE)
        .ok_or_else(|| io::Error::other("a message of impossible length"))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

/// An ErrorResponse is a list of fields, each a letter and a text: C is the SQLSTATE, M the
/// message.
fn refusal(body: &[u8]) -> NotReady {
    let field = |letter: u8| {
        body.split(|byte| *byte == 0)
            .find_map(|field| field.strip_prefix(&[letter]))
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .unwrap_or_default()
    };
    NotReady::Refused {
        code: field(b'C'),
        message: field(b'M'),
    }
}

fn strange(what: &str) -> NotReady {
    NotReady::Strange(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_code_and_message() {
        let body = b"SFATAL\0VFATAL\0C3D000\0Mdatabase \"lokahi\" does not exist\0\0";
        assert_eq!(
            refusal(body).to_string(),
            "it answered 3D000: database \"lokahi\" does not exist"
        );
    }
}
