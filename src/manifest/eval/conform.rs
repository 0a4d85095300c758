//! A value as one of a type: converted as far as HCL converts by itself, or all that is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::convert::{cut, number, set, text, truth};
use super::functions::{self};
use super::typing::{Presence, Type, fits};
use super::value::{Key, Node, Object, Value};

/// A value as one of a type, or everything that is wrong: `.a[0]` and what was
/// wanted there.
pub(in crate::manifest) fn conform(node: &Node, wanted: &Type) -> Result<Node, Vec<String>> {
    let fail = || {
        let found = node.value.kind();
        Err(vec![format!("wanted {wanted}, found {found}")])
    };
    let with = |value: Value| {
        Ok(Node {
            span: node.span,
            value,
        })
    };
    match (&node.value, wanted) {
        (Value::Invalid | Value::Null, _) | (_, Type::Any) => Ok(node.clone()),
        (Value::Unknown(of), wanted) => match *of == Type::Any || fits(of, wanted) {
            true => with(Value::Unknown(wanted.clone())),
            false => fail(),
        },
        (value, Type::String) => match (text(value), value) {
            (_, Value::Secret(_)) => Ok(node.clone()),
            (Some(text), _) => with(Value::String(text)),
            (None, _) => fail(),
        },
        (value, Type::Number) => number(value).map_or_else(fail, with),
        (value, Type::Bool) => truth(value).map(Value::Bool).map_or_else(fail, with),
        (Value::List(items) | Value::Set(items), Type::List(of)) => with(Value::List(Arc::from(
            of_one_kind(elements(items, of)?, of)?,
        ))),
        (Value::List(items) | Value::Set(items), Type::Set(of)) => {
            with(set(of_one_kind(elements(items, of)?, of)?))
        }
        (Value::List(items), Type::Tuple(types)) if items.len() == types.len() => {
            let made = items.iter().zip(types).enumerate();
            let made = made.map(|(at, (item, of))| (format!("[{at}]"), conform(item, of)));
            with(Value::List(Arc::from(all(made)?)))
        }
        (Value::Object(object), Type::Map(of)) => {
            let entries = object.entries().iter();
            let made = entries
                .clone()
                .map(|(key, value)| (format!(".{}", cut(&key.text)), conform(value, of)));
            let made = of_one_kind(all(made)?, of)?;
            let keys = entries.map(|(key, _)| key.clone());
            with(Value::Object(Arc::new(Object::new(
                keys.zip(made).collect(),
            ))))
        }
        (Value::Object(object), Type::Object(attributes)) => with(Value::Object(Arc::new(
            attributed(node, object, attributes)?,
        ))),
        _ => fail(),
    }
}

/// Values of which only is said that they are of one type: strings, if one is.
fn of_one_kind(nodes: Vec<Node>, of: &Type) -> Result<Vec<Node>, Vec<String>> {
    if *of != Type::Any {
        return Ok(nodes);
    }
    match functions::coerce::unify(nodes.iter().cloned()) {
        Ok(unified) => Ok(unified.unwrap_or(nodes)),
        Err(failure) => Err(vec![failure.message]),
    }
}

fn elements(items: &[Node], of: &Type) -> Result<Vec<Node>, Vec<String>> {
    let items = items.iter().enumerate();
    all(items.map(|(at, item)| (format!("[{at}]"), conform(item, of))))
}

/// All values, or all that is wrong, with the ways to them.
fn all(
    found: impl Iterator<Item = (String, Result<Node, Vec<String>>)>,
) -> Result<Vec<Node>, Vec<String>> {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for (step, one) in found {
        match one {
            Ok(node) => good.push(node),
            Err(why) => wrong.extend(why.iter().map(|why| inside(&step, why))),
        }
    }
    match wrong.is_empty() {
        true => Ok(good),
        false => Err(wrong),
    }
}

fn attributed(
    node: &Node,
    object: &Object,
    attributes: &BTreeMap<String, (Type, Presence)>,
) -> Result<Object, Vec<String>> {
    let made = attributes.iter().map(|(name, (of, presence))| {
        let value = match (object.get(name), presence) {
            (Some(value), _) => conform(value, of),
            (None, Presence::Optional) => Ok(Node {
                span: node.span,
                value: Value::Null,
            }),
            (None, Presence::Required) => Err(vec!["is missing".to_owned()]),
        };
        (format!(".{name}"), value)
    });
    let keys = attributes.keys().map(|name| Key {
        text: Arc::from(name.as_str()),
        span: node.span,
    });
    let made = all(made)?;
    Ok(Object::new(keys.zip(made).collect()))
}

/// A problem inside a value, with the way to it.
fn inside(step: &str, why: &str) -> String {
    match why.strip_prefix("at ") {
        Some(deeper) => format!("at {step}{deeper}"),
        None => format!("at {step}: {why}"),
    }
}
