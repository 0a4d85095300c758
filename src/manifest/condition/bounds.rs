//! What the numbers of a response can be where a condition holds: intervals of its status and its
//! latencies. What is not understood leaves all of them possible, so that whatever is said to
//! be impossible is.

use super::judge::Condition;
use super::print;
use crate::manifest::ast::{Call, Expression, Kind, Operator};
use crate::model::check::StatusRange;

/// A number of a response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Quantity {
    /// 100 to 599, whole (RFC 9110, section 15).
    Status,
    /// Seconds from 0 to less than the probe's timeout.
    Latency(Phase),
}

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Phase {
    Dns,
    Connect,
    Tls,
    FirstByte,
    Total,
}

impl Quantity {
    /// What an expression asks for, if it is one of them.
    fn of(expression: &Expression) -> Option<Self> {
        let path = expression.path()?;
        let names: Vec<&str> = path.iter().map(|name| &**name).collect();
        Some(match names.as_slice() {
            ["response", "status"] => Self::Status,
            ["response", "latency", phase] => Self::Latency(match *phase {
                "dns" => Phase::Dns,
                "connect" => Phase::Connect,
                "tls" => Phase::Tls,
                "first_byte" => Phase::FirstByte,
                "total" => Phase::Total,
                _ => return None,
            }),
            _ => return None,
        })
    }
}

/// Closed intervals, ascending and apart.
type Intervals = Vec<(f64, f64)>;

fn both_in(a: &[(f64, f64)], b: &[(f64, f64)]) -> Intervals {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    let common = pairs.map(|(a, b)| (a.0.max(b.0), a.1.min(b.1)));
    common.filter(|(from, to)| from <= to).collect()
}

fn either_in(a: &[(f64, f64)], b: &[(f64, f64)]) -> Intervals {
    let mut all: Intervals = a.iter().chain(b).copied().collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Intervals = Vec::with_capacity(all.len());
    for (from, to) in all {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// The numbers that compare like this with a bound, and the others.
fn compared(operator: Operator, bound: f64) -> Option<(Intervals, Intervals)> {
    let (least, most) = (f64::NEG_INFINITY, f64::INFINITY);
    let below = vec![(least, bound.next_down())];
    let above = vec![(bound.next_up(), most)];
    let (at_most, at_least) = (vec![(least, bound)], vec![(bound, most)]);
    let beside = || vec![(least, bound.next_down()), (bound.next_up(), most)];
    Some(match operator {
        Operator::Less => (below, at_least),
        Operator::LessOrEqual => (at_most, above),
        Operator::Greater => (above, at_most),
        Operator::GreaterOrEqual => (at_least, below),
        Operator::Equal => (vec![(bound, bound)], beside()),
        Operator::NotEqual => (beside(), vec![(bound, bound)]),
        _ => return None,
    })
}

/// What the numbers can be; one that is not named can be all that it ever is.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Seconds.
    timeout: f64,
    known: Vec<(Quantity, Intervals)>,
}

impl Bounds {
    /// Of any response that comes within a timeout, in seconds.
    pub(crate) fn of_probe(timeout: f64) -> Self {
        let known = Vec::new();
        Self { timeout, known }
    }

    /// Those in which the status is in one of these ranges; `None` if there are none.
    pub(crate) fn with_status(self, ranges: &[StatusRange]) -> Option<Self> {
        let interval = |range: &StatusRange| (f64::from(range.from()), f64::from(range.to()));
        let all = ranges
            .iter()
            .fold(Vec::new(), |all, range| either_in(&all, &[interval(range)]));
        self.narrowed(Quantity::Status, &all)
    }

    /// Those in which the status is none of these.
    pub(crate) fn without_statuses(self, codes: &[u16]) -> Self {
        let others = |bounds: Self, code: &u16| {
            let (_, beside) = compared(Operator::Equal, f64::from(*code))?;
            bounds.narrowed(Quantity::Status, &beside)
        };
        let all = self.clone();
        codes.iter().try_fold(self, others).unwrap_or(all)
    }

    /// Whether the status can be this one.
    pub(crate) fn has_status(&self, code: u16) -> bool {
        let code = [(f64::from(code), f64::from(code))];
        self.clone().narrowed(Quantity::Status, &code).is_some()
    }

    /// Those in which the whole probe takes at most so many seconds.
    pub(crate) fn with_latency(self, most: f64) -> Option<Self> {
        self.narrowed(Quantity::Latency(Phase::Total), &[(0.0, most)])
    }

    /// Those that are in both; `None` if there are none.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for (quantity, intervals) in &other.known {
            both = both.narrowed(*quantity, intervals)?;
        }
        Some(both)
    }

    fn or(self, other: Self) -> Self {
        let mut known = self.known;
        known.retain_mut(|(quantity, intervals)| {
            let mut found = other.known.iter().filter(|(it, _)| it == quantity);
            let theirs = found.next();
            if let Some((_, theirs)) = theirs {
                *intervals = either_in(intervals, theirs);
            }
            theirs.is_some()
        });
        Self { known, ..self }
    }

    fn narrowed(mut self, quantity: Quantity, to: &[(f64, f64)]) -> Option<Self> {
        let at = self.known.iter().position(|(it, _)| *it == quantity);
        let mut now = match at {
            Some(at) => both_in(&self.known[at].1, to),
            None => both_in(&[self.all(quantity)], to),
        };
        if quantity == Quantity::Status {
            let whole = now.iter().map(|(from, to)| (from.ceil(), to.floor()));
            now = whole.filter(|(from, to)| from <= to).collect();
        }
        if now.is_empty() {
            return None;
        }
        match at {
            Some(at) => self.known[at].1 = now,
            None => self.known.push((quantity, now)),
        }
        Some(self)
    }

    fn all(&self, quantity: Quantity) -> (f64, f64) {
        match quantity {
            Quantity::Status => (100.0, 599.0),
            Quantity::Latency(_) => (0.0, self.timeout.next_down()),
        }
    }
}

impl Condition {
    /// Those of the responses for which it may hold; `None` if it holds for none of them.
    pub(crate) fn where_it_holds(&self, bounds: &Bounds) -> Option<Bounds> {
        split(self.expression(), Some(bounds.clone())).0
    }

    /// The parts that must hold, and always do by the bounds of a latency, as they are written.
    /// One over the status says at least that any will do.
    pub(crate) fn idle(&self, bounds: &Bounds) -> Vec<String> {
        let mut idle = Vec::new();
        idle_parts(self.expression(), bounds, &mut idle);
        idle
    }

    /// The quantities that it looks at.
    pub(crate) fn quantities(&self) -> Vec<Quantity> {
        let mut found = Vec::new();
        quantities(self.expression(), &mut found);
        found
    }
}

fn quantities(expression: &Expression, found: &mut Vec<Quantity>) {
    match Quantity::of(expression) {
        Some(quantity) if found.contains(&quantity) => {}
        Some(quantity) => found.push(quantity),
        None => crate::manifest::references::children(expression, &mut |inner| {
            quantities(inner, found);
        }),
    }
}

fn idle_parts(expression: &Expression, bounds: &Bounds, idle: &mut Vec<String>) {
    let Kind::Binary(operator, sides) = &expression.kind else {
        return;
    };
    if *operator == Operator::And {
        return sides.iter().for_each(|side| idle_parts(side, bounds, idle));
    }
    let Some((Quantity::Latency(_), operator, Bound::Number(bound))) = comparison(expression)
    else {
        return;
    };
    let upper = matches!(operator, Operator::Less | Operator::LessOrEqual);
    if upper && bound > 0.0 && split(expression, Some(bounds.clone())).1.is_none() {
        idle.push(print::text(expression));
    }
}

/// What a quantity is compared with.
enum Bound {
    Number(f64),
    /// Something that is no number: it is never equal.
    Other,
}

/// A quantity, how it is compared and with what, with the quantity on the left.
fn comparison(expression: &Expression) -> Option<(Quantity, Operator, Bound)> {
    let Kind::Binary(operator, sides) = &expression.kind else {
        return None;
    };
    let [left, right] = &**sides;
    if let (Some(quantity), Some(bound)) = (Quantity::of(left), bound(right)) {
        return Some((quantity, *operator, bound));
    }
    let turned = match operator {
        Operator::Less => Operator::Greater,
        Operator::LessOrEqual => Operator::GreaterOrEqual,
        Operator::Greater => Operator::Less,
        Operator::GreaterOrEqual => Operator::LessOrEqual,
        operator => *operator,
    };
    Some((Quantity::of(right)?, turned, bound(left)?))
}

fn bound(expression: &Expression) -> Option<Bound> {
    match &expression.kind {
        Kind::String(_) | Kind::Bool(_) | Kind::Null | Kind::List(_) => Some(Bound::Other),
        _ => number(expression).map(Bound::Number),
    }
}

fn number(expression: &Expression) -> Option<f64> {
    match &expression.kind {
        Kind::Integer(number) => Some(*number as f64),
        Kind::Float(number) => Some(*number),
        Kind::Negative(of) => number(of).map(|number| -number),
        _ => None,
    }
}

/// Where an expression may be true, and where false, within bounds. `None` is nowhere.
fn split(expression: &Expression, within: Option<Bounds>) -> (Option<Bounds>, Option<Bounds>) {
    let Some(bounds) = within else {
        return (None, None);
    };
    match &expression.kind {
        Kind::Bool(true) => (Some(bounds), None),
        Kind::Bool(false) => (None, Some(bounds)),
        Kind::Not(of) => {
            let (holds, fails) = split(of, Some(bounds));
            (fails, holds)
        }
        Kind::Binary(Operator::And, sides) => {
            let (left, fails) = split(&sides[0], Some(bounds));
            let (holds, right) = split(&sides[1], left);
            (holds, either(fails, right))
        }
        Kind::Binary(Operator::Or, sides) => {
            let (holds, left) = split(&sides[0], Some(bounds));
            let (right, fails) = split(&sides[1], left);
            (either(holds, right), fails)
        }
        Kind::Conditional(parts) => {
            let (then, otherwise) = split(&parts[0], Some(bounds));
            let (then, otherwise) = (split(&parts[1], then), split(&parts[2], otherwise));
            (either(then.0, otherwise.0), either(then.1, otherwise.1))
        }
        Kind::Binary(..) => match comparison(expression) {
            Some((quantity, operator, Bound::Number(bound))) => match compared(operator, bound) {
                Some((holds, fails)) => (
                    bounds.clone().narrowed(quantity, &holds),
                    bounds.narrowed(quantity, &fails),
                ),
                None => (Some(bounds.clone()), Some(bounds)),
            },
            Some((_, Operator::Equal, Bound::Other)) => (None, Some(bounds)),
            Some((_, Operator::NotEqual, Bound::Other)) => (Some(bounds), None),
            _ => (Some(bounds.clone()), Some(bounds)),
        },
        Kind::Call(call) => match one_of(call) {
            Some((quantity, holds)) => (
                bounds.clone().narrowed(quantity, &holds),
                // What is left over is hardly ever nothing.
                Some(bounds),
            ),
            None => (Some(bounds.clone()), Some(bounds)),
        },
        _ => (Some(bounds.clone()), Some(bounds)),
    }
}

fn either(a: Option<Bounds>, b: Option<Bounds>) -> Option<Bounds> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.or(b)),
        (a, b) => a.or(b),
    }
}

/// `contains([200, 204], response.status)`, with the numbers of the list: a text in it is none.
fn one_of(call: &Call) -> Option<(Quantity, Intervals)> {
    let [list, value] = call.arguments.as_slice() else {
        return None;
    };
    let (Kind::List(items), "contains", false) = (&list.kind, call.name.as_str(), call.expand)
    else {
        return None;
    };
    let mut all = Vec::new();
    for item in items {
        if let Bound::Number(number) = bound(item)? {
            all = either_in(&all, &[(number, number)]);
        }
    }
    Some((Quantity::of(value)?, all))
}
