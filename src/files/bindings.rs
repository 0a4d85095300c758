//! Which secrets may go where: the file of a worker that binds each to hosts and projects.
//! It is read again when it has changed; while it cannot be read, what it last said holds.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use tracing::{info, warn};

use crate::model::secret::SecretName;

/// The largest file, in bytes.
const MAX: u64 = 1024 * 1024;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    #[error("{path} cannot be read")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path}: {why}")]
    Content { path: PathBuf, why: String },
}

/// What a secret may be used for: what one of its blocks says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Binding(Vec<Block>);

/// All of it must fit.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    /// Names, each as it is or as `*.example.com`, which is every name below.
    hosts: Vec<String>,
    projects: Vec<String>,
}

impl Binding {
    /// Whether a project may use it for a host.
    pub fn allows(&self, project: &str, host: &str) -> bool {
        self.0.iter().any(|block| block.allows(project, host))
    }
}

impl Block {
    fn allows(&self, project: &str, host: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => pattern == host,
        };
        self.projects.iter().any(|known| known == project) && self.hosts.iter().any(fits)
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, block) in self.0.iter().enumerate() {
            let or = if number > 0 { ", or to " } else { "" };
            let (hosts, projects) = (block.hosts.join(", "), block.projects.join(", "));
            write!(f, "{or}hosts [{hosts}] and projects [{projects}]")?;
        }
        Ok(())
    }
}

/// Everything that is bound.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bindings(BTreeMap<String, Binding>);

impl Bindings {
    /// Reads blocks `secret "NAME" { hosts = [...], projects = [...] }`. A secret may have several.
    fn parse(text: &str) -> Result<Self, String> {
        let body = hcl::parse(text).map_err(|error| match error {
            hcl::Error::Parse(error) => {
                format!("line {}: {}", error.location().line(), error.message())
            }
            error => error.to_string(),
        })?;
        let mut all: BTreeMap<String, Binding> = BTreeMap::new();
        for structure in body {
            let block = match structure {
                hcl::Structure::Block(block) => block,
                hcl::Structure::Attribute(it) => return Err(stray(it.key())),
            };
            let name = match (block.identifier(), block.labels()) {
                ("secret", [name]) => name.as_str().to_owned(),
                ("secret", _) => return Err(stray("a block `secret` without one name")),
                (other, _) => return Err(stray(other)),
            };
            let named = |why: &dyn fmt::Display| format!("secret {name:?}: {why}");
            name.parse::<SecretName>().map_err(|error| named(&error))?;
            let binding: Block = hcl::from_body(block.body).map_err(|error| named(&error))?;
            if binding.hosts.is_empty() || binding.projects.is_empty() {
                return Err(named(
                    &"give at least one of `hosts`, and one of `projects`",
                ));
            }
            for pattern in &binding.hosts {
                check(pattern).map_err(|why| named(&why))?;
            }
            all.entry(name).or_default().0.push(binding);
        }
        Ok(Self(all))
    }

    /// What a secret is bound to, if it is.
    pub fn of(&self, name: &SecretName) -> Option<&Binding> {
        self.0.get(name.as_str())
    }
}

fn stray(what: &str) -> String {
    format!(
        "{what}: only blocks `secret \"NAME\" {{ hosts = [...], projects = [...] }}` stand here"
    )
}

/// That a host can be so.
fn check(pattern: &str) -> Result<(), String> {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    match url::Host::parse(name) {
        Ok(host) if host.to_string() == name && !name.contains('*') => Ok(()),
        _ => Err(format!(
            "{pattern:?} is no host: write a name in lower case, an address, or \"*.example.com\""
        )),
    }
}

/// What a file looked like when it was read.
type Stamp = Option<(u64, Option<SystemTime>)>;

fn stamp(found: &io::Result<Metadata>) -> Stamp {
    let found = found.as_ref().ok()?;
    Some((found.len(), found.modified().ok()))
}

/// A file of bindings, as it is now.
#[derive(Debug)]
pub struct BindingFile {
    path: PathBuf,
    read: Mutex<(Stamp, Arc<Bindings>)>,
}

impl BindingFile {
    /// Reads it for the first time.
    pub fn open(path: &Path) -> Result<Self, BindingError> {
        let stamp = stamp(&fs::metadata(path));
        let bindings = read(path)?;
        Ok(Self {
            path: path.to_owned(),
            read: Mutex::new((stamp, Arc::new(bindings))),
        })
    }

    /// What it says. Looks whether it has changed.
    pub fn current(&self) -> Arc<Bindings> {
        let now = stamp(&fs::metadata(&self.path));
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if now != known.0 {
            known.0 = now;
            match read(&self.path) {
                Ok(bindings) => {
                    info!(path = %self.path.display(), secrets = bindings.0.len(), "bindings read");
                    known.1 = Arc::new(bindings);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "the bindings of secrets stay as they were");
                }
            }
        }
        Arc::clone(&known.1)
    }
}

fn read(path: &Path) -> Result<Bindings, BindingError> {
    let failed = |source| BindingError::Read {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(failed)?.len() > MAX {
        return Err(BindingError::Content {
            path: path.to_owned(),
            why: "is larger than 1 MiB".to_owned(),
        });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    Bindings::parse(&text).map_err(|why| BindingError::Content {
        path: path.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::private::random_hex;

    const TEXT: &str = r#"
secret "shop-token" {
  hosts    = ["shop.example.com", "*.shop.example.com", "10.0.0.7"]
  projects = ["shop", "api"]
}

secret "db" {
  hosts    = ["db.example.com"]
  projects = ["shop"]
}
"#;

    #[test]
    fn host_and_project_must_fit() {
        let bindings = Bindings::parse(TEXT).unwrap();
        let binding = bindings.of(&"shop-token".parse().unwrap()).unwrap();
        for (project, host, expected) in [
            ("shop", "shop.example.com", true),
            ("api", "eu.shop.example.com", true),
            ("api", "a.b.shop.example.com", true),
            ("shop", "10.0.0.7", true),
            ("blog", "shop.example.com", false),
            ("shop", "evilshop.example.com", false),
            ("shop", ".shop.example.com", false),
            ("shop", "shop.example.com.evil.net", false),
        ] {
            assert_eq!(binding.allows(project, host), expected, "{project} {host}");
        }
        assert!(bindings.of(&"other".parse().unwrap()).is_none());
    }

    #[test]
    fn a_secret_may_have_several_blocks() {
        let more = "secret \"db\" {\n  hosts = [\"eu.example.com\"]\n  projects = [\"blog\"]\n}\n";
        let bindings = Bindings::parse(&format!("{TEXT}{more}")).unwrap();
        let binding = bindings.of(&"db".parse().unwrap()).unwrap();
        for (project, host, expected) in [
            ("shop", "db.example.com", true),
            ("blog", "eu.example.com", true),
            ("shop", "eu.example.com", false),
            ("blog", "db.example.com", false),
        ] {
            assert_eq!(binding.allows(project, host), expected, "{project} {host}");
        }
        assert_eq!(
            binding.to_string(),
            "hosts [db.example.com] and projects [shop], or to hosts [eu.example.com] and projects \
             [blog]"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let of = |text: &str| Bindings::parse(text).unwrap_err();
        for (text, why) in [
            (
                "secret \"Db\" {\n  hosts = [\"a\"]\n  projects = [\"b\"]\n}\n",
                "secret \"Db\"",
            ),
            (
                "secret \"db\" {\n  hosts = []\n  projects = [\"b\"]\n}\n",
                "at least one",
            ),
            (
                "secret \"db\" {\n  hosts = [\"*\"]\n  projects = [\"b\"]\n}\n",
                "is no host",
            ),
            ("secret \"db\" {\n  hosts = [\"a\"]\n}\n", "projects"),
            ("secret \"db\" {\n", "line "),
            (
                "secret \"db\" {\n  hosts = \"a\"\n  projects = [\"b\"]\n}\n",
                "secret \"db\": ",
            ),
            ("other \"db\" {\n}\n", "other"),
            ("secret {\n}\n", "without one name"),
            ("hosts = [\"a\"]\n", "hosts: only blocks"),
        ] {
            assert!(of(text).contains(why), "{text}: {}", of(text));
        }
    }

    #[test]
    fn what_changes_counts_and_what_breaks_does_not() {
        let path = std::env::temp_dir().join(format!("lokahi-bindings-{}", random_hex(6).unwrap()));
        fs::write(&path, "").unwrap();
        let file = BindingFile::open(&path).unwrap();
        let name: SecretName = "db".parse().unwrap();
        assert!(file.current().of(&name).is_none());
        fs::write(&path, TEXT).unwrap();
        assert!(file.current().of(&name).is_some());
        fs::write(&path, "secret {").unwrap();
        assert!(file.current().of(&name).is_some());
        fs::remove_file(&path).unwrap();
        assert!(file.current().of(&name).is_some());
        assert!(BindingFile::open(&path).is_err());
    }
}
