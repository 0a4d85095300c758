//! Sets: strings or numbers, ascending, each once.

use std::collections::BTreeSet;

use crate::manifest::eval::functions::order::{Ordered, order};
use crate::manifest::eval::functions::{
    Failure, Function, Group, Kind, Parameter, Sees, Wants, arguments, coerce, limits,
};
use crate::manifest::eval::value::{Node, Value};

const SETS: Option<Parameter> = Some(Parameter::new("sets", Wants::List));

pub(super) const SETUNION: Function = Function {
    name: "setunion",
    group: Group::Collection,
    parameters: &[Parameter::new("set", Wants::List)],
    rest: SETS,
    result: Kind::Set,
    about: "What is in any of the sets.",
    example: r#"setunion(["a", "b"], ["b", "c"])"#,
    gives: r#"toset(["a", "b", "c"])"#,
    call: |args, _| {
        let mut all = Vec::new();
        for at in 0..args.len() {
            all.extend(arguments::list(args, at)?.iter().cloned());
        }
        of(all.into_iter())
    },
};

pub(super) const SETINTERSECTION: Function = Function {
    name: "setintersection",
    group: Group::Collection,
    parameters: &[Parameter::new("set", Wants::List)],
    rest: SETS,
    result: Kind::Set,
    about: "What is in every one of the sets.",
    example: r#"setintersection(["a", "b"], ["b", "c"])"#,
    gives: r#"toset(["b"])"#,
    call: |args, _| {
        let mut sets = sets(args)?.into_iter();
        let mut kept = sets.next().unwrap_or_default();
        for other in sets {
            let other: BTreeSet<Ordered<'_>> = values(&other).collect();
            kept.retain(|node| other.contains(&Ordered(&node.value)));
        }
        of(kept.into_iter())
    },
};

pub(super) const SETSUBTRACT: Function = Function {
    name: "setsubtract",
    group: Group::Collection,
    parameters: &[
        Parameter::new("set", Wants::List),
        Parameter::new("without", Wants::List),
    ],
    rest: None,
    result: Kind::Set,
    about: "What is in the first set and not in the second.",
    example: r#"setsubtract(["a", "b"], ["b", "c"])"#,
    gives: r#"toset(["a"])"#,
    call: |args, _| {
        let mut sets = sets(args)?.into_iter();
        let mut kept = sets.next().unwrap_or_default();
        let without = sets.next().unwrap_or_default();
        let without: BTreeSet<Ordered<'_>> = values(&without).collect();
        kept.retain(|node| !without.contains(&Ordered(&node.value)));
        of(kept.into_iter())
    },
};

pub(super) const SETPRODUCT: Function = Function {
    name: "setproduct",
    group: Group::Collection,
    parameters: &[Parameter::new("list", Wants::List).sees(Sees::Shape)],
    rest: Some(Parameter::new("lists", Wants::List).sees(Sees::Shape)),
    result: Kind::List,
    about: "Every way to take one element of each list, the last list changing fastest.",
    example: r#"setproduct(["eu", "us"], ["a", "b"])"#,
    gives: r#"[["eu", "a"], ["eu", "b"], ["us", "a"], ["us", "b"]]"#,
    call: |args, span| {
        let mut count = 1_usize;
        for at in 0..args.len() {
            count = count.saturating_mul(arguments::list(args, at)?.len());
        }
        limits::entries(count)?;
        limits::parts(count.saturating_mul(args.len()))?;
        let mut rows = Vec::with_capacity(count);
        for number in 0..count {
            // The digits of the row's number, the last list's lowest.
            let mut left = number;
            let mut row = Vec::with_capacity(args.len());
            for at in (0..args.len()).rev() {
                let items = arguments::list(args, at)?;
                row.extend(items.get(left % items.len()).cloned());
                left /= items.len();
            }
            row.reverse();
            rows.push(Value::List(row.into()));
        }
        Ok(Value::list(rows, span))
    },
};

/// The set of these values, if they can be in one: all strings as soon as one is.
pub(super) fn of(nodes: impl Iterator<Item = Node>) -> Result<Value, Failure> {
    let Some(mut nodes) = coerce::unify(nodes)? else {
        return Ok(Value::Unknown(Kind::Set.unknown()));
    };
    let member = |value: &Value| {
        matches!(
            value,
            Value::String(_) | Value::Integer(_) | Value::Float(_)
        )
    };
    if let Some(other) = nodes.iter().find(|node| !member(&node.value)) {
        let kind = other.value.kind();
        return Err(Failure::new(format!(
            "a set holds strings or numbers, not {kind}"
        )));
    }
    nodes.sort_by(|a, b| order(&a.value, &b.value));
    nodes.dedup_by(|a, b| order(&a.value, &b.value).is_eq());
    Ok(Value::Set(nodes.into()))
}

/// The arguments as sets. If one holds strings, all do: "1" and 1 are then the same.
fn sets(args: &[Node]) -> Result<Vec<Vec<Node>>, Failure> {
    let mut lengths = Vec::new();
    let mut all = Vec::new();
    for at in 0..args.len() {
        let items = arguments::list(args, at)?;
        lengths.push(items.len());
        all.extend(items.iter().cloned());
    }
    let mut all = coerce::unify(all.into_iter())?
        .unwrap_or_default()
        .into_iter();
    Ok(lengths
        .into_iter()
        .map(|length| all.by_ref().take(length).collect())
        .collect())
}

fn values(nodes: &[Node]) -> impl Iterator<Item = Ordered<'_>> {
    nodes.iter().map(|node| Ordered(&node.value))
}
