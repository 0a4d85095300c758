//! What a caller may do. This file holds the one table of which scope includes
//! which; which call needs which is said where the call is registered.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::name::Name;
use super::quoted::Quoted;

/// A text is no scope.
#[derive(Debug, thiserror::Error)]
#[error("{} is no scope: there are read, plan, apply:PROJECT, operate and admin", Quoted(.0))]
pub struct InvalidScope(String);

/// A kind of calls that somebody may make.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// See checks, their states, and metrics.
    Read,
    /// See what an apply would change.
    Plan,
    /// Change what a project declares; in the project `api`, checks by single calls.
    Apply(Name),
    /// Act on what runs: probe now, read the audit.
    Operate,
    /// Everything.
    Admin,
}

impl Scope {
    /// Whether who has this scope may do what needs the other one.
    ///
    /// A plan includes reading: it shows what is live of any project.
    pub fn allows(&self, needed: &Self) -> bool {
        match self {
            Self::Read => matches!(needed, Self::Read),
            Self::Plan => matches!(needed, Self::Read | Self::Plan),
            Self::Apply(_) => matches!(needed, Self::Read | Self::Plan) || self == needed,
            Self::Operate => matches!(needed, Self::Read | Self::Operate),
            Self::Admin => true,
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let invalid = || InvalidScope(text.chars().take(Name::MAX).collect());
        match text {
            "read" => Ok(Self::Read),
            "plan" => Ok(Self::Plan),
            "operate" => Ok(Self::Operate),
            "admin" => Ok(Self::Admin),
            other => other
                .strip_prefix("apply:")
                .and_then(|project| project.parse().ok())
                .map(Self::Apply)
                .ok_or_else(invalid),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Plan => f.write_str("plan"),
            Self::Apply(project) => write!(f, "apply:{project}"),
            Self::Operate => f.write_str("operate"),
            Self::Admin => f.write_str("admin"),
        }
    }
}

/// What somebody has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scopes(pub BTreeSet<Scope>);

impl Scopes {
    /// Those of who may do everything.
    pub fn all() -> Self {
        Self(BTreeSet::from([Scope::Admin]))
    }

    /// Whether one of them allows what needs this one.
    pub fn allow(&self, needed: &Scope) -> bool {
        self.0.iter().any(|scope| scope.allows(needed))
    }

    /// Whether one of them is to change something that is declared, or what the API made.
    pub fn apply_something(&self) -> bool {
        let applies = |scope: &Scope| matches!(scope, Scope::Apply(_) | Scope::Admin);
        self.0.iter().any(applies)
    }
}

/// With commas; `none` where there are none.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (number, scope) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{scope}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_scope_includes_which() {
        let all = [
            "read",
            "plan",
            "apply:shop",
            "apply:api",
            "operate",
            "admin",
        ];
        let mut table = String::new();
        for has in all {
            let has: Scope = has.parse().unwrap();
            let allowed = all.iter().filter(|text| has.allows(&text.parse().unwrap()));
            let allowed: Vec<&str> = allowed.copied().collect();
            table.push_str(&format!("{has}: {}\n", allowed.join(" ")));
        }
        insta::assert_snapshot!(table, @r"
        read: read
        plan: read plan
        apply:shop: read plan apply:shop
        apply:api: read plan apply:api
        operate: read operate
        admin: read plan apply:shop apply:api operate admin
        ");
    }

    #[test]
    fn a_text_that_is_no_scope_is_named() {
        for bad in ["", "write", "Read", "apply", "apply:", "apply:A", "apply:*"] {
            let error = bad.parse::<Scope>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{bad:?} is no scope")),
                "{error}"
            );
        }
    }
}
