//! How a check says who it is.

use crate::model::secret::{Piece, SecretName, Text};
use crate::model::value::{HttpUrl, InvalidValue};

/// What goes into the `authorization` header.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Auth {
    /// RFC 7617.
    Basic { username: Text, password: Text },
    /// RFC 6750.
    Bearer { token: Text },
    /// RFC 6749, section 4.4: a token that the client asks for itself.
    ClientCredentials {
        token_url: HttpUrl,
        client_id: Text,
        client_secret: Text,
        scopes: Vec<String>,
    },
}

impl Auth {
    /// The longest name, password or token, in bytes.
    pub const MAX: usize = 8 * 1024;
    /// The most scopes.
    pub const MAX_SCOPES: usize = 32;

    /// Checks a name for Basic, as far as it is known, by RFC 7617, section 2.
    pub fn valid_username(name: &Text) -> Result<(), InvalidValue> {
        if name.is_empty() {
            return Err(InvalidValue::Other("a name for Basic is not empty".into()));
        }
        if plain(name).any(|text| text.contains(':')) {
            let why = "a name for Basic has no `:` in it: that is where it ends (RFC 7617)";
            return Err(InvalidValue::Other(why.into()));
        }
        Self::valid_password(name)
    }

    /// Checks a password for Basic, as far as it is known, by RFC 7617, section 2.
    pub fn valid_password(password: &Text) -> Result<(), InvalidValue> {
        match plain(password).any(|text| text.contains(char::is_control)) {
            true => Err(InvalidValue::Other("has control characters".into())),
            false => Ok(()),
        }
    }

    /// Checks a token, as far as it is known: it stands in a header alone.
    pub fn valid_token(token: &Text) -> Result<(), InvalidValue> {
        if token.is_empty() {
            return Err(InvalidValue::Other("a token is not empty".into()));
        }
        Self::valid_password(token)
    }

    /// The secrets in it.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let texts = match self {
            Self::Basic { username, password } => [Some(username), Some(password)],
            Self::Bearer { token } => [Some(token), None],
            Self::ClientCredentials {
                client_id,
                client_secret,
                ..
            } => [Some(client_id), Some(client_secret)],
        };
        texts.into_iter().flatten().flat_map(Text::references)
    }
}

fn plain(text: &Text) -> impl Iterator<Item = &str> {
    text.pieces().iter().filter_map(|piece| match piece {
        Piece::Plain(text) => Some(text.as_str()),
        Piece::Secret(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sent() {
        for (name, good) in [("ada", true), ("", false), ("a:b", false), ("a\nb", false)] {
            assert_eq!(Auth::valid_username(&name.into()).is_ok(), good, "{name}");
        }
        for (password, good) in [("a:b", true), ("", true), ("a\u{7f}", false)] {
            assert_eq!(Auth::valid_password(&password.into()).is_ok(), good);
        }
        for (token, good) in [("abc", true), ("", false), ("abc\n", false)] {
            assert_eq!(Auth::valid_token(&token.into()).is_ok(), good, "{token}");
        }
        let secret = Text::new([Piece::Secret("a".parse().unwrap())]);
        assert!(Auth::valid_username(&secret).is_ok() && Auth::valid_token(&secret).is_ok());
    }
}
