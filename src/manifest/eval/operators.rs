//! Operators and the conditional. Arithmetic is checked; `&&` and `||` stop early.

use std::cmp::Ordering;

use super::typing::{self, Type};
use super::value::{Node, Value};
use super::{Evaluator, convert, decimal, equality};
use crate::manifest::ast::{Expression, Operator};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::source::Span;
use crate::model::duration;

/// A number as it is calculated with.
#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Integer(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl Evaluator<'_> {
    pub(super) fn not(&mut self, of: &Expression) -> Value {
        let node = self.evaluate(of);
        match self.truth(&node, "`!`") {
            Some(truth) => Value::Bool(!truth),
            None => undecided(&node.value, Type::Bool),
        }
    }

    pub(super) fn negative(&mut self, of: &Expression) -> Value {
        let node = self.evaluate(of);
        match self.number(&node, "`-`") {
            Some(Number::Integer(number)) => match number.checked_neg() {
                Some(number) => Value::Integer(number),
                None => self.refuse(Code::Arithmetic, of.span, "this number is too large"),
            },
            Some(Number::Float(number)) => Value::Float(-number),
            None => undecided(&node.value, Type::Number),
        }
    }

    /// The truth of a condition; `None` if it is not known or no truth.
    pub(super) fn truth(&mut self, node: &Node, of: &str) -> Option<bool> {
        match &node.value {
            Value::Bool(truth) => Some(*truth),
            Value::Invalid | Value::Unknown(Type::Bool | Type::Any | Type::String) => None,
            other => {
                if let Some(truth) = convert::truth(other) {
                    return Some(truth);
                }
                let message = format!("{of} wants true or false, found {}", other.kind());
                self.refuse(Code::WrongOperand, node.span, message);
                None
            }
        }
    }

    fn number(&mut self, node: &Node, of: &str) -> Option<Number> {
        match &node.value {
            Value::Integer(number) => Some(Number::Integer(*number)),
            Value::Float(number) => Some(Number::Float(*number)),
            Value::Invalid | Value::Unknown(Type::Number | Type::Any | Type::String) => None,
            other => {
                match convert::number(other) {
                    Some(Value::Integer(number)) => return Some(Number::Integer(number)),
                    Some(Value::Float(number)) => return Some(Number::Float(number)),
                    _ => {}
                }
                let message = format!("{of} wants a number, found {}", other.kind());
                let problem = Problem::new(Code::WrongOperand, node.span, message);
                let hint = match other {
                    Value::String(_) | Value::Secret(_) if of == "`+`" => {
                        Some("texts are put together in a string: \"${a}${b}\"".to_owned())
                    }
                    Value::String(text) if text.len() < 20 => {
                        duration::milliseconds(text).map(|milliseconds| {
                            let seconds = Value::number(milliseconds as f64 / 1000.0);
                            let seconds = convert::text(&seconds).unwrap_or_default();
                            format!("a time is a number of seconds here: {seconds}")
                        })
                    }
                    _ => None,
                };
                self.problem(problem.maybe_hint(hint));
                None
            }
        }
    }

    pub(super) fn binary(
        &mut self,
        operator: Operator,
        sides: &[Expression; 2],
        span: Span,
    ) -> Value {
        let [left, right] = sides;
        match operator {
            Operator::And => self.logic(left, right, false),
            Operator::Or => self.logic(left, right, true),
            Operator::Equal | Operator::NotEqual => {
                let (left, right) = (self.evaluate(left), self.evaluate(right));
                match self.equal(&left, &right) {
                    Some(equal) => Value::Bool(equal == (operator == Operator::Equal)),
                    None if self.unknown_between(&left, &right) => Value::Unknown(Type::Bool),
                    None => Value::Invalid,
                }
            }
            _ => self.calculate(operator, left, right, span),
        }
    }

    /// `||` for `decisive` true, `&&` for false: a side of that truth decides, the left one
    /// without a look at the right one.
    fn logic(&mut self, left: &Expression, right: &Expression, decisive: bool) -> Value {
        let name = if decisive { "`||`" } else { "`&&`" };
        let left = self.evaluate(left);
        let first = self.truth(&left, name);
        if first == Some(decisive) {
            return Value::Bool(decisive);
        }
        let before = self.problems.len();
        let right = self.evaluate(right);
        let second = self.truth(&right, name);
        let exhausted = self.exhausted;
        // What is neither known nor unknown is no truth at all, and was told.
        let wrong = first.is_none() && !matches!(left.value, Value::Unknown(_));
        match (first, second) {
            (Some(_), Some(truth)) => Value::Bool(truth),
            _ if wrong => Value::Invalid,
            (None, Some(truth)) if truth == decisive => Value::Bool(decisive),
            // What the left side may keep from being asked is no problem yet.
            (None, None) if convert::has_invalid(&right.value) && !exhausted => {
                self.problems.truncate(before);
                Value::Unknown(Type::Bool)
            }
            _ => undecided(&right.value, Type::Bool),
        }
    }

    /// Whether two values are equal; `None` if that is not known.
    fn equal(&mut self, left: &Node, right: &Node) -> Option<bool> {
        for side in [left, right] {
            if convert::has_invalid(&side.value) || self.too_large(side) {
                return None;
            }
            if matches!(side.value, Value::Secret(_)) {
                let message = "a secret's value is not known here, so it cannot be compared";
                self.refuse(Code::SecretMisplaced, side.span, message);
                return None;
            }
        }
        match (&left.value, &right.value) {
            (Value::Unknown(a), Value::Unknown(b)) => {
                may_be(a, b).then_some(()).map_or(Some(false), |()| None)
            }
            (Value::Unknown(of), known) | (known, Value::Unknown(of)) => {
                match may_be(of, &typing::type_of(known)) {
                    true => None,
                    false => Some(false),
                }
            }
            (a, b) if convert::has_unknown(a) || convert::has_unknown(b) => None,
            (a, b) => Some(a == b),
        }
    }

    /// Whether a comparison was left open because something is not known.
    fn unknown_between(&self, left: &Node, right: &Node) -> bool {
        [left, right].iter().all(|side| {
            !convert::has_invalid(&side.value)
                && !matches!(side.value, Value::Secret(_))
                && convert::size(&side.value).is_some()
        })
    }

    fn calculate(
        &mut self,
        operator: Operator,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) -> Value {
        let name = format!("`{}`", operator.sign());
        let (left, right) = (self.evaluate(left), self.evaluate(right));
        let (a, b) = (self.number(&left, &name), self.number(&right, &name));
        let compares = operator.precedence() == Operator::Less.precedence();
        let gives = if compares { Type::Bool } else { Type::Number };
        let divides = matches!(operator, Operator::Divide | Operator::Modulo);
        let divided = a.is_some() || matches!(left.value, Value::Unknown(_));
        if divides && divided && b.is_some_and(|b| b.float() == 0.0) {
            return self.refuse(Code::Arithmetic, right.span, "division by zero");
        }
        let (Some(a), Some(b)) = (a, b) else {
            let known = |node: &Node| {
                matches!(node.value, Value::Unknown(_)) || convert::number(&node.value).is_some()
            };
            return match known(&left) && known(&right) {
                true => Value::Unknown(gives),
                false => Value::Invalid,
            };
        };
        if compares {
            return Value::Bool(compare(operator, a, b));
        }
        match arithmetic(operator, a, b) {
            Some(value) => value,
            None => self.refuse(
                Code::Arithmetic,
                span,
                "the result is too large for a number",
            ),
        }
    }

    pub(super) fn conditional(&mut self, parts: &[Expression; 3]) -> Value {
        let [condition, then, otherwise] = parts;
        let node = self.evaluate(condition);
        match self.truth(&node, "a condition") {
            Some(true) => self.evaluate(then).value,
            Some(false) => self.evaluate(otherwise).value,
            None if matches!(node.value, Value::Unknown(_)) => {
                // Only one of them will be asked, and nobody knows which.
                let ((then, otherwise), _failed) =
                    self.trial(|this| (this.evaluate(then), this.evaluate(otherwise)));
                if self.too_large(&then) || self.too_large(&otherwise) {
                    return Value::Invalid;
                }
                let (a, b) = (
                    typing::type_of(&then.value),
                    typing::type_of(&otherwise.value),
                );
                match then.value == otherwise.value && !convert::has_unknown(&then.value) {
                    true => then.value,
                    false => Value::Unknown(if a == b { a } else { Type::Any }),
                }
            }
            None => Value::Invalid,
        }
    }
}

/// What comes of a value that could not be worked with.
fn undecided(value: &Value, gives: Type) -> Value {
    match value {
        Value::Unknown(_) => Value::Unknown(gives),
        _ => Value::Invalid,
    }
}

/// Whether values of these types can be equal.
fn may_be(a: &Type, b: &Type) -> bool {
    let kind = |of: &Type| match of {
        Type::Tuple(_) => Type::List(Box::new(Type::Any)).kind(),
        of => of.kind(),
    };
    *a == Type::Any || *b == Type::Any || kind(a) == kind(b)
}

fn compare(operator: Operator, a: Number, b: Number) -> bool {
    let order = match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
        (Number::Integer(a), Number::Float(b)) => equality::order(a, b),
        (Number::Float(a), Number::Integer(b)) => equality::order(b, a).map(Ordering::reverse),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
    };
    // Numbers are finite, so that there is an order.
    order.is_some_and(|order| match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// The result; `None` if no number can hold it.
fn arithmetic(operator: Operator, a: Number, b: Number) -> Option<Value> {
    if let (Number::Integer(a), Number::Integer(b)) = (a, b) {
        let whole = match operator {
            Operator::Plus => a.checked_add(b),
            Operator::Minus => a.checked_sub(b),
            Operator::Times => a.checked_mul(b),
            Operator::Modulo => Some(a.wrapping_rem(b)),
            Operator::Divide if a.wrapping_rem(b) == 0 => {
                return a.checked_div(b).map(Value::Integer);
            }
            _ => None,
        };
        if let Some(whole) = whole {
            return Some(Value::Integer(whole));
        }
        if operator != Operator::Divide {
            return None;
        }
    }
    let (a, b) = (a.float(), b.float());
    let result = decimal::calculated(operator, a, b).unwrap_or_else(|| match operator {
        Operator::Plus => a + b,
        Operator::Minus => a - b,
        Operator::Times => a * b,
        Operator::Divide => a / b,
        _ => a % b,
    });
    result.is_finite().then(|| Value::number(result))
}
