//! The Twirp client: lokahictl's way to a server. Protobuf over HTTP, with a
//! token, or the user and password that stand in the server's URL. None of them
//! is ever shown.

mod methods;

use std::fmt;
use std::time::Duration;

use prost::{Message, Name};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use url::{Host, Url};

use crate::egress::unanswered::{CONNECT_TIMEOUT, unanswered};
use crate::proto::twirp::{Encoding, TwirpError};

/// How long a call may take: longer than the longest run of checks.
const PATIENCE: Duration = Duration::from_secs(60);
const AGENT: &str = concat!("lokahictl/", env!("CARGO_PKG_VERSION"));

/// Why a call has no answer. Nothing in it shows a password.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL names no server. It is not repeated: it may hold a password.
    #[error("the server's URL cannot be used: {0}")]
    Server(String),
    /// A token has a character that no header can have. It is not repeated.
    #[error("the token cannot be used: it is one word, of letters, digits and signs")]
    Token,
    /// This machine cannot make HTTP calls.
    #[error("the HTTP client cannot be made")]
    Build(#[source] reqwest::Error),
    /// Nobody answers there.
    #[error("cannot reach the server {server}: {why}")]
    Connect { server: String, why: String },
    /// The answer did not come, or not whole.
    #[error("the server {server} did not answer: {why}")]
    Answer { server: String, why: String },
    /// The server refused.
    #[error(transparent)]
    Refused(#[from] TwirpError),
    /// The answer is not the message that was expected.
    #[error("{server} answers, but not as lokahi does")]
    Stranger { server: String },
}

impl ClientError {
    /// Whether the call may have been carried out although there is no answer.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }
}

/// A server, and how to call it. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    credentials: Option<Credentials>,
}

/// They have no `Debug` form.
#[derive(Clone)]
enum Credentials {
    Password { user: String, password: String },
    Token(String),
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.base.as_str()).finish()
    }
}

impl Client {
    /// A client of `http[s]://[user:password@]host[:port][/path]`.
    pub fn new(server: &str) -> Result<Self, ClientError> {
        let mut base =
            Url::parse(server).map_err(|error| ClientError::Server(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            let why = format!("it begins with {}:, not http: or https:", base.scheme());
            return Err(ClientError::Server(why));
        }
        let credentials = (!base.username().is_empty() || base.password().is_some()).then(|| {
            Credentials::Password {
                user: percent_decoded(base.username()),
                password: percent_decoded(base.password().unwrap_or_default()),
            }
        });
        // They fail only for URLs without a host, which http has.
        if base.set_username("").is_err() || base.set_password(None).is_err() {
            return Err(ClientError::Server("it has no host".to_owned()));
        }
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self {
            http: http_client(&base).map_err(ClientError::Build)?,
            base,
            credentials,
        })
    }

    /// The same with a token, which goes before user and password.
    pub fn with_token(self, token: &str) -> Result<Self, ClientError> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ClientError::Token);
        }
        Ok(Self {
            credentials: Some(Credentials::Token(token.to_owned())),
            ..self
        })
    }

    /// The server's URL, without user and password.
    pub fn server(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Calls `SERVICE/METHOD`.
    pub async fn call<Q, A>(&self, method: &str, request: &Q) -> Result<A, ClientError>
    where
        Q: Message + Name,
        A: Message + Name + Default,
    {
        let mut url = self.base.clone();
        let path = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{path}/twirp/{method}"));
        let mut call = self
            .http
            .post(url)
            .header(CONTENT_TYPE, Encoding::Protobuf.content_type())
            .header(USER_AGENT, AGENT)
            .body(request.encode_to_vec());
        call = match &self.credentials {
            None => call,
            Some(Credentials::Password { user, password }) => call.basic_auth(user, Some(password)),
            Some(Credentials::Token(token)) => call.bearer_auth(token),
        };
        let answer = call.send().await.map_err(|error| self.failed(error))?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get(CONTENT_TYPE);
        let encoding = content_type
            .and_then(|it| it.to_str().ok())
            .and_then(Encoding::from_content_type);
        let bytes = answer.bytes().await.map_err(|error| self.failed(error))?;
        if status != 200 {
            return Err(TwirpError::from_answer(status, &bytes).into());
        }
        match A::decode(bytes) {
            Ok(answer) if encoding == Some(Encoding::Protobuf) => Ok(answer),
            // A web page may happen to be a message, too.
            Ok(_) | Err(_) => Err(ClientError::Stranger {
                server: self.server(),
            }),
        }
    }

    fn failed(&self, error: reqwest::Error) -> ClientError {
        let (server, connects) = (self.server(), error.is_connect());
        let why = unanswered(error, PATIENCE);
        match connects {
            true => ClientError::Connect { server, why },
            false => ClientError::Answer { server, why },
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits = rest.clone().take(2).collect::<Vec<u8>>();
        let hex = std::str::from_utf8(&digits)
            .ok()
            .filter(|hex| hex.len() == 2);
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest.nth(1);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server is the user's own choice: no address policy"
)]
fn http_client(base: &Url) -> Result<reqwest::Client, reqwest::Error> {
    // Somebody else in the process may have chosen one already: as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let loopback = match base.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none());
    // A proxy for the world is no way to this machine.
    if loopback {
        builder.no_proxy()
    } else {
        builder
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_used_and_never_shown() {
        let client = Client::new("http://ada:s%40cret@127.0.0.1:1/below/").unwrap();
        assert_eq!(client.server(), "http://127.0.0.1:1/below");
        assert!(!format!("{client:?}").contains("cret"));
        let Some(Credentials::Password { user, password }) = &client.credentials else {
            panic!("user and password are lost");
        };
        assert_eq!((user.as_str(), password.as_str()), ("ada", "s@cret"));
        let client = client.with_token("canary").unwrap();
        assert!(!format!("{client:?}").contains("canary"));
        let error = client.with_token("can\nary").unwrap_err().to_string();
        assert!(!error.contains("can\n"), "{error}");
        let error = Client::new("ada:secret@host").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
