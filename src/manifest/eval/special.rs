//! Functions that look at more than their arguments' values: at what failed, at secrets'
//! names, at files, at the environment.

use std::sync::Arc;

use super::scope::Place;
use super::typing::Type;
use super::value::{Node, Piece, Value};
use super::{Evaluator, convert};
use crate::manifest::ast::Call;
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::source::Span;
use crate::manifest::suggest::as_name;

/// A function of this kind, for the documentation.
#[derive(Debug)]
pub struct Special {
    pub name: &'static str,
    /// Its arguments, as they are written.
    pub form: &'static str,
    /// One sentence or two.
    pub about: &'static str,
    pub example: &'static str,
}

/// All of them, by name.
pub static SPECIAL: &[Special] = &[
    Special {
        name: "can",
        form: "can(expression)",
        about: "Whether the expression has a value at all.",
        example: "can(local.regions.eu)",
    },
    Special {
        name: "env",
        form: "env(name[, default])",
        about: "An environment variable, in the `default` of a variable only. Its name starts with LOKAHI_, or is allowed by `--allow-env` or the server's ENV_ALLOW; LOKAHI_SECRET_*, LOKAHI_TOKEN and LOKAHI_SERVER are never read.",
        example: "env(\"LOKAHI_ENV\", \"prod\")",
    },
    Special {
        name: "file",
        form: "file(path)",
        about: "The text of a file below the root folder, of at most 1 MiB.",
        example: "file(\"_data/body.json\")",
    },
    Special {
        name: "fileset",
        form: "fileset(folder, pattern)",
        about: "The files of a folder below the root whose paths match: `*` for anything but `/`, `**` for anything.",
        example: "fileset(\"_data\", \"*.json\")",
    },
    Special {
        name: "secret",
        form: "secret(name)",
        about: "A reference to a secret: the worker that needs it looks it up, in LOKAHI_SECRET_NAME or a file of SECRETS_DIR. It can stand in header values, the body, `auth`, `key` of `tls`, `webhook_url`, and `url`, `headers` and `secrets` of a receiver.",
        example: "\"Bearer ${secret(\"shop-token\")}\"",
    },
    Special {
        name: "try",
        form: "try(expression, ...)",
        about: "The first of the expressions that has a value.",
        example: "try(var.settings.path, \"/\")",
    },
];

impl Evaluator<'_> {
    /// The value of a call of one of them; `None` for any other function.
    pub(super) fn special(&mut self, call: &Call, span: Span) -> Option<Value> {
        match call.name.as_str() {
            "try" => Some(self.first_that_works(call, span)),
            "can" => Some(self.can(call, span)),
            "secret" => Some(self.secret(call, span)),
            "env" => Some(self.env(call, span)),
            "file" => Some(self.file(call, span)),
            "fileset" => Some(self.fileset(call, span)),
            _ => None,
        }
    }

    fn first_that_works(&mut self, call: &Call, span: Span) -> Value {
        if call.arguments.is_empty() {
            return self.wrong_count(call, span, "at least one argument");
        }
        for argument in &call.arguments {
            let (node, failed) = self.trial(|this| this.evaluate(argument));
            if !failed && !matches!(node.value, Value::Invalid) {
                return node.value;
            }
        }
        if self.exhausted {
            return Value::Invalid;
        }
        let message = "`try`: none of the expressions has a value";
        self.refuse(Code::FunctionFailed, span, message)
    }

    fn can(&mut self, call: &Call, span: Span) -> Value {
        let [argument] = call.arguments.as_slice() else {
            return self.wrong_count(call, span, "one argument");
        };
        let (node, failed) = self.trial(|this| this.evaluate(argument));
        let works = !failed && !matches!(node.value, Value::Invalid);
        match node.value {
            Value::Unknown(_) if works => Value::Unknown(Type::Bool),
            _ => Value::Bool(works),
        }
    }

    fn wrong_count(&mut self, call: &Call, span: Span, wanted: &str) -> Value {
        let message = format!("`{}` takes {wanted}", call.name);
        self.refuse(Code::WrongArguments, span, message)
    }

    /// The arguments as texts; `None` after a problem or if one is not known.
    fn texts(
        &mut self,
        call: &Call,
        span: Span,
        least: usize,
        most: usize,
    ) -> Result<Vec<Node>, Value> {
        if !(least..=most).contains(&call.arguments.len()) {
            let wanted = match (least, most) {
                (1, 1) => "one argument",
                (2, 2) => "two arguments",
                _ => "one or two arguments",
            };
            return Err(self.wrong_count(call, span, wanted));
        }
        let mut nodes = Vec::with_capacity(most);
        for argument in &call.arguments {
            let node = self.evaluate(argument);
            match &node.value {
                Value::String(_) => nodes.push(node),
                Value::Invalid => return Err(Value::Invalid),
                Value::Unknown(Type::Any | Type::String) => {
                    return Err(Value::Unknown(Type::String));
                }
                other => {
                    let message = format!("`{}` wants strings, not {}", call.name, other.kind());
                    return Err(self.refuse(Code::WrongArguments, node.span, message));
                }
            }
        }
        Ok(nodes)
    }

    fn secret(&mut self, call: &Call, span: Span) -> Value {
        let name = match self.texts(call, span, 1, 1) {
            Ok(nodes) => nodes.into_iter().next(),
            Err(Value::Unknown(_)) => {
                let message = "the name of a secret must be known offline";
                return self.refuse(Code::SecretMisplaced, span, message);
            }
            Err(value) => return value,
        };
        let Some(Node {
            span,
            value: Value::String(name),
        }) = name
        else {
            return Value::Invalid;
        };
        if self.scope.place == Place::Condition {
            let message = "a condition cannot look at a secret";
            return self.refuse(Code::SecretMisplaced, span, message);
        }
        match name.parse::<crate::model::name::Name>() {
            Ok(_) => Value::Secret(Arc::from([Piece::Secret(name)])),
            Err(error) => {
                let problem = Problem::new(Code::InvalidName, span, error.to_string());
                let better = as_name(&name).map(|name| format!("write secret(\"{name}\")"));
                self.problem(problem.maybe_hint(better))
            }
        }
    }

    fn env(&mut self, call: &Call, span: Span) -> Value {
        if self.scope.place != Place::Default {
            let problem = Problem::new(
                Code::Misplaced,
                span,
                "`env` can only be called in the `default` of a variable",
            );
            return self.problem(problem.hint("declare a variable, and use that: var.NAME"));
        }
        let nodes = match self.texts(call, span, 1, 2) {
            Ok(nodes) => nodes,
            Err(value) => return value,
        };
        let mut values = nodes.into_iter().map(|node| (node.span, node.value));
        let Some((at, Value::String(name))) = values.next() else {
            return Value::Invalid;
        };
        match self.scope.doors.env(&name) {
            Ok(Some(text)) => self.text(text, span),
            Ok(None) => match values.next() {
                Some((_, default)) => default,
                None => Value::Unknown(Type::String),
            },
            Err(why) => self.refuse(Code::EnvRefused, at, why),
        }
    }

    fn file(&mut self, call: &Call, span: Span) -> Value {
        let path = match self.texts(call, span, 1, 1) {
            Ok(nodes) => nodes.into_iter().next(),
            Err(value) => return value,
        };
        let Some(Node {
            span: at,
            value: Value::String(path),
        }) = path
        else {
            return Value::Invalid;
        };
        if path.is_empty() {
            let message = "`file` wants the path of a file below the root folder";
            return self.refuse(Code::FunctionFailed, at, message);
        }
        match self.scope.doors.file(&path) {
            Ok(text) => self.text(text, span),
            Err(why) => {
                let message = format!("`file`: {}: {why}", convert::cut(&path));
                self.refuse(Code::FunctionFailed, at, message)
            }
        }
    }

    fn fileset(&mut self, call: &Call, span: Span) -> Value {
        let nodes = match self.texts(call, span, 2, 2) {
            Ok(nodes) => nodes,
            Err(value) => return value,
        };
        let texts: Vec<_> = nodes
            .iter()
            .filter_map(|node| convert::text(&node.value))
            .collect();
        let [folder, pattern] = texts.as_slice() else {
            return Value::Invalid;
        };
        match self.scope.doors.fileset(folder, pattern) {
            Ok(paths) if self.too_many(paths.len(), span) => Value::Invalid,
            Ok(paths) => {
                let nodes = paths.into_iter().map(|path| Node {
                    span,
                    value: Value::string(path),
                });
                Value::Set(nodes.collect())
            }
            Err(why) => self.refuse(Code::FunctionFailed, span, format!("`fileset`: {why}")),
        }
    }
}
