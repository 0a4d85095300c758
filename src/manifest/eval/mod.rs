//! From expressions to values. Pure and bounded: no clock, no chance, no network, and an end.
//! A problem is told at its place and the evaluation goes on, so that all of them are told.

pub mod value;
pub mod typing;
mod equality;

pub mod functions;
pub mod scope;

mod access;
mod collection;
mod decimal;
pub mod convert;
pub(super) mod conform;
pub mod show;
mod operators;
pub mod special;
mod template;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::manifest::ast::{Call, Expression, Kind};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::scan::MAX_ENTRIES;
use crate::manifest::source::Span;

use functions::Sees;
use scope::Scope;
use value::{Key, Node, Object, Value};

/// The longest text that an expression may come to, in bytes.
pub const MAX_TEXT: usize = 1024 * 1024;
/// How much an expression may do: expressions evaluated, elements visited, and a step for
/// each 64 bytes of text.
pub const MAX_STEPS: u32 = 1_000_000;

/// How many parts of a value are gone through in a step.
const WALK: usize = 16;
/// How many bytes of a text a function goes through in a step.
const GONE_THROUGH: usize = 32;
/// How many bytes a pattern goes through in a step: most searches end long before the end of the
/// text that they are counted with.
const SEARCHED: usize = 1024;
/// What it costs to compile a pattern.
const PATTERN: usize = 5000;
/// What a problem costs: few are read, and each has its hints and values.
const PROBLEM: usize = 10_000;
/// What is said when there are no steps left.
const EXHAUSTED: &str = "this expression takes too many steps to evaluate";

/// Evaluates expressions in one scope.
#[derive(Debug)]
pub struct Evaluator<'s> {
    scope: &'s Scope<'s>,
    /// What `for` and `[*]` have bound, innermost last.
    bindings: Vec<(Arc<str>, Node)>,
    steps: u32,
    /// How many there were.
    allowed: u32,
    /// Whether it was told that there are none left.
    exhausted: bool,
    /// The patterns that were compiled.
    patterns: BTreeSet<Arc<str>>,
    /// How many expressions around this one wait for its problems, to forget them.
    trying: u32,
    pub problems: Vec<Problem>,
    /// Whether something sensitive was read since this was last set to false.
    pub sensitive: bool,
}

impl<'s> Evaluator<'s> {
    pub fn new(scope: &'s Scope<'s>) -> Self {
        // Whoever finds that all were too much together says so.
        let over = scope.work.is_too_much();
        let steps = if over { 0 } else { MAX_STEPS };
        Self {
            scope,
            bindings: Vec::new(),
            steps,
            allowed: steps,
            exhausted: over,
            patterns: BTreeSet::new(),
            trying: 0,
            problems: Vec::new(),
            sensitive: false,
        }
    }

    /// With another bound than [`MAX_STEPS`].
    pub fn bounded(mut self, steps: u32) -> Self {
        self.steps = self.steps.min(steps);
        self.allowed = self.steps;
        self
    }

    /// The value of an expression; [`Value::Invalid`] after a problem.
    pub fn evaluate(&mut self, expression: &Expression) -> Node {
        let span = expression.span;
        let value = match self.step(1, span) {
            true => self.value(expression),
            false => Value::Invalid,
        };
        Node { span, value }
    }

    fn value(&mut self, expression: &Expression) -> Value {
        let span = expression.span;
        match &expression.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Integer(number) => Value::Integer(*number),
            Kind::Float(number) => Value::Float(*number),
            Kind::String(text) => Value::String(Arc::clone(text)),
            Kind::Template(parts) => self.template(parts, span),
            Kind::List(items) => {
                Value::List(items.iter().map(|item| self.evaluate(item)).collect())
            }
            Kind::Object(entries) => self.object(entries),
            Kind::Variable(name) => self.name(name, span),
            Kind::Attribute(of, name) => self.attribute(of, name, span),
            Kind::Index(of, at) => self.index(of, at),
            Kind::Splat(splat) => self.splat(splat),
            Kind::Call(call) => self.call(call, span),
            Kind::Not(of) => self.not(of),
            Kind::Negative(of) => self.negative(of),
            Kind::Binary(operator, sides) => self.binary(*operator, sides, span),
            Kind::Conditional(parts) => self.conditional(parts),
            Kind::For(each) => self.for_expression(each, span),
            Kind::Invalid => Value::Invalid,
        }
    }

    /// Takes note of a problem.
    fn problem(&mut self, problem: Problem) -> Value {
        let span = problem.span;
        let problem = match self.sensitive {
            true => veiled(problem),
            false => problem,
        };
        self.problems.push(problem);
        if self.trying == 0
            && let Some(span) = span
        {
            self.step(PROBLEM, span);
        }
        Value::Invalid
    }

    /// Does something whose problems do not count, and says whether there were any. That there
    /// are no steps left is no such problem.
    fn trial<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let before = self.problems.len();
        self.trying += 1;
        let done = work(self);
        self.trying -= 1;
        let failed = self.problems.len() > before;
        let found = self.problems.split_off(before);
        // What is tried is a value. A name that nobody declared is a slip, tried or not.
        let stays = |problem: &Problem| {
            problem.message == EXHAUSTED
                || matches!(
                    problem.code,
                    Code::UnknownReference | Code::UnknownFunction | Code::WrongArguments
                )
        };
        self.problems.extend(found.into_iter().filter(stays));
        (done, failed)
    }

    /// The name that may have been meant, unless nobody will be told.
    fn near<'n>(&self, name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
        match self.trying {
            0 => crate::manifest::suggest::did_you_mean(name, names),
            _ => None,
        }
    }

    /// Takes note of a problem without more to say about it.
    fn refuse(&mut self, code: Code, span: Span, message: impl Into<String>) -> Value {
        self.problem(Problem::new(code, span, message))
    }

    /// Counts work; false when there was too much of it.
    fn step(&mut self, count: usize, span: Span) -> bool {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match self.steps.checked_sub(count) {
            Some(left) => {
                self.steps = left;
                true
            }
            None => {
                if !std::mem::replace(&mut self.exhausted, true) {
                    self.steps = 0;
                    self.refuse(Code::TooMuchWork, span, EXHAUSTED);
                }
                false
            }
        }
    }

    /// A text, if it is not too long.
    fn text(&mut self, text: String, span: Span) -> Value {
        if text.len() > MAX_TEXT {
            return self.refuse(
                Code::TooMuchWork,
                span,
                "this text would be longer than 1 MiB",
            );
        }
        match self.step(text.len() / 64, span) {
            true => Value::String(Arc::from(text)),
            false => Value::Invalid,
        }
    }

    /// Whether a value is too large to be walked. To walk it is counted as work.
    fn too_large(&mut self, node: &Node) -> bool {
        match convert::size(&node.value) {
            Some(size) => !self.step(size / WALK, node.span),
            None => {
                let message = "this value is too large";
                self.refuse(Code::TooMuchWork, node.span, message);
                true
            }
        }
    }

    /// The value of an expression, of a size that everybody can walk.
    pub fn evaluate_whole(&mut self, expression: &Expression) -> Node {
        let node = self.evaluate(expression);
        match self.too_large(&node) {
            true => Node {
                span: node.span,
                value: Value::Invalid,
            },
            false => node,
        }
    }

    fn too_many(&mut self, count: usize, span: Span) -> bool {
        if count > MAX_ENTRIES {
            let message = format!("more than {MAX_ENTRIES} entries");
            self.refuse(Code::TooMuchWork, span, message);
        }
        count > MAX_ENTRIES
    }

    fn object(&mut self, entries: &[(Expression, Expression)]) -> Value {
        let mut made: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
        let mut refused = false;
        for (key, value) in entries {
            let node = self.evaluate(value);
            let found = self.evaluate(key);
            match convert::text(&found.value) {
                Some(text) => made.push((
                    Key {
                        text,
                        span: key.span,
                    },
                    node,
                )),
                None if matches!(found.value, Value::Unknown(_)) => {
                    return Value::Unknown(typing::Type::Map(Box::new(typing::Type::Any)));
                }
                None => {
                    if !matches!(found.value, Value::Invalid) {
                        let message = format!("a key is a string, not {}", found.value.kind());
                        self.refuse(Code::WrongOperand, key.span, message);
                    }
                    refused = true;
                }
            }
        }
        if refused {
            return Value::Invalid;
        }
        Value::Object(Arc::new(Object::new(made)))
    }

    fn call(&mut self, call: &Call, span: Span) -> Value {
        if let Some(value) = self.special(call, span) {
            return value;
        }
        let Some(function) = crate::manifest::eval::functions::function(&call.name) else {
            return self.unknown_function(call);
        };
        let Some(arguments) = self.arguments(call) else {
            return Value::Invalid;
        };
        let visited = arguments.iter().enumerate().map(|(at, node)| {
            let entries = match &node.value {
                Value::List(items) | Value::Set(items) => items.len(),
                Value::Object(object) => object.entries().len(),
                Value::String(text) => text.len() / GONE_THROUGH,
                _ => 1,
            };
            let looks_inside = function
                .parameter(at)
                .is_some_and(|parameter| matches!(parameter.sees, Sees::All | Sees::Text));
            let inside = match looks_inside {
                true => convert::size(&node.value).unwrap_or(convert::MAX_NODES),
                false => 0,
            };
            entries + inside / WALK
        });
        let pattern = functions::pattern::bounded::of_call(function, &arguments);
        let new = pattern.is_some_and(|pattern| self.patterns.insert(Arc::clone(pattern)));
        let weight = functions::weight(function.name);
        let visited = visited.sum::<usize>() * weight + if new { PATTERN } else { 0 };
        if !self.step(visited, span) {
            return Value::Invalid;
        }
        functions::pattern::bounded::searched_bytes();
        let called = functions::call(function, &arguments, span);
        if !self.step(
            functions::pattern::bounded::searched_bytes() / SEARCHED,
            span,
        ) {
            return Value::Invalid;
        }
        let made = match &called {
            Ok(Value::List(items) | Value::Set(items)) => items.len(),
            Ok(Value::Object(object)) => object.entries().len(),
            _ => 0,
        };
        let made = match (weight, &called) {
            (functions::HEAVY, Ok(value)) if made > 0 => {
                convert::size(value).unwrap_or(convert::MAX_NODES) * weight
            }
            _ => made,
        };
        if !self.step(made, span) {
            return Value::Invalid;
        }
        match called {
            Ok(value) => value,
            Err(failure) => {
                let at = failure
                    .argument
                    .and_then(|number| arguments.get(number))
                    .map_or(span, |node| node.span);
                // How many a list is expanded to is no slip of whoever wrote the call.
                let (code, message) = match failure.code {
                    Code::WrongArguments if call.expand => (Code::FunctionFailed, failure.message),
                    Code::WrongArguments => (Code::WrongArguments, failure.message),
                    code => (code, format!("`{}`: {}", call.name, failure.message)),
                };
                let problem = Problem::new(code, at, message);
                self.problem(problem.maybe_hint(failure.hint))
            }
        }
    }

    /// The arguments of a call; `None` after a problem.
    fn arguments(&mut self, call: &Call) -> Option<Vec<Node>> {
        let mut arguments: Vec<Node> = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            arguments.push(self.evaluate(argument));
        }
        if call.expand {
            let last = arguments.pop()?;
            match &last.value {
                Value::List(items) | Value::Set(items) => arguments.extend(items.iter().cloned()),
                Value::Invalid => return None,
                // Of an unknown number of arguments nothing can be said.
                Value::Unknown(_) => arguments.push(Node {
                    span: last.span,
                    value: Value::Unknown(typing::Type::Any),
                }),
                other => {
                    let message = format!("only a list can be expanded, not {}", other.kind());
                    self.refuse(Code::WrongOperand, last.span, message);
                    return None;
                }
            }
        }
        Some(arguments)
    }

    fn unknown_function(&mut self, call: &Call) -> Value {
        let names = functions::FUNCTIONS.iter().map(|function| function.name);
        let special = special::SPECIAL.iter().map(|special| special.name);
        let hint = self.near(&call.name, names.chain(special));
        let message = format!("no function is called `{}`", call.name);
        let problem = Problem::new(Code::UnknownFunction, call.at, message);
        self.problem(problem.maybe_hint(hint))
    }
}

/// A problem of an expression that has read something sensitive, without what may tell of it:
/// a key that is missing, a text that is no number.
fn veiled(problem: Problem) -> Problem {
    let tells = matches!(
        problem.code,
        Code::FunctionFailed
            | Code::MissingKey
            | Code::UnknownReference
            | Code::InvalidName
            | Code::EnvRefused
            | Code::Repeated
    );
    match tells {
        true => Problem {
            message: "this has no value; why is not told, as a sensitive variable is in it"
                .to_owned(),
            hint: None,
            ..problem
        },
        false => problem,
    }
}

/// What was done is counted with the root's work.
impl Drop for Evaluator<'_> {
    fn drop(&mut self) {
        self.scope.work.spend(u64::from(self.allowed - self.steps));
    }
}
