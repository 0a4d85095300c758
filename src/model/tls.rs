//! How a check trusts its site, and how the site may know the check.

use std::fmt;
use std::str::FromStr;

use crate::model::secret::Text;
use crate::model::value::InvalidValue;

/// The least version of TLS that is spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum TlsVersion {
    #[default]
    V1_2,
    V1_3,
}

impl TlsVersion {
    /// Every version that is spoken, with its name.
    pub const ALL: [(Self, &'static str); 2] = [(Self::V1_2, "1.2"), (Self::V1_3, "1.3")];
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        })
    }
}

impl FromStr for TlsVersion {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(version, _)| version).ok_or_else(|| {
            InvalidValue::Other("is neither \"1.2\" nor \"1.3\": no older TLS is spoken".into())
        })
    }
}

/// Certificates as text (RFC 7468), one or more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Certificates(String);

impl Certificates {
    /// The longest text, in bytes.
    pub const MAX: usize = 64 * 1024;

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Certificates {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.len() > Self::MAX {
            return Err(InvalidValue::TooLong {
                length: text.len(),
                max: Self::MAX,
            });
        }
        let is = |line: &str| text.lines().any(|found| found.trim_end() == line);
        if text.contains("PRIVATE KEY") {
            let why = "holds a private key: put that into a secret, and only certificates here";
            return Err(InvalidValue::Other(why.into()));
        }
        if !is("-----BEGIN CERTIFICATE-----") || !is("-----END CERTIFICATE-----") {
            let why = "holds no certificate: write file(\"ca.pem\"), with lines from -----BEGIN \
                       CERTIFICATE----- to -----END CERTIFICATE-----";
            return Err(InvalidValue::Other(why.into()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What a check says of TLS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TlsSpec {
    /// Who is trusted instead of those whom the worker's machine trusts.
    pub authorities: Option<Certificates>,
    /// Whether the site's certificate must be good.
    pub verified: bool,
    /// The name that the site is asked for, and that its certificate must have.
    pub server_name: Option<String>,
    pub min_version: TlsVersion,
    /// The check's own certificate, and those between it and who vouches for it.
    pub certificate: Option<Certificates>,
    /// Its key (PKCS #8, PKCS #1 or SEC 1, as text); a secret stands in it.
    pub key: Option<Text>,
}

impl Default for TlsSpec {
    fn default() -> Self {
        Self {
            authorities: None,
            verified: true,
            server_name: None,
            min_version: TlsVersion::default(),
            certificate: None,
            key: None,
        }
    }
}
