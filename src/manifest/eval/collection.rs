//! `for` expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::typing::Type;
use super::value::{Key, Node, Object, Value};
use super::{Evaluator, convert};
use crate::manifest::ast::{For, Intro};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::source::Span;

impl Evaluator<'_> {
    /// The keys and values of what an intro goes over; a value in its place if they are not
    /// known.
    pub(super) fn elements(&mut self, intro: &Intro) -> Result<Vec<(Value, Node)>, Value> {
        let of = self.evaluate(&intro.collection);
        let count = match &of.value {
            Value::List(items) | Value::Set(items) => items.len(),
            Value::Object(object) => object.entries().len(),
            _ => 0,
        };
        if !self.step(count, of.span) {
            return Err(Value::Invalid);
        }
        match &of.value {
            Value::List(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(at, node)| (Value::Integer(at as i64), node.clone()))
                .collect()),
            Value::Set(items) => Ok(items
                .iter()
                .map(|node| (node.value.clone(), node.clone()))
                .collect()),
            Value::Object(object) => Ok(object
                .entries()
                .iter()
                .map(|(key, node)| (Value::String(Arc::clone(&key.text)), node.clone()))
                .collect()),
            Value::Invalid => Err(Value::Invalid),
            Value::Unknown(Type::Bool | Type::Number | Type::String) => {
                Err(self.no_collection(&of))
            }
            Value::Unknown(_) => Err(Value::Unknown(Type::Any)),
            _ => Err(self.no_collection(&of)),
        }
    }

    fn no_collection(&mut self, of: &Node) -> Value {
        let message = format!(
            "`for` goes over a list or an object, not {}",
            of.value.kind()
        );
        self.refuse(Code::WrongOperand, of.span, message)
    }

    /// Does something with one element in place.
    pub(super) fn with_element<T>(
        &mut self,
        intro: &Intro,
        (key, value): (Value, Node),
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.bindings.len();
        if let Some(name) = &intro.key {
            let span = value.span;
            self.bindings
                .push((Arc::clone(name), Node { span, value: key }));
        }
        self.bindings.push((Arc::clone(&intro.value), value));
        let done = work(self);
        self.bindings.truncate(before);
        done
    }

    pub(super) fn for_expression(&mut self, each: &For, span: Span) -> Value {
        let elements = match self.elements(&each.intro) {
            Ok(elements) => elements,
            Err(value) => return value,
        };
        let mut list: Vec<Node> = Vec::new();
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut groups: BTreeMap<Arc<str>, Vec<Node>> = BTreeMap::new();
        let mut unknown = false;
        for element in elements {
            let made = self.with_element(&each.intro, element, |this| this.element(each));
            match made {
                Made::Left => {}
                Made::Unknown => unknown = true,
                Made::Invalid => return Value::Invalid,
                Made::Item(node) => list.push(node),
                Made::Entry(key, node) if each.grouping => {
                    groups.entry(key.text).or_default().push(node);
                }
                Made::Entry(key, node) => entries.push((key, node)),
            }
            if self.too_many(list.len() + entries.len(), span) {
                return Value::Invalid;
            }
        }
        if unknown {
            let any = Box::new(Type::Any);
            return Value::Unknown(match each.key {
                None => Type::List(any),
                Some(_) => Type::Map(any),
            });
        }
        if each.key.is_none() {
            return Value::List(Arc::from(list));
        }
        if each.grouping {
            let group = |(text, nodes): (Arc<str>, Vec<Node>)| {
                let value = Value::List(Arc::from(nodes));
                (Key { text, span }, Node { span, value })
            };
            entries = groups.into_iter().map(group).collect();
        }
        let count = entries.len();
        let object = Object::new(entries);
        if object.entries().len() < count {
            let problem = Problem::new(Code::Repeated, span, "two elements give the same key");
            return self.problem(problem.hint("`...` behind the value makes a list of them"));
        }
        Value::Object(Arc::new(object))
    }

    fn element(&mut self, each: &For) -> Made {
        if let Some(condition) = &each.condition {
            let node = self.evaluate(condition);
            match self.truth(&node, "a condition") {
                Some(true) => {}
                Some(false) => return Made::Left,
                None if matches!(node.value, Value::Unknown(_)) => return Made::Unknown,
                None => return Made::Invalid,
            }
        }
        let value = self.evaluate(&each.value);
        let Some(key) = &each.key else {
            return Made::Item(value);
        };
        let key = self.evaluate(key);
        match convert::text(&key.value) {
            Some(text) => Made::Entry(
                Key {
                    text,
                    span: key.span,
                },
                value,
            ),
            None if matches!(key.value, Value::Unknown(_)) => Made::Unknown,
            None => {
                if !matches!(key.value, Value::Invalid) {
                    let message = format!("a key is a string, not {}", key.value.kind());
                    self.refuse(Code::WrongOperand, key.span, message);
                }
                Made::Invalid
            }
        }
    }
}

/// What one element came to.
enum Made {
    /// Its condition does not hold.
    Left,
    Unknown,
    Invalid,
    Item(Node),
    Entry(Key, Node),
}
