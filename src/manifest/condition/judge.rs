//! Conditions judged: by the same evaluator as in the files, with a response and a bound.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::print;
use crate::manifest::ast::{Expression, Item, Kind};
use crate::manifest::eval::Evaluator;
use crate::manifest::eval::convert;
use crate::manifest::eval::functions;
use crate::manifest::eval::scope::{Closed, Place, Root, Scope, Work, response_type};
use crate::manifest::eval::show::shown;
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::parse::{Part, parse};
use crate::manifest::references::children;
use crate::manifest::scan::scan;
use crate::manifest::source::Span;

/// How much judging one condition may cost.
const MAX_STEPS: u32 = 100_000;
/// How many of the values that went in are told.
const MOST_VALUES: usize = 4;

const NOWHERE: Span = Span {
    file: 0,
    start: 0,
    end: 0,
};

/// How long each phase of a probe took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    pub dns: Duration,
    pub connect: Duration,
    pub tls: Duration,
    pub first_byte: Duration,
    pub total: Duration,
}

/// What is known of a response.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'r> {
    pub status: u16,
    /// Names in any case; a name may stand more than once.
    pub headers: &'r [(String, String)],
    pub body: &'r [u8],
    pub latency: Latency,
    /// The end and the issuer of the certificate that was shown, and now.
    pub certificate: Option<(OffsetDateTime, &'r str, OffsetDateTime)>,
    /// Where it came from, after redirects.
    pub url: &'r str,
    pub http_version: &'r str,
}

/// A condition or its message, ready to be judged.
#[derive(Clone, Debug)]
pub struct Condition {
    expression: Expression,
}

/// What a condition comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Holds,
    /// It does not, or it cannot be said; why.
    Broken(String),
}

/// A text that is no condition: it did not come from the language.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a condition: {0}")]
pub struct Unreadable(String);

impl Condition {
    /// Reads what the language has folded.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let source = format!("condition = {text}\n");
        if let Some(fault) = scan(&source, &[]).faults.first() {
            return Err(Unreadable(fault.message.clone()));
        }
        let part = Part {
            kind: String::new(),
            range: 0..source.len(),
        };
        let (parsed, _lost) = parse(0, &source, &part);
        if let Some(problem) = parsed.problems.first() {
            return Err(Unreadable(problem.message.clone()));
        }
        match parsed.body.items.into_iter().next() {
            Some(Item::Attribute(attribute)) => Ok(Self {
                expression: attribute.value,
            }),
            _ => Err(Unreadable("no expression".to_owned())),
        }
    }

    pub(crate) fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Whether it looks at the body, which is kept only then.
    pub fn wants_body(&self) -> bool {
        mentions(&self.expression, &["body", "json"])
    }

    /// What it comes to whatever the response is; `None` if that depends on it.
    pub(crate) fn always(&self) -> Option<bool> {
        let unknown = Value::Unknown(response_type());
        let (value, _) = evaluate(&self.expression, unknown);
        convert::truth(&value)
    }

    /// The verdict on a response. `message` says what is wrong if it does not hold.
    pub fn judge(&self, message: Option<&Self>, facts: &Facts<'_>) -> Verdict {
        let (response, no_json) = self.response(message, facts);
        let (value, why) = evaluate(&self.expression, response.clone());
        let broken = match (convert::truth(&value), why) {
            (Some(true), _) => return Verdict::Holds,
            (Some(false), _) => String::new(),
            (None, Some(why)) => why,
            (None, None) => format!("it comes to {}", value.kind()),
        };
        let said = message.and_then(|message| {
            let (value, _) = evaluate(&message.expression, response.clone());
            convert::text(&value)
        });
        let mut told = match said {
            Some(said) => said.to_string(),
            None => self.told(&response),
        };
        for more in [broken, no_json.unwrap_or_default()] {
            if !more.is_empty() {
                told = format!("{told} ({more})");
            }
        }
        Verdict::Broken(told)
    }

    /// The condition and the values that went in.
    fn told(&self, response: &Value) -> String {
        let mut paths = Vec::new();
        longest_paths(&self.expression, &mut paths);
        let mut values: Vec<String> = Vec::new();
        for path in paths {
            let (value, _) = evaluate(path, response.clone());
            let told = format!("{} = {}", print::text(path), shown(&value));
            if !matches!(value, Value::Invalid) && !values.contains(&told) {
                values.push(told);
            }
        }
        values.truncate(MOST_VALUES);
        let text = convert::cut(&print::text(&self.expression));
        match values.is_empty() {
            true => text,
            false => format!("{text}, where {}", values.join(", ")),
        }
    }

    /// The response as a value, and why its body is not JSON if that matters.
    fn response(&self, message: Option<&Self>, facts: &Facts<'_>) -> (Value, Option<String>) {
        let expressions = || [Some(self), message].into_iter().flatten();
        let wants = |name| expressions().any(|one| mentions(&one.expression, &[name]));
        let seconds = |duration: Duration| Value::number(duration.as_secs_f64());
        let latency = Value::object(
            [
                ("dns", facts.latency.dns),
                ("connect", facts.latency.connect),
                ("tls", facts.latency.tls),
                ("first_byte", facts.latency.first_byte),
                ("total", facts.latency.total),
            ]
            .map(|(name, took)| (name, seconds(took))),
            NOWHERE,
        );
        let body = match wants("body") || wants("json") {
            true => String::from_utf8_lossy(facts.body).into_owned(),
            false => String::new(),
        };
        let (json, no_json) = match wants("json") {
            true => match json(&body) {
                Ok(value) => (value, None),
                Err(why) => (Value::Null, Some(why)),
            },
            false => (Value::Null, None),
        };
        let certificate = match facts.certificate {
            None => Value::Null,
            Some((ends, issuer, now)) => Value::object(
                [
                    (
                        "not_after",
                        Value::string(ends.format(&Rfc3339).unwrap_or_default()),
                    ),
                    (
                        "days_left",
                        Value::number((ends - now).as_seconds_f64() / 86_400.0),
                    ),
                    ("issuer", Value::string(issuer)),
                ],
                NOWHERE,
            ),
        };
        let response = Value::object(
            [
                ("status", Value::Integer(i64::from(facts.status))),
                ("headers", headers(facts.headers)),
                ("body", Value::string(body)),
                ("json", json),
                ("latency", latency),
                ("cert", certificate),
                ("url", Value::string(facts.url)),
                ("http_version", Value::string(facts.http_version)),
            ],
            NOWHERE,
        );
        (response, no_json)
    }
}

/// Headers by their names in lower case; values of the same name are joined by `, `, as
/// RFC 9110, section 5.3 has it.
fn headers(headers: &[(String, String)]) -> Value {
    let mut joined: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for (name, value) in headers {
        joined
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(value);
            })
            .or_insert_with(|| value.clone());
    }
    Value::object(
        joined
            .into_iter()
            .map(|(name, value)| (name, Value::string(value))),
        NOWHERE,
    )
}

fn json(body: &str) -> Result<Value, String> {
    let text = Node {
        span: NOWHERE,
        value: Value::string(body),
    };
    match functions::function("jsondecode") {
        Some(decode) => functions::call(decode, &[text], NOWHERE)
            .map_err(|failure| format!("the body is not JSON: {}", failure.message)),
        None => Err("there is no jsondecode".to_owned()),
    }
}

/// The value of an expression over a response, and the first problem.
fn evaluate(expression: &Expression, response: Value) -> (Value, Option<String>) {
    let scope = Scope {
        roots: vec![("response", Root::Value(response))],
        place: Place::Condition,
        doors: &Closed,
        work: &Work::endless(),
    };
    let mut evaluator = Evaluator::new(&scope).bounded(MAX_STEPS);
    let node = evaluator.evaluate_whole(expression);
    let problems = std::mem::take(&mut evaluator.problems);
    let message = problems.into_iter().next().map(|problem| problem.message);
    (node.value, message)
}

/// Whether an expression asks for one of these of the response, or for all of it.
fn mentions(expression: &Expression, names: &[&str]) -> bool {
    match &expression.kind {
        Kind::Attribute(of, name) if is_response(of) => names.contains(&&**name),
        Kind::Variable(_) => is_response(expression),
        _ => {
            let mut found = false;
            children(expression, &mut |inner| {
                found = found || mentions(inner, names)
            });
            found
        }
    }
}

fn is_response(expression: &Expression) -> bool {
    matches!(&expression.kind, Kind::Variable(name) if **name == *"response")
}

/// The ways into the response, as far as they are written.
fn longest_paths<'e>(expression: &'e Expression, paths: &mut Vec<&'e Expression>) {
    let mut inner = expression;
    while let Kind::Attribute(of, _) | Kind::Index(of, _) = &inner.kind {
        inner = of;
    }
    let is_path = !std::ptr::eq(inner, expression) && is_response(inner);
    if is_path {
        return paths.push(expression);
    }
    each_child(expression, paths);
}

fn each_child<'e>(expression: &'e Expression, paths: &mut Vec<&'e Expression>) {
    match &expression.kind {
        Kind::Binary(_, sides) => sides.iter().for_each(|side| longest_paths(side, paths)),
        Kind::Conditional(parts) => parts.iter().for_each(|part| longest_paths(part, paths)),
        Kind::Not(of) | Kind::Negative(of) | Kind::Attribute(of, _) => longest_paths(of, paths),
        Kind::Index(of, at) => {
            longest_paths(of, paths);
            longest_paths(at, paths);
        }
        Kind::Call(call) => call
            .arguments
            .iter()
            .for_each(|arg| longest_paths(arg, paths)),
        _ => {}
    }
}
