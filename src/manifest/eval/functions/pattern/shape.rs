//! What a match comes to: a text, a list, or an object, as the pattern has groups.

use regex::{Captures, Regex};

use crate::manifest::eval::functions::Failure;
use crate::manifest::eval::value::Value;
use crate::manifest::source::Span;

/// What a match comes to.
pub(super) enum Shape {
    Whole,
    List,
    Object,
}

impl Shape {
    pub(super) fn of(pattern: &Regex) -> Result<Self, Failure> {
        let groups = pattern.captures_len() - 1;
        match pattern.capture_names().flatten().count() {
            0 if groups == 0 => Ok(Self::Whole),
            0 => Ok(Self::List),
            named if named == groups => Ok(Self::Object),
            _ => Err(
                Failure::new("either all groups of the pattern have a name, or none")
                    .at(0)
                    .hint("`(?:...)` is a group that does not count"),
            ),
        }
    }

    pub(super) fn value(&self, pattern: &Regex, found: &Captures<'_>, span: Span) -> Value {
        // A group that took no part is null.
        let group = |group: Option<regex::Match<'_>>| match group {
            Some(group) => Value::string(group.as_str()),
            None => Value::Null,
        };
        match self {
            Self::Whole => group(found.get(0)),
            Self::List => Value::list(found.iter().skip(1).map(group), span),
            Self::Object => {
                let names = pattern.capture_names().flatten();
                Value::object(names.map(|name| (name, group(found.name(name)))), span)
            }
        }
    }
}
