//! How a check says who it is.

use crate::model::secret::{SecretName, Text};
use crate::model::value::HttpUrl;

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
