//! Conditions over a response: folded where they are declared, judged where it is known.
//! What does not hang on the response becomes a literal, so that what is left is complete in
//! itself: a text in the notation of the files, equal for equal meaning.

mod bounds;
mod judge;
mod print;
mod residual;

pub(super) use bounds::{Bounds, Quantity};
pub use judge::{Condition, Facts, Latency, Verdict};
use residual::Known;

use crate::manifest::ast::{Expression, Kind};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::Evaluator;
use crate::manifest::eval::convert;
use crate::manifest::eval::scope::{Closed, Place, Root, Scope, response_type};
use crate::manifest::eval::show::with_values;
use crate::manifest::eval::typing::{self, Type};
use crate::manifest::eval::value::Value;
use crate::manifest::references::children;
use crate::model::check::CheckSpec;

/// How often an expression is folded again.
const MAX_ROUNDS: u32 = 8;

/// What an expression over the response is to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// True or false.
    Truth,
    Text,
}

impl Shape {
    /// The shape of rows of this kind, if they are about the response.
    pub fn of(kind: &str) -> Option<Self> {
        match kind {
            "condition" => Some(Self::Truth),
            "string about the response" => Some(Self::Text),
            _ => None,
        }
    }
}

/// The text of an expression over the response, with everything else worked in; `None` while
/// that hangs on a variable that has no value; or what is wrong with it.
pub(super) fn fold(
    expression: &Expression,
    shape: Shape,
    scope: &Scope<'_>,
) -> Result<Option<String>, Vec<Problem>> {
    let mut problems = Vec::new();
    let response = ("response", Root::Value(Value::Unknown(response_type())));
    let others = || scope.roots.iter().filter(|(name, _)| *name != "response");
    let around = Scope {
        roots: others().cloned().chain([response.clone()]).collect(),
        ..*scope
    };
    let (mut residual, mut known) = residual::residual(expression, &around, &mut problems);
    // What became a constant may leave more that no longer hangs on the response.
    for _again in 0..MAX_ROUNDS {
        let (next, still) = residual::residual(&residual, &around, &mut problems);
        let settled = print::text(&next) == print::text(&residual);
        (residual, known) = (next, still);
        if settled || !problems.is_empty() {
            break;
        }
    }
    if !problems.is_empty() {
        let told = |problem| with_values(problem, expression, scope);
        return Err(problems.into_iter().map(told).collect());
    }
    let mut roots = vec![response];
    if known == Known::No {
        // What could not be worked in still stands there by its name.
        roots.extend(others().cloned());
    }
    let inside = Scope {
        roots,
        place: Place::Condition,
        doors: &Closed,
        work: scope.work,
    };
    let mut evaluator = Evaluator::new(&inside);
    let node = evaluator.evaluate_whole(&residual);
    problems.append(&mut evaluator.problems);
    let wanted = match shape {
        Shape::Truth => Type::Bool,
        Shape::Text => Type::String,
    };
    let of = typing::type_of(&node.value);
    // A text that says "true" is a condition that somebody put into quotes.
    let is_text = shape == Shape::Truth && of == Type::String;
    let fits = typing::fits(&of, &wanted)
        && !is_text
        && !matches!(
            node.value,
            Value::Null | Value::Secret(_) | Value::Reference(_)
        );
    if !matches!(node.value, Value::Invalid) && !fits {
        let wanted = match shape {
            Shape::Truth => "true or false",
            Shape::Text => "a string",
        };
        let message = format!("wanted {wanted}, found {}", node.value.kind());
        let problem = Problem::new(Code::WrongType, expression.span, message);
        let hint = is_text.then(|| "a condition stands without quotes".to_owned());
        problems.push(problem.maybe_hint(hint));
    }
    if shape == Shape::Truth && problems.is_empty() {
        branches(&residual, &inside, &mut problems);
    }
    patterns(&residual, &mut problems);
    let text = print::text(&residual);
    let most = CheckSpec::MAX_EXPRESSION;
    if text.len() > most {
        let message = format!("longer than {most} bytes with its values worked in");
        problems.push(Problem::new(Code::TooMuchWork, expression.span, message));
    }
    match problems.is_empty() {
        true => Ok((known == Known::Yes).then_some(text)),
        false => Err(problems),
    }
}

/// Tells what a choice could come to that is neither true nor false.
fn branches(expression: &Expression, scope: &Scope<'_>, problems: &mut Vec<Problem>) {
    let Kind::Conditional(parts) = &expression.kind else {
        return;
    };
    for part in &parts[1..] {
        if matches!(part.kind, Kind::Conditional(_)) {
            branches(part, scope, problems);
            continue;
        }
        let value = Evaluator::new(scope).evaluate_whole(part).value;
        let of = typing::type_of(&value);
        if !typing::fits(&of, &Type::Bool) || of == Type::String && convert::truth(&value).is_none()
        {
            let message = format!("wanted true or false, found {}", value.kind());
            problems.push(Problem::new(Code::WrongType, part.span, message));
        }
    }
}

/// Tells regular expressions that no response could be matched with.
fn patterns(expression: &Expression, problems: &mut Vec<Problem>) {
    if let Kind::Call(call) = &expression.kind
        && let "regex" | "regexall" = call.name.as_str()
        && let Some(Expression {
            span,
            kind: Kind::String(pattern),
        }) = call.arguments.first()
        && let Err(error) = regex::Regex::new(pattern)
    {
        let words = error.to_string();
        let why = words
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let message = format!("not a regular expression: {why}");
        problems.push(Problem::new(Code::InvalidPattern, *span, message));
    }
    children(expression, &mut |inner| patterns(inner, problems));
}
