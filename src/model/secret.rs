//! References to secrets, and texts in which they stand. No value is ever held here: only a
//! worker knows it, and only while it sends it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::model::name::{InvalidName, Name};

/// In what a worker says of a secret that is bound, and not to what asks for it.
pub const BOUND_TO: &str = "it is bound to ";
/// How many hosts are named that it must be bound to.
const HOSTS: usize = 20;

/// The name of a secret, by the rule of all names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SecretName(Name);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The environment variable that can hold the value: `db-token` is
    /// `LOKAHI_SECRET_DB_TOKEN`.
    pub fn variable(&self) -> String {
        let name = self.as_str().to_ascii_uppercase().replace('-', "_");
        format!("LOKAHI_SECRET_{name}")
    }

    /// What a file of bindings needs for it, for people; `refusal` is what a worker said.
    pub fn binding(&self, hosts: &[&str], project: &str, refusal: &str) -> String {
        let name = self.as_str();
        let more = match hosts.len().saturating_sub(HOSTS) {
            0 => String::new(),
            1 => " and 1 more host,".to_owned(),
            n => format!(" and {n} more hosts,"),
        };
        let named = hosts.iter().take(HOSTS).map(|it| format!("{it:?}"));
        let named = named.collect::<Vec<_>>().join(", ");
        match refusal.contains(BOUND_TO) {
            true => format!(
                "more in its block secret {name:?}: {named}{more} among its hosts, and {project:?} \
                 among its projects"
            ),
            false => format!(
                "a block secret {name:?} with hosts = [{named}]{more} and projects = [{project:?}]"
            ),
        }
    }

    /// The first one that a text for people names.
    pub fn named_in(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("secret(\"")?;
        rest.split_once('"')?.0.parse().ok()
    }
}

impl FromStr for SecretName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.parse().map(Self)
    }
}

/// As check files refer to it.
impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret(\"{}\")", self.as_str())
    }
}

/// The first two names that one environment variable would stand for.
pub fn colliding<'n>(
    names: impl IntoIterator<Item = &'n SecretName>,
) -> Option<(&'n SecretName, &'n SecretName)> {
    let mut known: BTreeMap<String, &SecretName> = BTreeMap::new();
    names.into_iter().find_map(|name| {
        let first = *known.entry(name.variable()).or_insert(name);
        (first != name).then_some((first, name))
    })
}

/// Whether secrets that are bound to nothing may be used. Anyone can propose a file that pairs
/// a secret with a site of their own, so it is not so by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unbound {
    /// What asks is declared, on a server that has one declared project.
    Allowed,
    Refused,
}

/// On whose behalf a probe or an event puts values in the places of secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretUse {
    /// Empty for nobody's.
    pub project: Arc<str>,
    pub unbound: Unbound,
}

impl SecretUse {
    /// What holds for what a project has, if `sole` is the only one that declares anything.
    pub fn of(project: &Arc<str>, declared: bool, sole: Option<&str>) -> Self {
        Self {
            project: Arc::clone(project),
            unbound: match declared && sole == Some(project) {
                true => Unbound::Allowed,
                false => Unbound::Refused,
            },
        }
    }

    /// Of a project whose checks are asked before they are applied.
    pub fn bound(project: &str) -> Self {
        Self {
            project: project.into(),
            unbound: Unbound::Refused,
        }
    }
}

/// Who asks for a secret, and for which host.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    pub who: &'a SecretUse,
    pub host: &'a str,
}

/// A piece of a text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Piece {
    Plain(String),
    Secret(SecretName),
}

/// A text in which secrets may stand. Canonical: no plain piece is empty or follows another
/// one, so that equal texts have equal pieces.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Text(Vec<Piece>);

impl Text {
    /// A text without secrets.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new([Piece::Plain(text.into())])
    }

    /// The text of these pieces.
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut kept: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (kept.last_mut(), piece) {
                (_, Piece::Plain(text)) if text.is_empty() => {}
                (Some(Piece::Plain(before)), Piece::Plain(text)) => before.push_str(&text),
                (_, piece) => kept.push(piece),
            }
        }
        Self(kept)
    }

    /// Its pieces.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The whole text, unless a secret stands in it.
    pub fn as_plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// The secrets that stand in it, in order.
    pub fn references(&self) -> impl Iterator<Item = &SecretName> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Plain(_) => None,
            Piece::Secret(name) => Some(name),
        })
    }

    /// What of it is known: without its secrets.
    pub fn known(&self) -> String {
        let known = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Secret(_) => String::new(),
        };
        self.0.iter().map(known).collect()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::plain(text)
    }
}

impl From<SecretName> for Text {
    fn from(name: SecretName) -> Self {
        Self(vec![Piece::Secret(name)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str) -> SecretName {
        name.parse().unwrap()
    }

    #[test]
    fn names_and_variables() {
        let name = secret("db-token_2");
        assert_eq!(name.variable(), "LOKAHI_SECRET_DB_TOKEN_2");
        assert_eq!(name.to_string(), "secret(\"db-token_2\")");
        assert!("../x".parse::<SecretName>().is_err());
        let names = ["a-b", "c", "a-b", "a_b"].map(secret);
        assert_eq!(colliding(&names), Some((&names[0], &names[3])));
        assert_eq!(colliding(&names[..3]), None);
    }

    #[test]
    fn what_binds_it_names_each_host_or_says_how_many_more_there_are() {
        let name = secret("tok");
        let asks = |hosts: &[&str], refusal| name.binding(hosts, "shop", refusal);
        assert_eq!(
            asks(&["a", "b", "c", "d"], "may not be used"),
            "a block secret \"tok\" with hosts = [\"a\", \"b\", \"c\", \"d\"] and projects = [\"shop\"]"
        );
        assert_eq!(
            asks(
                &["a"],
                "for a: it is bound to hosts [b] and projects [shop]"
            ),
            "more in its block secret \"tok\": \"a\" among its hosts, and \"shop\" among its projects"
        );
        assert!(asks(&["a"; 22], "").contains("\"a\"] and 2 more hosts, and projects"));
    }

    #[test]
    fn equal_texts_have_equal_pieces() {
        let plain = |text: &str| Piece::Plain(text.into());
        let text = Text::new([
            plain("Bear"),
            plain(""),
            plain("er "),
            Piece::Secret(secret("tok")),
            plain(""),
        ]);
        assert_eq!(
            text.pieces(),
            [plain("Bearer "), Piece::Secret(secret("tok"))]
        );
        assert_eq!(text.as_plain(), None);
        assert_eq!(text.known(), "Bearer ");
        assert_eq!(Text::plain("x").as_plain(), Some("x"));
        assert_eq!(Text::plain(""), Text::default());
    }

    #[test]
    fn only_the_one_declared_project_has_secrets() {
        let allowed = |project: &str, declared, sole| {
            SecretUse::of(&project.into(), declared, sole).unbound == Unbound::Allowed
        };
        assert!(allowed("shop", true, Some("shop")));
        assert!(!allowed("shop", true, None));
        assert!(!allowed("shop", true, Some("blog")));
        assert!(!allowed("shop", false, Some("shop")));
    }
}
