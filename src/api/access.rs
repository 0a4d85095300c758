//! Who calls. Every call has a principal; it is what audit shows.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::proto::twirp::{Code, TwirpError};

/// The name of whoever calls where no credentials are asked for.
const ANONYMOUS: &str = "anonymous";

/// Whoever makes a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    pub name: String,
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

    /// The caller, by HTTP basic authentication (RFC 7617).
    pub(super) fn principal(&self, headers: &HeaderMap) -> Result<Principal, TwirpError> {
        let Some(admin) = &self.admin else {
            let name = ANONYMOUS.to_owned();
            return Ok(Principal { name });
        };
        let (user, password) = basic(headers).ok_or_else(|| {
            TwirpError::new(
                Code::Unauthenticated,
                "a user name and a password are needed",
            )
        })?;
        let same = digest(&user).ct_eq(&admin.user) & digest(&password).ct_eq(&admin.password);
        if same.into() {
            let name = admin.name.clone();
            Ok(Principal { name })
        } else {
            Err(TwirpError::new(
                Code::Unauthenticated,
                "the user name or the password is wrong",
            ))
        }
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = STANDARD.decode(credentials.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(setting: Option<&str>, header: Option<&str>) -> Option<String> {
        let access = Access::from_setting(setting).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            let value = format!("Basic {}", STANDARD.encode(header));
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        access.principal(&headers).ok().map(|caller| caller.name)
    }

    #[test]
    fn only_the_right_user_with_the_right_password() {
        let setting = Some("ada:se:cret");
        assert_eq!(call(setting, Some("ada:se:cret")).as_deref(), Some("ada"));
        for wrong in ["ada:secret", "eve:se:cret", "ada:", ":se:cret", "ada", ""] {
            assert_eq!(call(setting, Some(wrong)), None, "{wrong}");
        }
        assert_eq!(call(setting, None), None);
    }

    #[test]
    fn without_the_setting_everybody_is_anonymous() {
        assert_eq!(call(None, None).as_deref(), Some("anonymous"));
        assert_eq!(call(Some(""), Some("a:b")).as_deref(), Some("anonymous"));
        for bad in ["ada", ":x", "ada:"] {
            assert!(Access::from_setting(Some(bad)).is_err(), "{bad}");
        }
    }
}
