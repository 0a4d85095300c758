//! What is left of an expression when everything that does not hang on the response has been
//! evaluated.

use std::sync::Arc;

use crate::manifest::ast::{Call, ELEMENT, Expression, For, Intro, Kind, Operator, Part, Splat};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::Evaluator;
use crate::manifest::eval::scope::Scope;
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::references::children;
use crate::manifest::source::Span;

/// The root that is known to the worker only.
const RESPONSE: &str = "response";

/// Whether everything in an expression but the response is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    Yes,
    No,
}

/// The rest of an expression. What is not known yet stays as it is written.
pub(super) fn residual(
    expression: &Expression,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> (Expression, Known) {
    let mut folding = Folding {
        scope,
        problems,
        bound: Vec::new(),
        known: Known::Yes,
    };
    let rest = folding.expression(expression);
    (rest, folding.known)
}

/// Whether the element of a splat is known where an expression stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Free,
    Bound,
}

struct Folding<'a> {
    scope: &'a Scope<'a>,
    problems: &'a mut Vec<Problem>,
    /// What `for` binds around here.
    bound: Vec<Arc<str>>,
    known: Known,
}

impl Folding<'_> {
    /// Whether an expression can only be evaluated with a response, or inside its `for`.
    fn waits(&self, expression: &Expression) -> bool {
        self.waits_in(expression, Element::Free)
    }

    fn waits_in(&self, expression: &Expression, element: Element) -> bool {
        match &expression.kind {
            Kind::Variable(name) if **name == *ELEMENT => element == Element::Free,
            Kind::Variable(name) => **name == *RESPONSE || self.bound.contains(name),
            // A splat knows its own element.
            Kind::Splat(splat) => {
                self.waits_in(&splat.of, element) || self.waits_in(&splat.each, Element::Bound)
            }
            _ => {
                let mut waits = false;
                children(expression, &mut |inner| {
                    waits = waits || self.waits_in(inner, element);
                });
                waits
            }
        }
    }

    fn expression(&mut self, expression: &Expression) -> Expression {
        let span = expression.span;
        if !self.waits(expression) {
            return self.constant(expression);
        }
        let kind = match &expression.kind {
            Kind::Template(parts) => Kind::Template(self.parts(parts)),
            Kind::List(items) => {
                Kind::List(items.iter().map(|item| self.expression(item)).collect())
            }
            Kind::Object(entries) => Kind::Object(
                entries
                    .iter()
                    .map(|(key, value)| (self.expression(key), self.expression(value)))
                    .collect(),
            ),
            Kind::Attribute(of, name) => Kind::Attribute(self.boxed(of), Arc::clone(name)),
            Kind::Index(of, at) => Kind::Index(self.boxed(of), self.boxed(at)),
            Kind::Splat(splat) => Kind::Splat(Box::new(Splat {
                of: self.expression(&splat.of),
                each: self.expression(&splat.each),
            })),
            Kind::Call(call) if call.name == "try" => self.first_that_works(call, span),
            Kind::Call(call) if call.name == "can" => match self.trial(&call.arguments) {
                Some(arguments) => Kind::Call(Box::new(Call {
                    arguments,
                    ..(**call).clone()
                })),
                None => Kind::Bool(false),
            },
            Kind::Call(call) => Kind::Call(Box::new(Call {
                arguments: call
                    .arguments
                    .iter()
                    .map(|arg| self.expression(arg))
                    .collect(),
                ..(**call).clone()
            })),
            Kind::Not(of) => Kind::Not(self.boxed(of)),
            Kind::Negative(of) => Kind::Negative(self.boxed(of)),
            Kind::Binary(operator, sides) => {
                let [left, right] = &**sides;
                let left = self.expression(left);
                match (operator, &left.kind) {
                    // The other side is never asked, and may have no value.
                    (Operator::And, Kind::Bool(false)) | (Operator::Or, Kind::Bool(true)) => {
                        return left;
                    }
                    _ => Kind::Binary(*operator, Box::new([left, self.expression(right)])),
                }
            }
            Kind::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                let condition = self.expression(condition);
                match condition.kind {
                    Kind::Bool(true) => return self.expression(then),
                    Kind::Bool(false) => return self.expression(otherwise),
                    _ => Kind::Conditional(Box::new([
                        condition,
                        self.expression(then),
                        self.expression(otherwise),
                    ])),
                }
            }
            Kind::For(each) => self.for_expression(each),
            other => other.clone(),
        };
        let rest = Expression { span, kind };
        // What was asked of the response may be gone.
        match self.waits(&rest) {
            true => rest,
            false => self.constant(&rest),
        }
    }

    fn boxed(&mut self, expression: &Expression) -> Box<Expression> {
        Box::new(self.expression(expression))
    }

    /// Expressions that may have no value; `None` if one has none whatever the response is.
    fn trial(&mut self, expressions: &[Expression]) -> Option<Vec<Expression>> {
        let before = self.problems.len();
        let folded = expressions.iter().map(|inner| self.expression(inner));
        let folded: Vec<Expression> = folded.collect();
        // What must not be told is no matter of trying, nor is a slip: a name that nobody
        // declared, or a call that nobody can make.
        let told = |problem: &Problem| {
            !matches!(
                problem.code,
                Code::SensitiveMisplaced
                    | Code::SecretMisplaced
                    | Code::TooMuchWork
                    | Code::UnknownReference
                    | Code::UnknownFunction
                    | Code::WrongArguments
            )
        };
        let found = self.problems.get(before..).unwrap_or_default();
        if found.is_empty() || !found.iter().all(told) {
            return Some(folded);
        }
        self.problems.truncate(before);
        None
    }

    fn first_that_works(&mut self, call: &Call, span: Span) -> Kind {
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            let folded = self.trial(std::slice::from_ref(argument));
            let works = folded.is_some() && !self.waits(argument);
            arguments.extend(folded.unwrap_or_default());
            if works {
                break;
            }
        }
        if arguments.is_empty() {
            let message = "`try`: none of the expressions has a value";
            self.problems
                .push(Problem::new(Code::FunctionFailed, span, message));
        }
        if let [_only] = arguments.as_slice() {
            return arguments.swap_remove(0).kind;
        }
        Kind::Call(Box::new(Call {
            arguments,
            ..call.clone()
        }))
    }

    fn for_expression(&mut self, each: &For) -> Kind {
        let before = self.bound.len();
        let intro = self.intro(&each.intro);
        let made = For {
            intro,
            key: each.key.as_ref().map(|key| self.expression(key)),
            value: self.expression(&each.value),
            condition: each.condition.as_ref().map(|cond| self.expression(cond)),
            grouping: each.grouping,
        };
        self.bound.truncate(before);
        Kind::For(Box::new(made))
    }

    /// An intro, whose names are bound from here on.
    fn intro(&mut self, intro: &Intro) -> Intro {
        let collection = self.expression(&intro.collection);
        self.bound.extend(intro.key.clone());
        self.bound.push(Arc::clone(&intro.value));
        Intro {
            collection,
            ..intro.clone()
        }
    }

    fn parts(&mut self, parts: &[Part]) -> Vec<Part> {
        let part = |part: &Part| match part {
            Part::Text(text) => Part::Text(Arc::clone(text)),
            Part::Value(value) => Part::Value(self.expression(value)),
            Part::If(condition, then, otherwise) => Part::If(
                self.expression(condition),
                self.parts(then),
                self.parts(otherwise),
            ),
            Part::For(intro, inner) => {
                let before = self.bound.len();
                let intro = self.intro(intro);
                let inner = self.parts(inner);
                self.bound.truncate(before);
                Part::For(intro, inner)
            }
        };
        parts.iter().map(part).collect()
    }

    fn constant(&mut self, expression: &Expression) -> Expression {
        let span = expression.span;
        let mut evaluator = Evaluator::new(self.scope);
        let node = evaluator.evaluate_whole(expression);
        let sensitive = evaluator.sensitive;
        self.problems.append(&mut evaluator.problems);
        if sensitive {
            let message =
                "a sensitive variable would be stored with the check for everyone to read";
            self.problems
                .push(Problem::new(Code::SensitiveMisplaced, span, message));
            return Expression::invalid(span);
        }
        let literal = self.literal(&node, span);
        if literal.is_none() {
            self.known = Known::No;
        }
        literal.unwrap_or_else(|| expression.clone())
    }

    /// A value written out; `None` if it is not known.
    fn literal(&mut self, node: &Node, span: Span) -> Option<Expression> {
        let kind = match &node.value {
            Value::Null => Kind::Null,
            Value::Bool(truth) => Kind::Bool(*truth),
            Value::Integer(number) => Kind::Integer(*number),
            Value::Float(number) => Kind::Float(*number),
            Value::String(text) => Kind::String(Arc::clone(text)),
            Value::List(items) => {
                let items = items.iter().map(|item| self.literal(item, span));
                Kind::List(items.collect::<Option<_>>()?)
            }
            Value::Set(items) => {
                let items = items.iter().map(|item| self.literal(item, span));
                let list = Kind::List(items.collect::<Option<_>>()?);
                Kind::Call(Box::new(Call {
                    name: "toset".to_owned(),
                    at: span,
                    arguments: vec![Expression { span, kind: list }],
                    expand: false,
                }))
            }
            Value::Object(object) => {
                let entries = object.entries().iter().map(|(key, value)| {
                    let kind = Kind::String(Arc::clone(&key.text));
                    Some((Expression { span, kind }, self.literal(value, span)?))
                });
                Kind::Object(entries.collect::<Option<_>>()?)
            }
            Value::Secret(_) => {
                let message = "a condition cannot look at a secret";
                self.problems
                    .push(Problem::new(Code::SecretMisplaced, span, message));
                Kind::Invalid
            }
            Value::Reference(_) => {
                let message = "a condition cannot look at a receiver, template or check";
                self.problems
                    .push(Problem::new(Code::Misplaced, span, message));
                Kind::Invalid
            }
            Value::Unknown(_) => return None,
            Value::Invalid => Kind::Invalid,
        };
        Some(Expression { span, kind })
    }
}
