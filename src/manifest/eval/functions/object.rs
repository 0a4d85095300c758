//! Objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::eval::functions::order::Ordered;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, coerce, limits,
};
use crate::manifest::eval::value::{Key, Node, Object, Value};
use crate::manifest::suggest;

const OBJECT: Parameter = Parameter::new("object", Wants::Object).sees(Sees::Shape);

pub(super) const KEYS: Function = Function {
    name: "keys",
    group: Group::Collection,
    parameters: &[OBJECT],
    rest: None,
    result: Kind::Strings,
    about: "The keys of the object, ascending.",
    example: "keys({ b = 1, a = 2 })",
    gives: r#"["a", "b"]"#,
    call: |args, _| {
        let key = |(key, _): &(Key, Node)| Node {
            span: key.span,
            value: Value::String(Arc::clone(&key.text)),
        };
        Ok(Value::List(
            arguments::object(args, 0)?
                .entries()
                .iter()
                .map(key)
                .collect(),
        ))
    },
};

pub(super) const VALUES: Function = Function {
    name: "values",
    group: Group::Collection,
    parameters: &[OBJECT],
    rest: None,
    result: Kind::List,
    about: "The values of the object, in the order of its keys.",
    example: "values({ b = 1, a = 2 })",
    gives: "[2, 1]",
    call: |args, _| {
        let value = |(_, node): &(Key, Node)| node.clone();
        Ok(Value::List(
            arguments::object(args, 0)?
                .entries()
                .iter()
                .map(value)
                .collect(),
        ))
    },
};

pub(super) const LOOKUP: Function = Function {
    name: "lookup",
    group: Group::Collection,
    parameters: &[
        OBJECT,
        Parameter::new("key", Wants::String),
        Parameter::new("default", Wants::Any)
            .sees(Sees::Nothing)
            .or_null()
            .optional(),
    ],
    rest: None,
    result: Kind::Any,
    about: "The value of a key, or a default where the object has none.",
    example: r#"lookup({ eu = "fra" }, "us", "iad")"#,
    gives: r#""iad""#,
    call: |args, _| {
        let (object, key) = (arguments::object(args, 0)?, arguments::text(args, 1)?);
        match (object.get(key), args.get(2)) {
            (Some(found), _) => Ok(found.value.clone()),
            (None, Some(default)) => Ok(default.value.clone()),
            (None, None) => {
                let keys = object.entries().iter().map(|(key, _)| &*key.text);
                let mut failure = Failure::new("the object has no such key").at(1);
                failure.hint = suggest::did_you_mean(key, keys);
                Err(failure)
            }
        }
    },
};

pub(super) const MERGE: Function = Function {
    name: "merge",
    group: Group::Collection,
    parameters: &[],
    rest: Some(
        Parameter::new("objects", Wants::Object)
            .sees(Sees::Shape)
            .or_null(),
    ),
    result: Kind::Object,
    about: "The entries of all objects; of a key that stands in several the last one counts.",
    example: "merge({ a = 1, b = 2 }, { b = 3 })",
    gives: "{ a = 1, b = 3 }",
    call: |args, _| {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            if matches!(arg.value, Value::Null) {
                continue;
            }
            let more = arguments::object(args, at)?.entries();
            limits::parts(entries.len() + more.len())?;
            entries.extend_from_slice(more);
        }
        Ok(Value::Object(Arc::new(Object::new(entries))))
    },
};

pub(super) const ZIPMAP: Function = Function {
    name: "zipmap",
    group: Group::Collection,
    parameters: &[
        Parameter::new("keys", Wants::Strings),
        Parameter::new("values", Wants::List).sees(Sees::Shape),
    ],
    rest: None,
    result: Kind::Object,
    about: "An object of a list of keys and a list of as many values.",
    example: r#"zipmap(["a", "b"], [1, 2])"#,
    gives: "{ a = 1, b = 2 }",
    call: |args, _| {
        let keys = arguments::texts(args, 0)?;
        let (places, values) = (arguments::list(args, 0)?, arguments::list(args, 1)?);
        same_length(keys.len(), values.len(), 1)?;
        let keys = keys.into_iter().zip(places).map(|(text, place)| Key {
            text: Arc::clone(text),
            span: place.span,
        });
        let entries = keys.zip(values.iter().cloned()).collect();
        Ok(Value::Object(Arc::new(Object::new(entries))))
    },
};

pub(super) const TRANSPOSE: Function = Function {
    name: "transpose",
    group: Group::Collection,
    parameters: &[Parameter::new("object", Wants::Object)],
    rest: None,
    result: Kind::Object,
    about: "An object of lists of strings, turned round: for each string the keys that had it.",
    example: r#"transpose({ a = ["x", "y"], b = ["y"] })"#,
    gives: r#"{ x = ["a"], y = ["a", "b"] }"#,
    call: |args, span| {
        let mut turned: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (key, node) in arguments::object(args, 0)?.entries() {
            let (Value::List(items) | Value::Set(items)) = &node.value else {
                return Err(not_strings(&node.value));
            };
            for item in items.iter() {
                let text = coerce::string(&item.value);
                let text = text.ok_or_else(|| not_strings(&item.value))?;
                limits::entries(turned.len())?;
                let keys = turned.entry(text.into_owned()).or_default();
                limits::entries(keys.len() + 1)?;
                keys.push(Value::String(Arc::clone(&key.text)));
            }
        }
        let list = |(key, keys)| (key, Value::list(keys, span));
        Ok(Value::object(turned.into_iter().map(list), span))
    },
};

pub(super) const MATCHKEYS: Function = Function {
    name: "matchkeys",
    group: Group::Collection,
    parameters: &[
        Parameter::new("values", Wants::List).sees(Sees::Shape),
        Parameter::new("keys", Wants::List),
        Parameter::new("wanted", Wants::List),
    ],
    rest: None,
    result: Kind::List,
    about: "Those of the values whose key, in a list of as many keys, is one of the wanted.",
    example: r#"matchkeys([1, 2, 3], ["a", "b", "a"], ["a"])"#,
    gives: "[1, 3]",
    call: |args, _| {
        let (values, keys) = (arguments::list(args, 0)?, arguments::list(args, 1)?);
        same_length(values.len(), keys.len(), 1)?;
        let wanted = arguments::list(args, 2)?
            .iter()
            .map(|node| Ordered(&node.value));
        let wanted: BTreeSet<Ordered<'_>> = wanted.collect();
        let pairs = values.iter().zip(keys);
        let kept = pairs.filter(|(_, key)| wanted.contains(&Ordered(&key.value)));
        Ok(Value::List(kept.map(|(value, _)| value.clone()).collect()))
    },
};

fn not_strings(value: &Value) -> Failure {
    let kind = value.kind();
    Failure::new(format!(
        "every value of the object must be a list of strings, not {kind}"
    ))
    .at(0)
}

fn same_length(first: usize, second: usize, at: usize) -> Result<(), Failure> {
    if first == second {
        return Ok(());
    }
    let message = format!("the lists must have the same length, not {first} and {second}");
    Err(Failure::new(message).at(at))
}
