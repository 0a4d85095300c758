//! Tokens that a check asks for itself: OAuth 2.0 client credentials (RFC 6749, section 4.4).
//! One token serves all checks that would ask for the same, as long as it is good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::failure::Failure;
use super::hop::{Hop, Used, basic};
use crate::clock;
use crate::files::secrets::Secrets;
use crate::model::auth::Auth;
use crate::model::observation::ErrorClass;
use crate::model::secret::{Asking, Text};

/// How long a token is believed in whose end nobody has said.
const UNSAID: Duration = Duration::from_secs(300);
/// So much before its end it is not used any more.
const MARGIN: Duration = Duration::from_secs(30);
/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;
/// The most tokens that are kept; with more, all are forgotten.
const MAX: usize = 10_000;

/// What a token is asked for with.
pub(super) struct Grant {
    key: [u8; 32],
    hop: Hop,
}

impl Grant {
    pub(super) fn new(
        auth: &Auth,
        secrets: &Secrets,
        asking: Asking<'_>,
        used: &mut Used,
    ) -> Result<Self, Failure> {
        let Auth::ClientCredentials {
            token_url,
            client_id,
            client_secret,
            scopes,
        } = auth
        else {
            return Err(Failure::internal("no token is asked for"));
        };
        let url = token_url.parse();
        let asking = Asking {
            host: url.host_str().unwrap_or_default(),
            ..asking
        };
        let mut fill = |text: &Text| {
            let filled = secrets.fill(text, asking, &mut used.secrets);
            filled.map_err(|error| Failure::of_secret(&error))
        };
        let (id, secret) = (fill(client_id)?, fill(client_secret)?);
        // Section 2.3.1: both are encoded as a form would before they are put together.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let basic = basic(&encoded(&id), &encoded(&secret));
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        let form = form.finish();
        let mut hash = Sha256::new();
        for part in [token_url.as_str(), &basic, &form] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        used.derived.extend([secret, basic.clone()]);
        Ok(Self {
            key: hash.finalize().into(),
            hop: Hop::form(url.clone(), &basic, form)?,
        })
    }

    pub(super) fn hop(&self) -> &Hop {
        &self.hop
    }

    /// Why there is none.
    pub(super) fn refused(&self, why: &str) -> Failure {
        refused(self.url(), why)
    }

    fn url(&self) -> &Url {
        &self.hop.url
    }
}

/// A token, and until when it is used.
struct Token {
    text: String,
    until: Instant,
}

/// Where a token is kept. Whoever fetches one holds it, and the others wait for the same.
pub(super) type Place = Arc<tokio::sync::Mutex<Kept>>;

/// A token, perhaps.
#[derive(Default)]
pub(super) struct Kept(Option<Token>);

impl Kept {
    /// The token, as long as it is good.
    pub(super) fn good(&self) -> Option<&str> {
        let good = |token: &&Token| clock::monotonic() < token.until;
        self.0
            .as_ref()
            .filter(good)
            .map(|token| token.text.as_str())
    }

    /// Keeps what was answered, and returns it.
    pub(super) fn keep(
        &mut self,
        grant: &Grant,
        status: u16,
        body: &[u8],
    ) -> Result<String, Failure> {
        self.0 = None;
        let token = read(grant.url(), status, body, clock::monotonic())?;
        Ok(self.0.insert(token).text.clone())
    }

    /// The site did not take it.
    pub(super) fn forget(&mut self, text: &str) {
        self.0 = self.0.take().filter(|token| token.text != text);
    }
}

/// The tokens of a worker.
#[derive(Default)]
pub(super) struct Grants(Mutex<HashMap<[u8; 32], Place>>);

impl Grants {
    pub(super) fn place(&self, grant: &Grant) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MAX && !places.contains_key(&grant.key) {
            places.clear();
        }
        Arc::clone(places.entry(grant.key).or_default())
    }
}

/// RFC 6749, section 5.1.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    token_type: String,
    expires_in: Option<f64>,
}

fn refused(url: &Url, why: &str) -> Failure {
    Failure::new(ErrorClass::NoToken, format!("no token from {url}: {why}"))
}

/// What was answered is not quoted: it may be the token.
fn read(url: &Url, status: u16, body: &[u8], now: Instant) -> Result<Token, Failure> {
    let refused = |why: &str| refused(url, why);
    if !(200..300).contains(&status) {
        return Err(refused(&format!("status {status}")));
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_no_answer| refused("its answer is no JSON with an `access_token`"))?;
    if !answer.token_type.is_empty() && !answer.token_type.eq_ignore_ascii_case("bearer") {
        return Err(refused("it gives tokens that are not of type Bearer"));
    }
    if answer.access_token.is_empty() || answer.access_token.len() > MAX_TOKEN {
        return Err(refused("its token is empty, or longer than 16 KiB"));
    }
    let lasts = answer.expires_in.map_or(UNSAID, |seconds| {
        Duration::try_from_secs_f64(seconds.clamp(0.0, 86_400.0)).unwrap_or(UNSAID)
    });
    Ok(Token {
        text: answer.access_token,
        until: now + lasts.saturating_sub(MARGIN),
    })
}
