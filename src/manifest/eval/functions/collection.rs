//! Lists and what they have in common with other collections.

use std::collections::BTreeSet;

use crate::manifest::eval::functions::order::Ordered;
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, limits,
};
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::{Node, Value};

const LIST: Parameter = Parameter::new("list", Wants::List);

pub(super) const LENGTH: Function = Function {
    name: "length",
    group: Group::Collection,
    parameters: &[Parameter::new("value", Wants::Sized).sees(Sees::Shape)],
    rest: None,
    result: Kind::Number,
    about: "How many elements, entries or characters there are.",
    example: r#"length(["eu", "us"])"#,
    gives: "2",
    call: |args, _| {
        let length = match arguments::value(args, 0)? {
            Value::String(text) => text.chars().count(),
            Value::Object(object) => object.entries().len(),
            _ => arguments::list(args, 0)?.len(),
        };
        Ok(whole(length))
    },
};

pub(super) const CONCAT: Function = Function {
    name: "concat",
    group: Group::Collection,
    parameters: &[],
    rest: Some(Parameter::new("lists", Wants::List).sees(Sees::Shape)),
    result: Kind::List,
    about: "The elements of all lists as one list.",
    example: r#"concat(["eu"], ["us", "ap"])"#,
    gives: r#"["eu", "us", "ap"]"#,
    call: |args, _| {
        let mut all: Vec<Node> = Vec::new();
        for at in 0..args.len() {
            let items = arguments::list(args, at)?;
            limits::entries(all.len() + items.len())?;
            all.extend_from_slice(items);
        }
        Ok(Value::List(all.into()))
    },
};

pub(super) const CONTAINS: Function = Function {
    name: "contains",
    group: Group::Collection,
    parameters: &[LIST, Parameter::new("value", Wants::Any).or_null()],
    rest: None,
    result: Kind::Bool,
    about: "Whether a value is an element of the list.",
    example: r#"contains(["eu", "us"], "us")"#,
    gives: "true",
    call: |args, _| {
        let wanted = arguments::value(args, 1)?;
        Ok(Value::Bool(
            arguments::list(args, 0)?
                .iter()
                .any(|item| item.value == *wanted),
        ))
    },
};

pub(super) const INDEX: Function = Function {
    name: "index",
    group: Group::Collection,
    parameters: &[LIST, Parameter::new("value", Wants::Any).or_null()],
    rest: None,
    result: Kind::Number,
    about: "The place of a value in the list, from 0; without one the call fails.",
    example: r#"index(["eu", "us"], "us")"#,
    gives: "1",
    call: |args, _| {
        let wanted = arguments::value(args, 1)?;
        let at = arguments::list(args, 0)?
            .iter()
            .position(|item| item.value == *wanted);
        at.map(whole)
            .ok_or_else(|| Failure::new("the value is not in the list").at(1))
    },
};

pub(super) const FLATTEN: Function = Function {
    name: "flatten",
    group: Group::Collection,
    parameters: &[LIST.sees(Sees::Shape)],
    rest: None,
    result: Kind::List,
    about: "The list with the elements of every list in it, however deep, in that list's place.",
    example: "flatten([[1, 2], [], [[3]]])",
    gives: "[1, 2, 3]",
    call: |args, _| {
        let mut flat = Flat::default();
        flat.take(arguments::list(args, 0)?, 1)?;
        match flat.unknown {
            true => Ok(Value::Unknown(Kind::List.unknown())),
            false => Ok(Value::List(flat.nodes.into())),
        }
    },
};

#[derive(Default)]
struct Flat {
    nodes: Vec<Node>,
    visited: usize,
    /// Something may turn out to be a list.
    unknown: bool,
}

impl Flat {
    fn take(&mut self, items: &[Node], depth: usize) -> Result<(), Failure> {
        limits::depth(depth)?;
        for item in items {
            self.visited += 1;
            limits::parts(self.visited)?;
            match &item.value {
                Value::List(items) | Value::Set(items) => self.take(items, depth + 1)?,
                Value::Unknown(Type::Any | Type::List(_) | Type::Set(_) | Type::Tuple(_)) => {
                    self.unknown = true
                }
                _ => {
                    limits::entries(self.nodes.len() + 1)?;
                    self.nodes.push(item.clone());
                }
            }
        }
        Ok(())
    }
}

pub(super) const DISTINCT: Function = Function {
    name: "distinct",
    group: Group::Collection,
    parameters: &[LIST],
    rest: None,
    result: Kind::List,
    about: "The list without elements that stood in it before.",
    example: r#"distinct(["b", "a", "b"])"#,
    gives: r#"["b", "a"]"#,
    call: |args, _| {
        let items = arguments::list(args, 0)?;
        let mut met = BTreeSet::new();
        let mut first = Vec::new();
        for item in items {
            if met.insert(Ordered(&item.value)) {
                first.push(item.clone());
            }
        }
        Ok(Value::List(first.into()))
    },
};

pub(super) const SORT: Function = Function {
    name: "sort",
    group: Group::Collection,
    parameters: &[Parameter::new("list", Wants::Strings)],
    rest: None,
    result: Kind::Strings,
    about: "The strings of the list, ascending by character.",
    example: r#"sort(["b", "a", "B"])"#,
    gives: r#"["B", "a", "b"]"#,
    call: |args, _| {
        arguments::texts(args, 0)?;
        let mut items = arguments::list(args, 0)?.to_vec();
        items.sort_by(|a, b| Ordered(&a.value).cmp(&Ordered(&b.value)));
        Ok(Value::List(items.into()))
    },
};

pub(super) const COMPACT: Function = Function {
    name: "compact",
    group: Group::Collection,
    parameters: &[Parameter::new("list", Wants::Strings)],
    rest: None,
    result: Kind::Strings,
    about: "The list without empty strings and nulls.",
    example: r#"compact(["eu", "", null])"#,
    gives: r#"["eu"]"#,
    call: |args, _| {
        let full = |item: &&Node| match &item.value {
            Value::String(text) => !text.is_empty(),
            _ => false,
        };
        Ok(Value::List(
            arguments::list(args, 0)?
                .iter()
                .filter(full)
                .cloned()
                .collect(),
        ))
    },
};

/// A count as a number.
pub(super) fn whole(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}
