//! The values of secrets: environment variables, or small files of one folder. They are read
//! when they are needed and kept nowhere, so that a new value counts from the next time on.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bindings::BindingFile;
use crate::model::secret::{Asking, BOUND_TO, Piece, SecretName, SecretUse, Text, Unbound};
use crate::model::value::HttpUrl;

/// The longest value, in bytes.
const MAX: usize = 64 * 1024;

/// There is no value that can be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(
        "{0} may not be used: only what is declared has secrets, on a server with one declared \
         project, unless SECRETS_BINDING binds it"
    )]
    Unbound(SecretName),
    #[error(
        "{name} may not be used by project {project:?} for {host}: {bound_to}{binding}",
        bound_to = BOUND_TO
    )]
    BoundElsewhere {
        name: SecretName,
        project: String,
        host: String,
        binding: String,
    },
    #[error(
        "{0} is not known to this worker: set {variable}, or put a file {file:?} into its SECRETS_DIR",
        variable = .0.variable(),
        file = .0.as_str()
    )]
    Missing(SecretName),
    #[error("the file of {name} cannot be read")]
    File {
        name: SecretName,
        #[source]
        source: io::Error,
    },
    #[error("the value of {name} {why}")]
    Unusable {
        name: SecretName,
        /// Without the value.
        why: Cow<'static, str>,
    },
}

impl SecretError {
    /// The same where the host is that of a URL that is a secret itself.
    pub fn without_host(self) -> Self {
        match self {
            Self::BoundElsewhere {
                name,
                project,
                binding,
                ..
            } => Self::BoundElsewhere {
                name,
                project,
                host: "the host of the URL, which is a secret".to_owned(),
                binding,
            },
            other => other,
        }
    }
}

/// The value of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub name: SecretName,
    value: String,
}

impl Secret {
    /// The value itself, for whoever sends it.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// Refuses the value, without showing it.
    pub fn unusable(&self, why: impl Into<Cow<'static, str>>) -> SecretError {
        SecretError::Unusable {
            name: self.name.clone(),
            why: why.into(),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where values come from.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: Option<PathBuf>,
    variable: fn(&str) -> Option<OsString>,
    bindings: Option<Arc<BindingFile>>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Secrets {
    /// From this process's environment, and else from the folder.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self::with_variables(folder, |name| std::env::var_os(name))
    }

    /// The same with another environment.
    pub fn with_variables(folder: Option<PathBuf>, variable: fn(&str) -> Option<OsString>) -> Self {
        Self {
            folder,
            variable,
            bindings: None,
        }
    }

    /// The same, some of them bound.
    pub fn bound_by(self, file: BindingFile) -> Self {
        Self {
            bindings: Some(Arc::new(file)),
            ..self
        }
    }

    /// The value of a secret, for whoever may use it.
    pub fn resolve(&self, name: &SecretName, asking: Asking<'_>) -> Result<Secret, SecretError> {
        self.allow(name, asking)?;
        self.value(name)
    }

    /// The value of a secret that is a URL as a whole, for whoever may use it there.
    pub fn resolve_url(&self, name: &SecretName, who: &SecretUse) -> Result<HttpUrl, SecretError> {
        let secret = self.value(name)?;
        let url = secret.expose().parse::<HttpUrl>();
        let url = url.map_err(|error| secret.unusable(error.of_secret()))?;
        let parsed = url.parse();
        let host = parsed.host_str().unwrap_or_default();
        self.allow(name, Asking { who, host })
            .map_err(SecretError::without_host)?;
        Ok(url)
    }

    fn allow(&self, name: &SecretName, asking: Asking<'_>) -> Result<(), SecretError> {
        let bindings = self.bindings.as_ref().map(|file| file.current());
        let binding = bindings.as_ref().and_then(|all| all.of(name));
        match (binding, asking.who.unbound) {
            (Some(binding), _) if binding.allows(&asking.who.project, asking.host) => Ok(()),
            (Some(binding), _) => Err(SecretError::BoundElsewhere {
                name: name.clone(),
                project: asking.who.project.to_string(),
                host: asking.host.to_owned(),
                binding: binding.to_string(),
            }),
            (None, Unbound::Allowed) => Ok(()),
            (None, Unbound::Refused) => Err(SecretError::Unbound(name.clone())),
        }
    }

    fn value(&self, name: &SecretName) -> Result<Secret, SecretError> {
        let unusable = |why: &'static str| SecretError::Unusable {
            name: name.clone(),
            why: why.into(),
        };
        // Compose files leave empty ones.
        let variable = (self.variable)(&name.variable()).filter(|value| !value.is_empty());
        let bytes = match (variable, &self.folder) {
            (Some(value), _) => Some(value.into_encoded_bytes()),
            (None, Some(folder)) => {
                read(&folder.join(name.as_str())).map_err(|source| SecretError::File {
                    name: name.clone(),
                    source,
                })?
            }
            (None, None) => None,
        };
        let bytes = bytes.ok_or_else(|| SecretError::Missing(name.clone()))?;
        if bytes.len() > MAX {
            return Err(unusable("is longer than 64 KiB"));
        }
        if bytes.is_empty() {
            return Err(unusable("is empty"));
        }
        let value = String::from_utf8(bytes).map_err(|_not_text| unusable("is not UTF-8"))?;
        Ok(Secret {
            name: name.clone(),
            value,
        })
    }

    /// A text with its secrets in it; what they were is added to `used`.
    pub fn fill(
        &self,
        text: &Text,
        asking: Asking<'_>,
        used: &mut Vec<Secret>,
    ) -> Result<String, SecretError> {
        let mut filled = String::new();
        for piece in text.pieces() {
            match piece {
                Piece::Plain(text) => filled.push_str(text),
                Piece::Secret(name) => {
                    let secret = self.resolve(name, asking)?;
                    filled.push_str(secret.expose());
                    used.push(secret);
                }
            }
        }
        Ok(filled)
    }
}

/// What a file has but for the line breaks at its end, if there is such a file. Links are
/// followed: that is how a cluster exchanges all files of a folder at once.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        // To open a pipe would wait for its writer.
        Ok(found) if !found.is_file() => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a file",
            ));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    // With some ends of lines, and to tell that there is more.
    File::open(path)?
        .take(MAX as u64 + 64)
        .read_to_end(&mut bytes)?;
    while let Some(shorter) = bytes.strip_suffix(b"\n") {
        let shorter = shorter.strip_suffix(b"\r").unwrap_or(shorter);
        bytes.truncate(shorter.len());
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::private::random_hex;

    fn allowed() -> SecretUse {
        SecretUse::of(&"shop".into(), true, Some("shop"))
    }

    fn asking(who: &SecretUse) -> Asking<'_> {
        Asking {
            who,
            host: "shop.example.com",
        }
    }

    fn folder() -> PathBuf {
        let name = format!("lokahi-secrets-{}", random_hex(6).unwrap());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    }

    fn secrets(folder: &Path) -> Secrets {
        Secrets::with_variables(Some(folder.to_owned()), |name| match name {
            "LOKAHI_SECRET_BOTH" | "LOKAHI_SECRET_DB_TOKEN" => Some("from the variable".into()),
            "LOKAHI_SECRET_EMPTY" => Some("".into()),
            _ => None,
        })
    }

    fn value(secrets: &Secrets, name: &str) -> String {
        match secrets.resolve(&name.parse().unwrap(), asking(&allowed())) {
            Ok(secret) => secret.expose().to_owned(),
            Err(error) => match std::error::Error::source(&error) {
                Some(why) => format!("error: {error}: {why}"),
                None => format!("error: {error}"),
            },
        }
    }

    #[test]
    fn a_variable_comes_first_and_a_file_is_read_each_time() {
        let folder = folder();
        let secrets = secrets(&folder);
        for (name, text) in [
            ("both", "x"),
            ("tok", "s3cret\r\n"),
            ("two", "a\nb\n\r\n\n"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        assert_eq!(value(&secrets, "both"), "from the variable");
        assert_eq!(value(&secrets, "db-token"), "from the variable");
        assert_eq!(value(&secrets, "tok"), "s3cret");
        assert_eq!(value(&secrets, "two"), "a\nb");
        fs::write(folder.join("tok"), "rotated").unwrap();
        assert_eq!(value(&secrets, "tok"), "rotated");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_used_names_the_secret_and_shows_no_value() {
        let folder = folder();
        let secrets = secrets(&folder);
        fs::write(folder.join("long"), "x".repeat(MAX + 1)).unwrap();
        fs::write(folder.join("fits"), format!("{}\n", "x".repeat(MAX))).unwrap();
        fs::write(folder.join("empty"), "\n").unwrap();
        fs::write(folder.join("bytes"), b"\xff").unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
        assert_eq!(value(&secrets, "fits").len(), MAX);
        for (name, expect) in [
            (
                "long",
                "the value of secret(\"long\") is longer than 64 KiB",
            ),
            ("empty", "the value of secret(\"empty\") is empty"),
            ("bytes", "the value of secret(\"bytes\") is not UTF-8"),
            (
                "folder",
                "the file of secret(\"folder\") cannot be read: it is not a file",
            ),
            (
                "no-ne",
                "secret(\"no-ne\") is not known to this worker: set LOKAHI_SECRET_NO_NE, or put \
                 a file \"no-ne\" into its SECRETS_DIR",
            ),
        ] {
            assert_eq!(value(&secrets, name), format!("error: {expect}"));
        }
        let refused = secrets.resolve(&"both".parse().unwrap(), asking(&SecretUse::bound("shop")));
        assert!(matches!(refused, Err(SecretError::Unbound(_))));
        let known = secrets.resolve(&"both".parse().unwrap(), asking(&allowed()));
        assert_eq!(format!("{:?}", known.unwrap()), "[secret]");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_secret_that_is_no_url_says_why() {
        let folder = folder();
        let secrets = secrets(&folder);
        for (text, why) in [
            (
                "http://u:t0ken@a/",
                "is a URL that has a user name or password: it must not",
            ),
            (
                "http://a/t0ken ",
                "is not a URL: it has spaces or control characters",
            ),
        ] {
            fs::write(folder.join("url"), text).unwrap();
            let refused = secrets.resolve_url(&"url".parse().unwrap(), &allowed());
            let expect = format!("the value of secret(\"url\") {why}");
            assert_eq!(refused.unwrap_err().to_string(), expect);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn of_a_url_that_is_a_secret_no_host_is_named() {
        let folder = folder();
        let binding = folder.join("binding");
        let text = "secret \"url\" {\n  hosts    = [\"a.test\"]\n  projects = [\"shop\"]\n}\n";
        fs::write(&binding, text).unwrap();
        fs::write(folder.join("url"), "https://b.test/t0ken").unwrap();
        let secrets = secrets(&folder).bound_by(BindingFile::open(&binding).unwrap());
        let refused = secrets.resolve_url(&"url".parse().unwrap(), &allowed());
        assert_eq!(
            refused.unwrap_err().to_string(),
            "secret(\"url\") may not be used by project \"shop\" for the host of the URL, which is \
             a secret: it is bound to hosts [a.test] and projects [shop]"
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
