//! Whether arguments are what a function takes: how many, of which kinds, converted as HCL
//! converts, and whether the parts that it looks at are known and no secrets.

use std::sync::Arc;

use crate::manifest::diagnostic::Code;
use crate::manifest::eval::functions::{
    Failure, Function, Null, Parameter, Sees, Wants, coerce, limits,
};
use crate::manifest::eval::typing::{Presence, Type};
use crate::manifest::eval::value::{Node, Piece, Value};
use crate::model::quoted::Quoted;

/// What was met in the arguments of a call, all of them together.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) unknown: bool,
    pub(super) invalid: bool,
    parts: usize,
    bytes: usize,
}

/// Checks how many arguments there are.
pub(super) fn count(function: &Function, given: usize) -> Result<(), Failure> {
    let needed = |parameter: &&Parameter| parameter.presence == Presence::Required;
    let least = function.parameters.iter().filter(needed).count();
    let most = match function.rest {
        Some(_) => usize::MAX,
        None => function.parameters.len(),
    };
    if (least..=most).contains(&given) {
        return Ok(());
    }
    let takes = match (least, most) {
        (least, most) if least == most => format!("{least}"),
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) => format!("{least} to {most}"),
    };
    let plural = if takes == "1" || takes == "at least 1" {
        ""
    } else {
        "s"
    };
    let message = format!(
        "`{}` takes {takes} argument{plural}, not {given}",
        function.name
    );
    let mut failure = Failure::new(message).hint(function.signature());
    failure.code = Code::WrongArguments;
    failure.argument = (given > most).then_some(most);
    Err(failure)
}

/// The argument as the function wants it.
pub(super) fn fit(
    function: &Function,
    parameter: &Parameter,
    node: &Node,
) -> Result<Node, Failure> {
    let what = || format!("`{}` of `{}`", parameter.name, function.name);
    let fitted = match (&node.value, parameter.wants) {
        (Value::Null, _) if parameter.null == Null::Taken => Some(Value::Null),
        (Value::Null, _) => return Err(Failure::new(format!("{} must not be null", what()))),
        (Value::Unknown(of), wants) => takes(wants, of).then(|| node.value.clone()),
        (value, Wants::Any) => Some(value.clone()),
        (Value::Secret(_), Wants::String) if parameter.sees == Sees::Text => {
            Some(node.value.clone())
        }
        (
            Value::Secret(_),
            Wants::String | Wants::Number | Wants::Integer | Wants::Bool | Wants::Sized,
        ) => return Err(secret(function)),
        (value, Wants::String | Wants::Number | Wants::Integer | Wants::Bool) => {
            scalar(parameter.wants, value)
        }
        (Value::List(items) | Value::Set(items), wants) => match element(wants) {
            Some(of) => Some(Value::List(elements(of, items, &what())?)),
            None if matches!(wants, Wants::List | Wants::Sized) => Some(node.value.clone()),
            None => None,
        },
        (Value::Object(_), Wants::Object | Wants::Sized) => Some(node.value.clone()),
        (Value::String(_), Wants::Sized) => Some(node.value.clone()),
        _ => None,
    };
    match fitted {
        Some(value) => Ok(Node {
            span: node.span,
            value,
        }),
        None => Err(Failure::new(format!(
            "{} must be {}, not {}",
            what(),
            parameter.wants.kind(),
            shown(&node.value),
        ))),
    }
}

/// Looks at the parts of an argument that the function looks at.
pub(super) fn look(
    function: &Function,
    parameter: &Parameter,
    node: &Node,
    seen: &mut Seen,
) -> Result<(), Failure> {
    match (parameter.sees, &node.value) {
        (Sees::Nothing, _) => Ok(()),
        (_, Value::Unknown(_)) => {
            seen.unknown = true;
            Ok(())
        }
        (Sees::Shape, _) => Ok(()),
        (Sees::All | Sees::Text, value) => deep(function, parameter.sees, value, 0, seen),
    }
}

fn deep(
    function: &Function,
    sees: Sees,
    value: &Value,
    depth: usize,
    seen: &mut Seen,
) -> Result<(), Failure> {
    seen.parts += 1;
    limits::parts(seen.parts)?;
    limits::depth(depth)?;
    match value {
        Value::Unknown(_) => seen.unknown = true,
        Value::Invalid => seen.invalid = true,
        Value::Secret(_) if sees == Sees::All => return Err(secret(function)),
        Value::Secret(pieces) => {
            let size = |piece: &Piece| match piece {
                Piece::Text(text) | Piece::Secret(text) => text.len(),
            };
            seen.bytes += pieces.iter().map(size).sum::<usize>();
            seen.parts += pieces.len();
        }
        Value::String(text) => seen.bytes += text.len(),
        Value::List(items) | Value::Set(items) => {
            for item in items.iter() {
                deep(function, sees, &item.value, depth + 1, seen)?;
            }
        }
        Value::Object(object) => {
            for (key, node) in object.entries() {
                seen.bytes += key.text.len();
                deep(function, sees, &node.value, depth + 1, seen)?;
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Reference(_) => {}
    }
    if seen.bytes > limits::MAX_TEXTS {
        return Err(Failure::new("there are more than 16 MiB of text in it"));
    }
    Ok(())
}

fn secret(function: &Function) -> Failure {
    Failure::new(format!(
        "`{}` looks into a text, and the value of a secret is not known here",
        function.name,
    ))
    .hint("only the worker that sends a request knows its secrets")
}

fn scalar(wants: Wants, value: &Value) -> Option<Value> {
    match wants {
        Wants::String => match value {
            Value::String(_) => Some(value.clone()),
            value => coerce::string(value).map(Value::string),
        },
        Wants::Number => coerce::number(value),
        Wants::Integer => match coerce::number(value)? {
            whole @ Value::Integer(_) => Some(whole),
            _ => None,
        },
        Wants::Bool => coerce::bool(value).map(Value::Bool),
        _ => None,
    }
}

fn elements(of: Wants, items: &Arc<[Node]>, what: &str) -> Result<Arc<[Node]>, Failure> {
    let fits = |value: &Value| match (value, of) {
        // Whether these may stand here, the function says, or `look`.
        (Value::Null | Value::Secret(_) | Value::Invalid, _) => true,
        (Value::Unknown(of_it), of) => takes(of, of_it),
        (Value::String(_), Wants::String) => true,
        (Value::Integer(_) | Value::Float(_), Wants::Number) => true,
        (Value::Bool(_), Wants::Bool) => true,
        _ => false,
    };
    if items.iter().all(|item| fits(&item.value)) {
        return Ok(Arc::clone(items));
    }
    let convert = |item: &Node| {
        if fits(&item.value) {
            return Ok(item.clone());
        }
        let span = item.span;
        let failure = || {
            let (wants, is) = (of.kind(), shown(&item.value));
            Failure::new(format!("every element of {what} must be {wants}, not {is}"))
        };
        scalar(of, &item.value)
            .map(|value| Node { span, value })
            .ok_or_else(failure)
    };
    items.iter().map(convert).collect()
}

/// What the elements of a list must be.
fn element(wants: Wants) -> Option<Wants> {
    match wants {
        Wants::Strings => Some(Wants::String),
        Wants::Numbers => Some(Wants::Number),
        Wants::Bools => Some(Wants::Bool),
        _ => None,
    }
}

/// Whether a value of a type may turn out to be what is wanted.
fn takes(wants: Wants, of: &Type) -> bool {
    let list = |of: &Type| matches!(of, Type::List(_) | Type::Set(_) | Type::Tuple(_));
    let object = |of: &Type| matches!(of, Type::Map(_) | Type::Object(_));
    match wants {
        _ if *of == Type::Any => true,
        Wants::Any => true,
        Wants::String => matches!(of, Type::String | Type::Number | Type::Bool),
        Wants::Number | Wants::Integer => matches!(of, Type::String | Type::Number),
        Wants::Bool => matches!(of, Type::String | Type::Bool),
        Wants::List | Wants::Strings | Wants::Numbers | Wants::Bools => list(of),
        Wants::Object => object(of),
        Wants::Sized => *of == Type::String || list(of) || object(of),
    }
}

/// What a value is, with the value where it is short.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() <= 40 => format!("the string {}", Quoted(text)),
        Value::Float(number) => format!("the number {number}"),
        value => value.kind().to_owned(),
    }
}

impl Wants {
    /// For messages.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Bool => "a bool",
            Self::List => "a list",
            Self::Strings => "a list of strings",
            Self::Numbers => "a list of numbers",
            Self::Bools => "a list of bools",
            Self::Object => "an object",
            Self::Sized => "a string, a list or an object",
        }
    }
}
