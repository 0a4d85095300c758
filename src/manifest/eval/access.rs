//! Names, attributes, indices and splats: the way to a value.

use std::sync::Arc;

use super::scope::Root;
use super::show::shown;
use super::typing::{Presence, Type};
use super::value::{Node, Value};
use super::{Evaluator, convert};
use crate::manifest::ast::{ELEMENT, Expression, Kind, Splat};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::source::Span;

/// How many keys of an object are listed.
const MOST_KEYS: usize = 8;

impl Evaluator<'_> {
    fn bound(&self, name: &str) -> Option<&Node> {
        let mut bindings = self.bindings.iter().rev();
        bindings
            .find(|(bound, _)| **bound == *name)
            .map(|(_, node)| node)
    }

    /// A name that stands alone.
    pub(super) fn name(&mut self, name: &Arc<str>, span: Span) -> Value {
        if let Some(node) = self.bound(name) {
            return node.value.clone();
        }
        match self.scope.root(name) {
            Some(Root::Value(value)) => value.clone(),
            Some(Root::Reference) => Value::Reference(Arc::from([name.to_string()])),
            Some(Root::Misplaced(why)) => self.refuse(Code::Misplaced, span, *why),
            Some(Root::Members(_)) => {
                let message = format!("`{name}` alone is no value");
                let problem = Problem::new(Code::UnknownReference, span, message);
                self.problem(problem.hint(format!("write `{name}.NAME`")))
            }
            None => self.unknown_name(name, span),
        }
    }

    fn unknown_name(&mut self, name: &str, span: Span) -> Value {
        let message = format!("nothing is called `{name}` here");
        let hint = match self.trying {
            0 => self.meant(name),
            _ => String::new(),
        };
        self.problem(Problem::new(Code::UnknownReference, span, message).hint(hint))
    }

    /// What a name that nobody knows was most likely to be.
    fn meant(&self, name: &str) -> String {
        if let Some(Root::Value(_)) = self.scope.root("response")
            && let Type::Object(known) = super::scope::response_type()
            && known.contains_key(name)
        {
            return format!("write response.{name}");
        }
        let has = |root: &&str| match self.scope.root(root) {
            Some(Root::Members(members)) => members.contains_key(name),
            _ => false,
        };
        if let Some(root) = ["local", "var"].into_iter().find(|root| has(root)) {
            return format!("write {root}.{name}");
        }
        match name {
            "count" => return "with `for_each` it is each.key".to_owned(),
            "path" => return "paths begin at the root: file(\"body.json\")".to_owned(),
            _ => {}
        }
        let roots = self.scope.roots.iter().map(|(root, _)| *root);
        let bound = self.bindings.iter().map(|(name, _)| &**name);
        self.near(name, roots.chain(bound.filter(|name| *name != ELEMENT)))
            .unwrap_or_else(|| format!("a text stands in quotes: \"{name}\""))
    }

    /// `of.name`
    pub(super) fn attribute(&mut self, of: &Expression, name: &Arc<str>, span: Span) -> Value {
        if let Kind::Variable(root) = &of.kind
            && self.bound(root).is_none()
            && let Some(Root::Members(members)) = self.scope.root(root)
        {
            let Some(known) = members.get(&**name) else {
                if members.torn {
                    return Value::Invalid;
                }
                let what = if &**root == "var" {
                    "variable"
                } else {
                    "local"
                };
                let message = format!("no {what} is called `{name}`");
                let hint = self.near(name, members.keys().take(1000).map(String::as_str));
                let problem = Problem::new(Code::UnknownReference, span, message);
                return self.problem(problem.maybe_hint(hint));
            };
            self.sensitive |= known.sensitive;
            return known.node.value.clone();
        }
        let of = self.evaluate(of);
        self.member(&of, name, span)
    }

    /// The attribute of a value.
    fn member(&mut self, of: &Node, name: &str, span: Span) -> Value {
        match &of.value {
            Value::Invalid => Value::Invalid,
            Value::Object(object) => match object.get(name) {
                Some(node) => node.value.clone(),
                None => {
                    let keys = object.entries().iter().map(|(key, _)| &*key.text);
                    self.missing(name, keys.take(1000), span)
                }
            },
            Value::Reference(parts) => {
                let mut parts = parts.to_vec();
                parts.push(name.to_owned());
                Value::Reference(Arc::from(parts))
            }
            Value::Unknown(Type::Any) => Value::Unknown(Type::Any),
            Value::Unknown(Type::Map(of)) => Value::Unknown((**of).clone()),
            Value::Unknown(Type::Object(attributes)) => match attributes.get(name) {
                Some((of, Presence::Required)) => Value::Unknown(of.clone()),
                Some((_, Presence::Optional)) => Value::Unknown(Type::Any),
                None => self.missing(name, attributes.keys().map(String::as_str), span),
            },
            other => {
                let message = format!("{} has no attributes", other.kind());
                let problem = Problem::new(Code::MissingKey, span, message);
                let list = matches!(other, Value::List(_) | Value::Set(_));
                self.problem(problem.maybe_hint(
                    list.then(|| format!("ask each element with `[*].{name}`, or one with `[0]`")),
                ))
            }
        }
    }

    fn missing<'k>(
        &mut self,
        name: &str,
        keys: impl Iterator<Item = &'k str>,
        span: Span,
    ) -> Value {
        // Whoever only tries does not read it, and may try often.
        let hint = match self.trying {
            0 => {
                let keys: Vec<&str> = keys.collect();
                let few = (1..=MOST_KEYS).contains(&keys.len()) && !self.sensitive;
                let all = || format!("it has {}", keys.join(", "));
                self.near(name, keys.iter().copied())
                    .or_else(|| few.then(all))
            }
            _ => None,
        };
        let message = format!("this object has no attribute `{}`", convert::cut(name));
        self.problem(Problem::new(Code::MissingKey, span, message).maybe_hint(hint))
    }

    /// `of[at]`
    pub(super) fn index(&mut self, of: &Expression, at: &Expression) -> Value {
        // `var["x"]`, which is `var.x`.
        if let (Kind::Variable(_), Kind::String(name)) = (&of.kind, &at.kind) {
            return self.attribute(of, name, at.span);
        }
        let of = self.evaluate(of);
        let at = self.evaluate(at);
        match (&of.value, &at.value) {
            (Value::Invalid, _) | (_, Value::Invalid) => Value::Invalid,
            (Value::List(items), Value::Unknown(_)) => {
                Value::Unknown(items.first().map_or(Type::Any, |_| Type::Any))
            }
            (Value::Unknown(Type::List(of) | Type::Map(of)), _) => Value::Unknown((**of).clone()),
            (Value::Unknown(Type::Object(_)), key) => match convert::text(key) {
                Some(key) => self.member(&of, &key, at.span),
                None => Value::Unknown(Type::Any),
            },
            (Value::Unknown(Type::Any | Type::Tuple(_)), _)
            | (Value::Object(_), Value::Unknown(_)) => Value::Unknown(Type::Any),
            (Value::List(items), key) => match convert::integer(key) {
                Some(number) => match usize::try_from(number).ok().and_then(|n| items.get(n)) {
                    Some(node) => node.value.clone(),
                    None => {
                        let message = format!(
                            "this list has no element {number}: it has {}, counted from 0",
                            match items.len() {
                                1 => "1 element".to_owned(),
                                count => format!("{count} elements"),
                            }
                        );
                        self.refuse(Code::MissingKey, at.span, message)
                    }
                },
                None => {
                    let shown = match key {
                        Value::Float(_) => shown(key),
                        key => key.kind().to_owned(),
                    };
                    let message = format!("elements are counted in whole numbers, not {shown}");
                    self.refuse(Code::WrongOperand, at.span, message)
                }
            },
            (Value::Object(_), key) => match convert::text(key) {
                Some(key) => self.member(&of, &key, at.span),
                None => {
                    let message = format!("a key is a string, not {}", key.kind());
                    self.refuse(Code::WrongOperand, at.span, message)
                }
            },
            (Value::Reference(parts), key) => match convert::text(key) {
                Some(key) => {
                    let mut parts = parts.to_vec();
                    parts.push(format!(
                        "[{}]",
                        crate::manifest::literal::Literal::text(&key)
                    ));
                    Value::Reference(Arc::from(parts))
                }
                None => self.refuse(Code::WrongOperand, at.span, "a key is a string"),
            },
            (Value::Set(_), _) => {
                let problem = Problem::new(Code::WrongOperand, of.span, "a set has no order");
                self.problem(problem.hint("make a list of it: `tolist(...)[0]`"))
            }
            (other, _) => {
                let message = format!("{} has no elements", other.kind());
                self.refuse(Code::WrongOperand, of.span, message)
            }
        }
    }

    /// `of[*]...`: a list of what each element gives. Anything but a list is a list of itself,
    /// and null is an empty one.
    pub(super) fn splat(&mut self, splat: &Splat) -> Value {
        let of = self.evaluate(&splat.of);
        let items = match &of.value {
            Value::Invalid => return Value::Invalid,
            Value::Unknown(_) => return Value::Unknown(Type::List(Box::new(Type::Any))),
            Value::List(items) | Value::Set(items) => Arc::clone(items),
            Value::Null => Arc::from([]),
            _ => Arc::from([of.clone()]),
        };
        let mut made = Vec::with_capacity(items.len());
        for item in items.iter() {
            self.bindings.push((Arc::from(ELEMENT), item.clone()));
            made.push(self.evaluate(&splat.each));
            self.bindings.pop();
        }
        Value::List(Arc::from(made))
    }
}
