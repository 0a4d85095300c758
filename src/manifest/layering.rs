//! From the body of a block to its layer: every attribute evaluated, by the attribute table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::ast::{Attribute, Block, Body, Expression, Item, Kind};
use crate::manifest::condition;
use crate::manifest::declare::{Gaps, declared_twice, label, unknown_attribute, unknown_block};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::conform::conform;
use crate::manifest::eval::convert;
use crate::manifest::eval::scope::Scope;
use crate::manifest::eval::show::{Sensitivity, evaluate};
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::{Key, Node, Object, Piece, Value};
use crate::manifest::fill::mistakes;
use crate::manifest::layer::{Inner, Layer};
use crate::manifest::references::references;
use crate::manifest::source::Span;
use crate::manifest::suggest::did_you_mean;
use crate::manifest::table::{self, Draft};
use crate::model::name::Name;

/// The most blocks inside a block.
const MAX_BLOCKS: usize = 100;
/// For how many unknown names, and among how many known ones, the nearest is looked for:
/// all pairs would be too many.
pub(super) const MAX_HINTS: usize = 1000;

/// What names were used, as `local.x`.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) names: BTreeSet<(String, String)>,
    /// Each secret, and where it is first.
    pub(super) secrets: BTreeMap<String, Span>,
}

impl Uses {
    /// Notes what an expression refers to.
    pub(super) fn of(&mut self, expression: &Expression) {
        if is_plain(expression) {
            return;
        }
        references(expression, &mut |root, name, _span| {
            if matches!(root, "var" | "local" | "template" | "webhook") {
                self.names.insert((root.to_owned(), name.to_owned()));
            }
        });
    }
}

impl Uses {
    /// Takes what was used elsewhere.
    pub(super) fn extend(&mut self, other: Self) {
        self.names.extend(other.names);
        for (name, span) in other.secrets {
            self.secrets.entry(name).or_insert(span);
        }
    }

    /// Notes the secrets in a value.
    fn secrets_of(&mut self, node: &Node) {
        match &node.value {
            Value::Secret(pieces) => {
                for piece in pieces.iter() {
                    if let Piece::Secret(name) = piece {
                        self.secrets.entry(name.to_string()).or_insert(node.span);
                    }
                }
            }
            Value::List(items) | Value::Set(items) => {
                items.iter().for_each(|item| self.secrets_of(item));
            }
            Value::Object(object) => {
                let entries = object.entries().iter();
                entries.for_each(|(_, node)| self.secrets_of(node));
            }
            _ => {}
        }
    }
}

fn is_plain(expression: &Expression) -> bool {
    match &expression.kind {
        Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::String(_) => true,
        Kind::List(items) => items.iter().all(is_plain),
        Kind::Object(entries) => entries
            .iter()
            .all(|(key, value)| is_plain(key) && is_plain(value)),
        _ => false,
    }
}

/// A map of which each value that fits is converted, and no other.
fn as_far(node: &Node, wanted: &Type) -> Node {
    let (Value::Object(object), Type::Map(of)) = (&node.value, wanted) else {
        return node.clone();
    };
    let fitted = |(key, value): &(Key, Node)| {
        let fitted = conform(value, of).unwrap_or_else(|_| value.clone());
        (key.clone(), fitted)
    };
    let entries = object.entries().iter().map(fitted).collect();
    Node {
        span: node.span,
        value: Value::Object(Arc::new(Object::new(entries))),
    }
}

/// Makes layers in one scope.
pub(super) struct Layering<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) gaps: &'a Gaps,
    /// The receivers that are declared.
    pub(super) webhooks: &'a BTreeSet<Name>,
    pub(super) uses: &'a mut Uses,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Layering<'_> {
    /// What a body says. Attributes about the block itself are left to whoever knows them.
    pub(super) fn body(&mut self, body: &Body, schema: &'static table::Block) -> Layer {
        let mut layer = Layer::default();
        for item in &body.items {
            match item {
                Item::Attribute(attribute) => match schema.attribute(&attribute.name) {
                    Some((row, known)) => {
                        let node = self.attribute(attribute, known);
                        layer.set(row, node);
                    }
                    None if schema.meta(&attribute.name).is_some() => {}
                    None => self.problems.push(unknown_attribute(attribute, schema)),
                },
                Item::Block(block) => self.inner(block, schema, &mut layer),
            }
        }
        layer
    }

    /// Reads every value of a layer once, so that a mistake is told even if nothing uses it.
    pub(super) fn try_out(&mut self, layer: &mut Layer, schema: &'static table::Block) {
        let mut draft = Draft::loose();
        let every = draft.check.every;
        let problems = &mut *self.problems;
        layer.each_mut(schema, &mut |attribute, node| {
            let known = !matches!(node.value, Value::Null | Value::Invalid)
                && !convert::has_unknown(&node.value);
            if !known {
                return;
            }
            let found = mistakes(attribute, &mut draft, node);
            draft.check.every = every;
            for problem in found {
                let message = format!("`{}`: {}", attribute.name, problem.message);
                problems.push(Problem { message, ..problem });
                node.value = Value::Invalid;
            }
        });
    }

    fn attribute(&mut self, attribute: &Attribute, known: &table::Attribute) -> Node {
        self.uses.of(&attribute.value);
        let span = attribute.value.span;
        let invalid = Node {
            span,
            value: Value::Invalid,
        };
        if let Some(shape) = condition::Shape::of(known.kind) {
            if matches!(attribute.value.kind, Kind::Null) {
                // As with any other attribute: nobody has said it.
                return Node {
                    span,
                    value: Value::Null,
                };
            }
            return match condition::fold(&attribute.value, shape, self.scope) {
                Ok(Some(text)) => Node {
                    span,
                    value: Value::string(text),
                },
                Ok(None) => Node {
                    span,
                    value: Value::Unknown(Type::String),
                },
                Err(problems) => {
                    self.problems.extend(problems);
                    invalid
                }
            };
        }
        let before = self.problems.len();
        if matches!(known.kind, "receiver" | "list of receivers") {
            self.bare_receivers(&attribute.value);
            if self.problems.len() > before {
                return invalid;
            }
        }
        let (node, sensitivity) = evaluate(&attribute.value, self.scope, self.problems);
        if self.problems.len() > before || convert::has_invalid(&node.value) {
            return invalid;
        }
        if sensitivity == Sensitivity::Sensitive {
            let message = format!(
                "`{}` comes from a sensitive variable, and would be stored with the check for \
                 everyone to read",
                attribute.name
            );
            let problem = Problem::new(Code::SensitiveMisplaced, span, message);
            let hint = match known.bounds.contains("secret") {
                true => "let the worker look it up: secret(\"name\")",
                false => {
                    "what a check says is for everyone to read: say it by a variable that is not `sensitive`"
                }
            };
            self.problems.push(problem.hint(hint));
            return invalid;
        }
        self.uses.secrets_of(&node);
        // Numbers among strings become strings; what does not fit is told by whoever reads it,
        // as is a number alone: a duration without its unit, most likely.
        let node = match known.wants() {
            wanted @ Type::Map(_) => {
                conform(&node, &wanted).unwrap_or_else(|_| as_far(&node, &wanted))
            }
            _ => node,
        };
        match self.resolve(&node) {
            true => node,
            false => invalid,
        }
    }

    /// Tells receivers that are named without what they are.
    fn bare_receivers(&mut self, value: &Expression) {
        let items = match &value.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for item in items {
            if let Kind::Variable(name) = &item.kind
                && name.parse().is_ok_and(|name| self.webhooks.contains(&name))
                && self.scope.root(name).is_none()
            {
                let message = format!("nothing is called `{name}` here");
                let problem = Problem::new(Code::UnknownReference, item.span, message);
                self.problems
                    .push(problem.hint(format!("write webhook.{name}")));
            }
        }
    }

    /// Whether every receiver that a value names is declared, or may be.
    fn resolve(&mut self, node: &Node) -> bool {
        match &node.value {
            Value::List(items) | Value::Set(items) => {
                items.iter().filter(|item| !self.resolve(item)).count() == 0
            }
            Value::Reference(parts) => match &**parts {
                [root, name] if root == "webhook" => {
                    let declared = name
                        .parse::<Name>()
                        .is_ok_and(|name| self.webhooks.contains(&name));
                    if declared {
                        return true;
                    }
                    if !self.gaps.may_hold("webhook", Some(name)) {
                        let near = self.webhooks.iter().take(MAX_HINTS).map(Name::as_str);
                        let hint = match self.problems.len() < MAX_HINTS {
                            true => did_you_mean(name, near),
                            false => None,
                        };
                        let message = format!("no webhook is called `{name}`");
                        let problem = Problem::new(Code::UnknownReference, node.span, message);
                        self.problems.push(problem.maybe_hint(hint));
                    }
                    false
                }
                _ => true,
            },
            _ => true,
        }
    }

    fn inner(&mut self, block: &Block, schema: &'static table::Block, layer: &mut Layer) {
        let Some(inner) = schema.block(&block.kind) else {
            return self.problems.push(unknown_block(block, schema));
        };
        if layer.blocks.len() >= MAX_BLOCKS {
            let message = format!("more than {MAX_BLOCKS} blocks in one `{}`", schema.name);
            let problem = Problem::new(Code::OutOfBounds, block.span, message);
            return self.problems.push(problem);
        }
        let label = match label(block, inner) {
            Ok(label) => label.map(|name| name.to_string()).unwrap_or_default(),
            Err(problem) => {
                self.problems.push(problem);
                self.body(&block.body, inner);
                return;
            }
        };
        let span = block.span;
        let body = self.body(&block.body, inner);
        if let Some(first) = layer.block(inner.name, &label) {
            let what = match label.as_str() {
                "" => format!("a second `{}` block", inner.name),
                label => format!("a second `{} \"{label}\"` block", inner.name),
            };
            return self.problems.push(declared_twice(span, first.span, what));
        }
        layer.blocks.push(Inner {
            kind: inner.name,
            label,
            span,
            layer: body,
        });
    }
}
