//! Between types: a number or bool becomes a string where one is wanted, and back, as
//! everywhere in HCL; nothing else becomes anything else by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::functions::{self, order};
use super::value::{Key, Node, Object, Presence, Type, Value};

/// The text of a string, number or bool.
pub fn text(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::String(text) => Some(Arc::clone(text)),
        value => functions::convert::string(value).map(Arc::from),
    }
}

/// No text that is longer is read as a number, in bytes.
const MAX_DIGITS: usize = 400;

/// The number of a number, or of a string that is one.
pub fn number(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.len() > MAX_DIGITS => None,
        value => functions::convert::number(value),
    }
}

/// The whole number of a number, or of a string that is one.
pub fn integer(value: &Value) -> Option<i64> {
    match number(value)? {
        Value::Integer(number) => Some(number),
        _ => None,
    }
}

/// The truth of a bool, or of a string that is one.
pub fn truth(value: &Value) -> Option<bool> {
    functions::convert::bool(value)
}

/// At most 80 characters, for messages.
pub fn cut(text: &str) -> String {
    match text.chars().nth(80) {
        None => text.to_owned(),
        Some(_) => text.chars().take(77).chain("...".chars()).collect(),
    }
}

/// The type of a value as far as it has one.
pub fn type_of(value: &Value) -> Type {
    match value {
        Value::Null | Value::Invalid | Value::Reference(_) => Type::Any,
        Value::Bool(_) => Type::Bool,
        Value::Integer(_) | Value::Float(_) => Type::Number,
        Value::String(_) | Value::Secret(_) => Type::String,
        Value::List(items) => Type::Tuple(items.iter().map(|node| type_of(&node.value)).collect()),
        Value::Set(_) => Type::Set(Box::new(Type::String)),
        Value::Object(object) => {
            let entries = object.entries().iter();
            let attribute = |(key, node): &(Key, Node)| {
                (
                    key.text.to_string(),
                    (type_of(&node.value), Presence::Required),
                )
            };
            Type::Object(entries.map(attribute).collect::<BTreeMap<_, _>>())
        }
        Value::Unknown(of) => of.clone(),
    }
}

/// The most values that a value may hold, itself included. What is shared counts each time:
/// a list that holds another twice is cheap to make, and whoever walks it is not spared.
pub const MAX_NODES: usize = 200_000;

/// How deep values may lie in one another.
pub const MAX_DEPTH: usize = 100;

/// How many values a value holds, with one more for each 1 KiB of text; `None` if they are more
/// than [`MAX_NODES`], or deeper than [`MAX_DEPTH`].
pub fn size(value: &Value) -> Option<usize> {
    fn walk(value: &Value, depth: usize, left: &mut usize, texts: &mut usize) {
        *left = match depth > MAX_DEPTH {
            true => 0,
            false => left.saturating_sub(1),
        };
        let (items, entries): (&[Node], &[(Key, Node)]) = match value {
            Value::List(items) | Value::Set(items) => (items, &[]),
            Value::Object(object) => (&[], object.entries()),
            Value::String(text) => {
                *texts += text.len() / 1024;
                return;
            }
            _ => return,
        };
        for node in items.iter().chain(entries.iter().map(|(_, node)| node)) {
            if *left == 0 {
                return;
            }
            walk(&node.value, depth + 1, left, texts);
        }
    }
    let (mut left, mut texts) = (MAX_NODES + 1, 0);
    walk(value, 0, &mut left, &mut texts);
    (left > 0).then(|| MAX_NODES + 1 - left + texts)
}

/// Whether something in a value is not known.
pub fn has_unknown(value: &Value) -> bool {
    match value {
        Value::Unknown(_) => true,
        Value::List(items) | Value::Set(items) => items.iter().any(|node| has_unknown(&node.value)),
        Value::Object(object) => {
            let mut entries = object.entries().iter();
            entries.any(|(_, node)| has_unknown(&node.value))
        }
        _ => false,
    }
}

/// Whether something in a value was reported already.
pub fn has_invalid(value: &Value) -> bool {
    match value {
        Value::Invalid => true,
        Value::List(items) | Value::Set(items) => items.iter().any(|node| has_invalid(&node.value)),
        Value::Object(object) => {
            let mut entries = object.entries().iter();
            entries.any(|(_, node)| has_invalid(&node.value))
        }
        _ => false,
    }
}

/// A value as one of a type, or everything that is wrong: `.a[0]` and what was
/// wanted there.
pub fn conform(node: &Node, wanted: &Type) -> Result<Node, Vec<String>> {
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
    match functions::convert::unify(nodes.iter().cloned()) {
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

/// A set of these, in the order that `toset` gives.
pub fn set(mut nodes: Vec<Node>) -> Value {
    nodes.sort_by(|a, b| order::order(&a.value, &b.value));
    nodes.dedup_by(|a, b| a.value == b.value);
    Value::Set(Arc::from(nodes))
}

/// Whether a value of one type can be one of another.
pub fn fits(of: &Type, wanted: &Type) -> bool {
    let scalar = |of: &Type| matches!(of, Type::String | Type::Number | Type::Bool);
    match (of, wanted) {
        (Type::Any, _) | (_, Type::Any) => true,
        (of, Type::String) => scalar(of),
        (Type::String | Type::Number, Type::Number) | (Type::String | Type::Bool, Type::Bool) => {
            true
        }
        (Type::List(of) | Type::Set(of), Type::List(wanted) | Type::Set(wanted)) => {
            fits(of, wanted)
        }
        (Type::Tuple(items), Type::List(wanted) | Type::Set(wanted)) => {
            items.iter().all(|of| fits(of, wanted))
        }
        (Type::Tuple(items), Type::Tuple(wanted)) => {
            items.len() == wanted.len() && items.iter().zip(wanted).all(|(a, b)| fits(a, b))
        }
        (Type::List(_) | Type::Set(_), Type::Tuple(_)) => true,
        (Type::Map(of), Type::Map(wanted)) => fits(of, wanted),
        (Type::Object(attributes), Type::Map(wanted)) => {
            attributes.values().all(|(of, _)| fits(of, wanted))
        }
        (Type::Map(_), Type::Object(_)) => true,
        (Type::Object(have), Type::Object(want)) => {
            want.iter()
                .all(|(name, (wanted, presence))| match have.get(name) {
                    Some((of, _)) => fits(of, wanted),
                    None => *presence == Presence::Optional,
                })
        }
        _ => false,
    }
}
