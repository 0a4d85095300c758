//! Who calls. Every call has a principal; it is what audit shows. What a
//! principal may do is judged in `permit`.

use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::debug;

use super::credentials::{Credentials, credentials};
use super::error::ApiError;
use crate::model::scope::Scopes;
use crate::model::token::TokenText;
use crate::proto::twirp::{Code, TwirpError};
use crate::store::Store;
use crate::store::token::{StoredToken, token_find, token_used};

/// The name of whoever calls where no credentials are asked for.
const ANONYMOUS: &str = "anonymous";
/// The user of basic authentication whose password is a token.
const TOKEN_USER: &str = "token";

/// Whoever makes a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The user of `USERPASS`, `token:NAME`, or `anonymous`. No user's name has
    /// a colon in it.
    pub name: String,
    pub scopes: Scopes,
}

/// The setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Its value is not shown: half of it is a password.
    #[error("USERPASS must be user:password, both not empty")]
    Setting,
}

/// Whether the setting can be used.
pub fn check_setting(userpass: Option<&str>) -> Result<(), AccessError> {
    Access::from_setting(userpass).map(|_usable| ())
}

/// What is asked of callers.
pub(super) struct Access {
    admin: Option<Admin>,
}

/// Digests, so that a comparison takes as long whatever was sent.
struct Admin {
    name: String,
    user: [u8; 32],
    password: [u8; 32],
}

/// What credentials come to without looking into the store.
enum Judged {
    Known(Principal),
    /// What was sent as a token.
    Token(String),
}

impl Access {
    /// From `user:password`; the password may have colons.
    pub(super) fn from_setting(userpass: Option<&str>) -> Result<Self, AccessError> {
        let Some(userpass) = userpass.filter(|text| !text.is_empty()) else {
            return Ok(Self { admin: None });
        };
        let (user, password) = userpass
            .split_once(':')
            .filter(|(user, password)| !user.is_empty() && !password.is_empty())
            .ok_or(AccessError::Setting)?;
        Ok(Self {
            admin: Some(Admin {
                name: user.to_owned(),
                user: digest(user),
                password: digest(password),
            }),
        })
    }

    /// The caller. Only a token needs the store: the administrator gets in
    /// while Postgres is away.
    pub(super) async fn principal(
        &self,
        headers: &HeaderMap,
        store: &Store,
        now: OffsetDateTime,
    ) -> Result<Principal, ApiError> {
        match self.judge(credentials(headers))? {
            Judged::Known(principal) => Ok(principal),
            Judged::Token(text) => by_token(&text, store, now).await,
        }
    }

    /// A token is judged also where nobody is asked for anything: what was
    /// revoked must not seem to work.
    fn judge(&self, sent: Option<Credentials>) -> Result<Judged, TwirpError> {
        let everything = |name: &str| {
            let name = name.to_owned();
            let scopes = Scopes::all();
            Ok(Judged::Known(Principal { name, scopes }))
        };
        match (&self.admin, sent) {
            (_, Some(Credentials::Bearer(text))) => Ok(Judged::Token(text)),
            (Some(admin), Some(Credentials::Basic { user, password }))
                if admin.is(&user, &password) =>
            {
                everything(&admin.name)
            }
            (_, Some(Credentials::Basic { user, password })) if user == TOKEN_USER => {
                Ok(Judged::Token(password))
            }
            (None, _) => everything(ANONYMOUS),
            (Some(_), Some(_)) => Err(unauthenticated("the user name or the password is wrong")),
            (Some(_), None) => Err(unauthenticated(
                "a user name and a password, or a token, are needed",
            )),
        }
    }
}

impl Admin {
    fn is(&self, user: &str, password: &str) -> bool {
        (digest(user).ct_eq(&self.user) & digest(password).ct_eq(&self.password)).into()
    }
}

async fn by_token(text: &str, store: &Store, now: OffsetDateTime) -> Result<Principal, ApiError> {
    let unknown = || unauthenticated("the token is not known");
    let text = TokenText::parse(text).ok_or_else(unknown)?;
    let mut conn = store.acquire().await?;
    let found = token_find(&mut conn, text.hash()).await?;
    let token = found.ok_or_else(unknown)?;
    live(&token, now)?;
    if let Err(error) = token_used(&mut conn, &token, now).await {
        debug!(
            error = &error as &dyn std::error::Error,
            "the use of a token is not noted"
        );
    }
    Ok(Principal {
        name: format!("token:{}", token.name),
        scopes: token.scopes,
    })
}

/// Whoever has the text is no stranger, and may know how it ended.
fn live(token: &StoredToken, now: OffsetDateTime) -> Result<(), TwirpError> {
    let ended = |how: &str, at: OffsetDateTime| {
        let at = at.replace_nanosecond(0).unwrap_or(at);
        let at = at.format(&Rfc3339).unwrap_or_default();
        Err(unauthenticated(&format!(
            "the token {} {how} at {at}",
            token.name
        )))
    };
    match (token.expires_at, token.revoked_at) {
        (Some(at), _) if at <= now => ended("expired", at),
        (_, Some(at)) => ended("was revoked", at),
        _ => Ok(()),
    }
}

fn unauthenticated(why: &str) -> TwirpError {
    TwirpError::new(Code::Unauthenticated, why)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use axum::http::header::AUTHORIZATION;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// Who it is, `?` where the store would be asked.
    fn call(setting: Option<&str>, header: Option<&str>) -> Option<String> {
        let access = Access::from_setting(setting).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        match access.judge(credentials(&headers)).ok()? {
            Judged::Known(caller) => Some(caller.name),
            Judged::Token(_) => Some("?".to_owned()),
        }
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn only_the_right_user_with_the_right_password() {
        let setting = Some("ada:se:cret");
        let call = |sent: &str| call(setting, Some(&basic(sent)));
        assert_eq!(call("ada:se:cret").as_deref(), Some("ada"));
        for wrong in ["ada:secret", "eve:se:cret", "ada:", ":se:cret", "ada", ""] {
            assert_eq!(call(wrong), None, "{wrong}");
        }
        assert_eq!(super::tests::call(setting, None), None);
        assert_eq!(super::tests::call(setting, Some("Digest x")), None);
    }

    #[test]
    fn a_token_comes_in_two_ways() {
        for setting in [Some("ada:secret"), None] {
            for sent in ["Bearer x", "bearer  x", &basic("token:x")] {
                assert_eq!(call(setting, Some(sent)).as_deref(), Some("?"), "{sent}");
            }
        }
        let namesake = call(Some("token:secret"), Some(&basic("token:secret")));
        assert_eq!(namesake.as_deref(), Some("token"));
    }

    #[test]
    fn without_the_setting_everybody_is_anonymous() {
        assert_eq!(call(None, None).as_deref(), Some("anonymous"));
        let somebody = call(Some(""), Some(&basic("a:b")));
        assert_eq!(somebody.as_deref(), Some("anonymous"));
        for bad in ["ada", ":x", "ada:"] {
            assert!(Access::from_setting(Some(bad)).is_err(), "{bad}");
        }
    }
}
