//! Types, as the `type` of a variable writes them.

use std::collections::BTreeMap;

use crate::manifest::ast::{Expression, Kind};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::typing::{Presence, Type};
use crate::manifest::suggest::did_you_mean;

/// A type, as it is written.
pub(super) fn type_of(expression: &Expression) -> Result<Type, Problem> {
    let wrong = |message: &str| {
        Problem::new(Code::InvalidType, expression.span, message)
            .hint("string, number, bool, any, list(string), map(number), object({ name = string })")
    };
    match &expression.kind {
        Kind::Variable(word) => match &**word {
            "string" => Ok(Type::String),
            "number" => Ok(Type::Number),
            "bool" => Ok(Type::Bool),
            "any" => Ok(Type::Any),
            "list" | "set" | "map" => Err(wrong(&format!(
                "`{word}` needs to know of what: `{word}(string)`"
            ))),
            other => {
                let names = [
                    "string", "number", "bool", "any", "list", "set", "map", "object", "tuple",
                ];
                let hint = did_you_mean(other, names);
                Err(wrong(&format!("no type is called `{other}`")).maybe_hint(hint))
            }
        },
        Kind::Call(call) => match (call.name.as_str(), call.arguments.as_slice()) {
            ("list", [of]) => Ok(Type::List(Box::new(type_of(of)?))),
            ("set", [of]) => Ok(Type::Set(Box::new(type_of(of)?))),
            ("map", [of]) => Ok(Type::Map(Box::new(type_of(of)?))),
            (
                "tuple",
                [
                    Expression {
                        kind: Kind::List(items),
                        ..
                    },
                ],
            ) => Ok(Type::Tuple(
                items.iter().map(type_of).collect::<Result<_, _>>()?,
            )),
            (
                "object",
                [
                    Expression {
                        kind: Kind::Object(entries),
                        ..
                    },
                ],
            ) => {
                let mut attributes = BTreeMap::new();
                for (key, value) in entries {
                    let Kind::String(name) = &key.kind else {
                        return Err(wrong("the attributes of an object have names"));
                    };
                    let entry = match &value.kind {
                        Kind::Call(call) if call.name == "optional" => {
                            match call.arguments.as_slice() {
                                [of] => (type_of(of)?, Presence::Optional),
                                _ => {
                                    return Err(wrong(
                                        "`optional` takes one type and no default: what is left out is null",
                                    ));
                                }
                            }
                        }
                        _ => (type_of(value)?, Presence::Required),
                    };
                    attributes.insert(name.to_string(), entry);
                }
                Ok(Type::Object(attributes))
            }
            (name, _) => Err(wrong(&format!("`{name}(...)` is not written like this"))),
        },
        Kind::String(word) => Err(wrong(&format!("a type stands without quotes: {word}"))),
        _ => Err(wrong("this is not a type")),
    }
}
