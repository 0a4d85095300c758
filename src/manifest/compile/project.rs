//! What the root's own block says: what the project is called, who hears of it, and which
//! versions may read it.

use std::collections::{BTreeMap, BTreeSet};

use super::Compiling;
use crate::manifest::ast::{Block, Item, Kind};
use crate::manifest::attributes::root::LOKAHI;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::fill::{Filled, Filling};
use crate::manifest::source::Span;
use crate::model::desired::{Declared, ProjectSpec};
use crate::model::name::Name;
use crate::model::webhook::{WebhookFormat, WebhookSpec};

impl Compiling<'_> {
    /// What the project is called, what is said of it, and where its operators are named.
    pub(super) fn project(
        &mut self,
        names: &BTreeSet<Name>,
    ) -> Option<(Name, ProjectSpec, BTreeMap<Name, Span>)> {
        let Some(block) = &self.declared.root else {
            if !self.gaps.may_hold(LOKAHI.name, None) {
                let problem = Problem {
                    span: None,
                    ..Problem::new(
                        Code::NoProject,
                        Span::START,
                        "no file of this folder has a `lokahi` block",
                    )
                };
                self.problems
                    .push(problem.hint("write `lokahi { project = \"name\" }` into one of them"));
            }
            return None;
        };
        self.version(block);
        let layer = self.layer(block, &LOKAHI, names);
        let filling = Filling::new(self.gaps, &mut self.problems);
        match filling.draft(&LOKAHI, &layer, block.span) {
            Filled::Good(draft) => {
                let row = LOKAHI.attribute("operators").map(|(row, _)| row);
                let node = row.and_then(|row| layer.get(row));
                let span = |name: &Name| place(node, name).unwrap_or(block.span);
                let mut spec = draft.project_spec;
                let named = spec.operators.iter();
                let placed: BTreeMap<_, _> = named.map(|name| (name.clone(), span(name))).collect();
                spec.operators = placed.keys().cloned().collect();
                Some((draft.project?, spec, placed))
            }
            Filled::Unknown | Filled::Bad => None,
        }
    }

    /// Whether this is a version that the root asks for.
    fn version(&mut self, block: &Block) {
        let attributes = block.body.items.iter().filter_map(|item| match item {
            Item::Attribute(attribute) if attribute.name == "required_version" => Some(attribute),
            _ => None,
        });
        for attribute in attributes {
            let span = attribute.value.span;
            let Kind::String(text) = &attribute.value.kind else {
                let message = "`required_version` is a string, written out";
                self.problems
                    .push(Problem::new(Code::NotLiteral, span, message));
                continue;
            };
            let own = env!("CARGO_PKG_VERSION");
            let (wanted, have) = (semver::VersionReq::parse(text), semver::Version::parse(own));
            match (wanted, have) {
                (Ok(wanted), Ok(have)) if !wanted.matches(&have) => {
                    let message = format!("these files want lokahi {text}, and this is {own}");
                    self.problems
                        .push(Problem::new(Code::WrongVersion, span, message));
                }
                (Err(error), _) => {
                    let message = match unknown_operator(text) {
                        Some(sign) => format!(
                            "`required_version`: there is no `{sign}` here, but =, >, >=, <, <=, ~ and ^"
                        ),
                        None => format!("`required_version`: {error}"),
                    };
                    let problem = Problem::new(Code::InvalidValue, span, message);
                    let written = pessimistic(text).unwrap_or_else(|| ">= 0.1, < 1.0".to_owned());
                    self.problems
                        .push(problem.hint(format!("write \"{written}\"")));
                }
                _ => {}
            }
        }
    }

    /// Tells operators that cannot read what they would be told.
    pub(super) fn operators(
        &mut self,
        operators: &BTreeMap<Name, Span>,
        webhooks: &BTreeMap<String, Declared<WebhookSpec>>,
    ) {
        for (name, span) in operators {
            let format = webhooks.get(name.as_str()).map(|known| known.spec.format);
            if let (Some(WebhookFormat::Protobuf), Some(block)) =
                (format, self.declared.webhooks.get(name))
            {
                let message = format!(
                    "`operators`: webhook.{name} has the format protobuf, which knows checks \
                     that are up, down or in error, and no projects"
                );
                let problem = Problem::new(Code::InvalidValue, *span, message)
                    .also(block.span, "the webhook is here");
                self.problems
                    .push(problem.hint(format!("write format = \"json\" in webhook.{name}")));
            }
        }
    }
}

/// An operator of Terraform that a requirement here does not have.
fn unknown_operator(text: &str) -> Option<&'static str> {
    ["~>", "!="].into_iter().find(|sign| text.contains(sign))
}

/// What `~> 0.1.2` means: at least that, with only its last part greater.
fn pessimistic(text: &str) -> Option<String> {
    let version = text.trim().strip_prefix("~>")?.trim();
    let parts: Vec<u64> = version
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    Some(match parts.as_slice() {
        [_] => format!(">= {version}"),
        [major, _] => format!(">= {version}, < {}", major.checked_add(1)?),
        [major, minor, _] => format!(">= {version}, < {major}.{}", minor.checked_add(1)?),
        _ => return None,
    })
}

/// Where a list names a receiver.
fn place(list: Option<&Node>, receiver: &Name) -> Option<Span> {
    let (Value::List(items) | Value::Set(items)) = &list?.value else {
        return None;
    };
    let named = |item: &&Node| match &item.value {
        Value::Reference(parts) => parts.last().is_some_and(|name| *name == *receiver.as_str()),
        _ => false,
    };
    items.iter().find(named).map(|item| item.span)
}
