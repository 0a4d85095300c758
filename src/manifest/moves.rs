//! `moved`, `removed` and `import`: what a name has to do with an older one, checked against
//! what is declared. Whether it fits what is live is for whoever plans.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::ast::{Attribute, Block, Expression, Item, Kind};
use crate::manifest::attributes::moves::{IMPORT, MOVED, REMOVED};
use crate::manifest::declare::{declared_twice, unknown_attribute, unknown_block};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::expand::{instance, invalid_key};
use crate::manifest::source::{Sources, Span};
use crate::manifest::table;
use crate::model::desired::{Declared, Move, Removal, SourceLine};
use crate::model::name::{InvalidName, Name};
use crate::model::quoted::Quoted;

/// As many names of a circle are written out.
const MAX_SHOWN: usize = 10;

/// What the blocks say.
#[derive(Debug, Default)]
pub(super) struct Moves {
    pub(super) moves: Vec<Declared<Move>>,
}

/// Which addresses are declared: those of checks, with the names of those that have keys, and
/// those of receivers.
pub(super) struct Addresses<'a> {
    pub(super) declared: &'a BTreeSet<String>,
    /// Something could not be read, so that an address that is not there may be.
    pub(super) complete: bool,
}

/// Reads the blocks.
pub(super) fn moves(
    blocks: &[Block],
    addresses: &Addresses<'_>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> Moves {
    let mut found = Moves::default();
    let mut froms: BTreeMap<String, Span> = BTreeMap::new();
    let mut tos: BTreeMap<String, Span> = BTreeMap::new();
    let mut ids: BTreeMap<String, Span> = BTreeMap::new();
    let mut undeclared: Vec<(String, Span)> = Vec::new();
    let mut steps: BTreeMap<String, (String, Span)> = BTreeMap::new();
    let mut reads: Vec<(&Block, Read)> = Vec::new();
    for block in blocks {
        let schema = match block.kind.as_str() {
            "moved" => &MOVED,
            "removed" => &REMOVED,
            _ => &IMPORT,
        };
        reads.extend(read(block, schema, problems).map(|read| (block, read)));
    }
    let taken: BTreeSet<String> = reads
        .iter()
        .filter_map(|(_, read)| match read {
            Read::Moved(_, (to, _)) => Some(to.clone()),
            _ => None,
        })
        .collect();
    for (block, read) in reads {
        let before = problems.len();
        if let Some((from, span)) = read.from() {
            if let Some(first) = froms.insert(from.clone(), *span) {
                problems.push(declared_twice(
                    *span,
                    first,
                    format!("{from} goes two ways"),
                ));
            }
            if addresses.declared.contains(from) {
                let message = format!("{from} is still declared");
                let problem = Problem::new(Code::InvalidMove, *span, message);
                let changes_hands = matches!(read, Read::Moved(..)) && taken.contains(from);
                problems.push(problem.hint(match changes_hands {
                    // A block for it would mean something else each time that it is applied.
                    true => {
                        "checks that swap or pass on their names do it by way of a name that \
                         none of them has, in two applies"
                    }
                    false => "take its block away, or this one",
                }));
            }
        }
        if let Some((to, span)) = read.to() {
            if let Some(first) = tos.insert(to.clone(), *span) {
                problems.push(declared_twice(
                    *span,
                    first,
                    format!("two things become {to}"),
                ));
            }
            if addresses.complete && !addresses.declared.contains(to) {
                undeclared.push((to.clone(), *span));
            }
        }
        if let (Some((from, span)), Some((to, _))) = (read.from(), read.to())
            && (from == to || kind(from) != kind(to))
        {
            let message = match from == to {
                true => format!("{from} is moved to itself"),
                false => format!("{from} cannot become {to}: they are of two kinds"),
            };
            problems.push(Problem::new(Code::InvalidMove, *span, message));
        }
        if let Read::Import(id, (to, span)) = &read {
            if let Some(first) = ids.insert(id.to_ascii_lowercase(), *span) {
                let text = format!("{id} becomes two things");
                problems.push(declared_twice(*span, first, text));
            }
            let keys = format!("{to}[");
            let one = !addresses.declared.iter().any(|it| it.starts_with(&keys));
            let why = match kind(to) {
                Some("check") if one => None,
                Some("check") => Some(format!("{to} is many: name one, as {to}[\"KEY\"]")),
                _ => Some(format!(
                    "{to} is no check: the API has nothing else to take"
                )),
            };
            if let Some(why) = why {
                problems.push(Problem::new(Code::InvalidMove, *span, why));
            }
        }
        if problems.len() == before {
            if let Read::Moved((from, span), (to, _)) = &read {
                steps.insert(from.clone(), (to.clone(), *span));
            }
            found.moves.push(Declared {
                spec: read.into_move(),
                source: SourceLine {
                    file: sources.path(block.span.file).to_owned(),
                    line: sources.line(block.span),
                },
            });
        }
    }
    // What was renamed once may be renamed again.
    undeclared.retain(|(to, _)| !froms.contains_key(to));
    for (to, span) in undeclared {
        let message = format!("{to} is not declared");
        problems.push(Problem::new(Code::InvalidMove, span, message));
    }
    circles(&steps, problems);
    found
}

/// Tells names that come back to themselves, each circle once: what is called so is called
/// nothing in the end.
fn circles(steps: &BTreeMap<String, (String, Span)>, problems: &mut Vec<Problem>) {
    let mut gone: BTreeSet<&str> = BTreeSet::new();
    for start in steps.keys() {
        let mut way: Vec<&str> = Vec::new();
        let mut next = Some(start.as_str());
        while let Some(here) = next.filter(|here| gone.insert(here)) {
            way.push(here);
            next = steps.get(here).map(|(to, _)| to.as_str());
        }
        let circle = next.and_then(|again| way.iter().position(|name| *name == again));
        let circle = circle
            .and_then(|first| way.get(first..))
            .unwrap_or_default();
        let ([first, ..], Some((_, span))) = (circle, next.and_then(|again| steps.get(again)))
        else {
            continue;
        };
        let mut shown: Vec<&str> = circle.iter().copied().take(MAX_SHOWN).collect();
        if circle.len() > MAX_SHOWN {
            shown.push("...");
        }
        let message = format!(
            "these moves go in a circle: {} -> {first}",
            shown.join(" -> ")
        );
        let problem = Problem::new(Code::InvalidMove, *span, message);
        let others = circle.iter().skip(1).take(MAX_SHOWN);
        let problem = others
            .filter_map(|name| steps.get(*name))
            .fold(problem, |problem, (_, at)| {
                problem.also(*at, "and on from here")
            });
        problems.push(problem.hint("take the one away that does not lead to what is declared"));
    }
}

/// `check` or `webhook`.
fn kind(address: &str) -> Option<&str> {
    address.split('.').next()
}

/// A block with its values.
enum Read {
    Moved((String, Span), (String, Span)),
    Removed((String, Span), Removal),
    Import(String, (String, Span)),
}

impl Read {
    fn from(&self) -> Option<&(String, Span)> {
        match self {
            Self::Moved(from, _) | Self::Removed(from, _) => Some(from),
            Self::Import(..) => None,
        }
    }

    fn to(&self) -> Option<&(String, Span)> {
        match self {
            Self::Moved(_, to) | Self::Import(_, to) => Some(to),
            Self::Removed(..) => None,
        }
    }

    fn into_move(self) -> Move {
        match self {
            Self::Moved((from, _), (to, _)) => Move::Moved { from, to },
            Self::Removed((from, _), action) => Move::Removed { from, action },
            Self::Import(id, (to, _)) => Move::Import { id, to },
        }
    }
}

fn read(block: &Block, schema: &'static table::Block, problems: &mut Vec<Problem>) -> Option<Read> {
    let before = problems.len();
    let mut found: BTreeMap<&str, &Attribute> = BTreeMap::new();
    for item in &block.body.items {
        match item {
            Item::Attribute(attribute) if schema.meta(&attribute.name).is_some() => {
                found.insert(&attribute.name, attribute);
            }
            Item::Attribute(attribute) => problems.push(unknown_attribute(attribute, schema)),
            Item::Block(inner) if schema.name == REMOVED.name && inner.kind == "lifecycle" => {
                let message = "`removed` has no `lifecycle`: `action` says what becomes of it";
                let problem = Problem::new(Code::UnknownBlock, inner.span, message);
                problems.push(problem.hint(
                    "for `destroy = false` write `action = \"release\"`: it stays, and belongs to the API",
                ));
            }
            Item::Block(inner) => problems.push(unknown_block(inner, schema)),
        }
    }
    for meta in schema.meta.iter().filter(|meta| meta.default.is_empty()) {
        if !found.contains_key(meta.name) {
            let message = format!("this `{}` needs `{}`", schema.name, meta.name);
            let example = format!("write {} = {}", meta.name, meta.example);
            problems.push(Problem::new(Code::Missing, block.span, message).hint(example));
        }
    }
    let mut address_of = |name: &str| {
        let attribute = found.get(name)?;
        match address(&attribute.value) {
            Ok(address) => Some((address, attribute.value.span)),
            Err(problem) => {
                let message = format!("`{name}`: {}", problem.message);
                problems.push(Problem { message, ..problem });
                None
            }
        }
    };
    let (from, to) = (address_of("from"), address_of("to"));
    let read = match schema.name {
        "moved" => Read::Moved(from?, to?),
        "removed" => {
            let action = match found
                .get("action")
                .map(|action| (&action.value.kind, action))
            {
                None => Removal::Delete,
                Some((Kind::String(word), _)) if **word == *"delete" => Removal::Delete,
                Some((Kind::String(word), _)) if **word == *"release" => Removal::Release,
                Some((_, action)) => {
                    let message = "`action` is \"delete\" or \"release\"";
                    problems.push(Problem::new(
                        Code::UnknownChoice,
                        action.value.span,
                        message,
                    ));
                    return None;
                }
            };
            Read::Removed(from?, action)
        }
        _ => {
            let id = found.get("id")?;
            let Kind::String(text) = &id.value.kind else {
                let message = "`id` is a string, written out";
                problems.push(Problem::new(Code::NotLiteral, id.value.span, message));
                return None;
            };
            if text.parse::<uuid::Uuid>().is_err() {
                let message = format!("`id`: {} is not the id of a check", Quoted(text));
                problems.push(Problem::new(Code::InvalidValue, id.value.span, message));
            }
            Read::Import(text.to_string(), to?)
        }
    };
    (problems.len() == before).then_some(read)
}

/// An address as it is written. It is not evaluated: it names what may be gone.
fn address(written: &Expression) -> Result<String, Problem> {
    let wrong = |expression: &Expression, message: &str| {
        Problem::new(Code::WrongType, expression.span, message)
    };
    let (named, key) = match &written.kind {
        Kind::Index(of, key) if !matches!(of.kind, Kind::Variable(_)) => (&**of, Some(&**key)),
        _ => (written, None),
    };
    let parts = match &named.kind {
        Kind::Attribute(of, name) => Some((&of.kind, name)),
        Kind::Index(of, name) => match &name.kind {
            Kind::String(name) => Some((&of.kind, name)),
            _ => None,
        },
        _ => None,
    };
    let (kind, name) = match (parts, key) {
        (Some((Kind::Variable(kind), name)), None) if matches!(&**kind, "check" | "webhook") => {
            (kind, name)
        }
        (Some((Kind::Variable(kind), name)), Some(_)) if **kind == *"check" => (kind, name),
        _ => {
            let problem = wrong(written, "wanted check.NAME or webhook.NAME");
            return Err(match &written.kind {
                Kind::String(text) if text.starts_with("check.") => {
                    problem.hint("an address stands without quotes")
                }
                _ => problem,
            });
        }
    };
    let name = name.parse::<Name>().map_err(|error: InvalidName| {
        Problem::new(Code::InvalidName, named.span, error.to_string())
    })?;
    let Some(key) = key else {
        return Ok(format!("{kind}.{name}"));
    };
    match &key.kind {
        Kind::String(text) => match invalid_key(text) {
            None => Ok(format!("{kind}.{}", instance(&name, text))),
            Some(message) => Err(Problem::new(Code::InvalidName, key.span, message)),
        },
        Kind::Integer(number) => {
            let problem = wrong(key, "the key of a check is a text, not a number");
            Err(problem.hint(format!("write {kind}.{name}[\"{number}\"]")))
        }
        _ => {
            let message = "the key of a check is a text that is written out";
            let problem = Problem::new(Code::NotLiteral, key.span, message);
            Err(problem.hint(format!("write {kind}.{name}[\"KEY\"]")))
        }
    }
}
