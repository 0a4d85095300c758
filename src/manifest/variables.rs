//! Variables: their types, where their values come from, and the rules for them.

use std::collections::BTreeMap;

use crate::manifest::ast::{Attribute, Block, Expression, Item, Kind};
use crate::manifest::attributes::variables::{VALIDATION, VARIABLE};
use crate::manifest::declare::{Gaps, unknown_attribute, unknown_block};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::Evaluator;
use crate::manifest::eval::conform::conform;
use crate::manifest::eval::convert;
use crate::manifest::eval::scope::{Doors, Known, Members, Place, Root, Scope, Work};
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::inputs::{Inputs, Missing, PREFIX, Strays};
use crate::manifest::parse::{Parsed, Part, parse, span};
use crate::manifest::references::references;
use crate::manifest::scan::scan;
use crate::manifest::source::{Sources, Span};
use crate::manifest::suggest::did_you_mean;
use crate::manifest::types::type_of;

/// How many mistakes of one value are listed.
const MOST_LISTED: usize = 8;
/// Why a default looks at nothing: it stands there when nothing else is known.
const DEFAULT: &str = "a default is a plain value and refers to nothing: what is made of other \
                       values is a local, `locals { name = ... }`";
/// Why a value of a flag, file or the environment does not.
const GIVEN: &str = "a value that is given from outside is written out and refers to nothing";
/// Why a rule looks at nothing else.
const RULE: &str = "a `validation` looks at its own variable only";

/// The variables of a root while their values are looked for.
pub(super) struct Variables<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) doors: &'a dyn Doors,
    pub(super) work: &'a Work,
    pub(super) sources: &'a mut Sources,
    pub(super) problems: &'a mut Vec<Problem>,
    pub(super) gaps: &'a Gaps,
    /// Whether what is given is not shown.
    pub(super) hidden: bool,
}

/// A variable's block, read.
struct Declared {
    wanted: Type,
    default: Option<Expression>,
    sensitive: bool,
    rules: Vec<(Expression, Expression)>,
}

impl Variables<'_> {
    /// Their values, by name. One without a value is unknown.
    pub(super) fn values(&mut self, blocks: &BTreeMap<String, Block>) -> Members {
        // A line of what is given may be the value of a sensitive one, here or in another root of
        // the same run.
        self.hidden = blocks.values().any(is_sensitive)
            || self.gaps.may_hold(VARIABLE.name, None)
            || self.inputs.strays == Strays::Allowed
            || self.gives_others(blocks);
        let given = self.given(blocks);
        let mut members = Members::new();
        members.torn = self.gaps.may_hold(VARIABLE.name, None);
        for (name, block) in blocks {
            let declared = self.declared(block);
            let node = match given.get(name.as_str()) {
                Some(given) => self.read_given(given, &declared.wanted, name),
                None => self.default(name, block.span, &declared),
            };
            let node = match conform(&node, &declared.wanted) {
                Ok(node) => node,
                Err(why) => {
                    let why = match declared.sensitive {
                        true => format!("wanted {}", declared.wanted),
                        false => listed(&why),
                    };
                    let message = format!("the value of the variable `{name}`: {why}");
                    let problem = Problem::new(Code::WrongType, node.span, message);
                    self.problems
                        .push(problem.also(block.span, "the variable is declared here"));
                    Node {
                        span: node.span,
                        value: Value::Invalid,
                    }
                }
            };
            let known = Known {
                node,
                sensitive: declared.sensitive,
            };
            self.check_rules(name, &known, &declared.rules, blocks);
            members.insert(name.clone(), known);
        }
        members
    }

    /// What is given for each variable that is declared; a file may give more than one root
    /// needs, a flag may not.
    fn given(&mut self, blocks: &BTreeMap<String, Block>) -> BTreeMap<String, Given> {
        let mut given = BTreeMap::new();
        for (name, text) in &self.inputs.environment {
            if let Some(name) = name.strip_prefix(PREFIX) {
                let origin = format!("the environment ({PREFIX}{name})");
                given.insert(name.to_owned(), Given::Text(text.clone(), origin));
            }
        }
        for (path, text) in &self.inputs.files {
            let file = self.source(&format!("--var-file {path}"), text);
            let part = Part {
                kind: String::new(),
                range: 0..text.len(),
            };
            if let Some(fault) = scan(text, &[]).faults.into_iter().next() {
                let at = span(file, fault.at);
                self.tell([Problem::new(fault.code, at, fault.message)]);
                continue;
            }
            let parsed = self.parsed(file, text, &part);
            for item in parsed.body.items {
                match item {
                    Item::Attribute(Attribute { name, value, .. }) => {
                        given.insert(name, Given::Expression(value));
                    }
                    Item::Block(block) => {
                        let message = "a file of variables has lines `name = value` only";
                        self.problems
                            .push(Problem::new(Code::UnknownBlock, block.span, message));
                    }
                }
            }
        }
        for (name, text) in &self.inputs.flags {
            if self.inputs.strays == Strays::Refused
                && !blocks.contains_key(name)
                && !self.gaps.may_hold(VARIABLE.name, Some(name))
            {
                let message = format!("--var {name}: no variable is called `{name}`");
                let hint = did_you_mean(name, blocks.keys().map(String::as_str));
                let problem = Problem {
                    span: None,
                    ..Problem::new(Code::UndeclaredVariable, nowhere(), message)
                };
                self.problems.push(problem.maybe_hint(hint));
            }
            given.insert(
                name.clone(),
                Given::Text(text.clone(), format!("--var {name}")),
            );
        }
        given
    }

    /// A text that is given, as a source.
    fn source(&mut self, path: &str, text: &str) -> u32 {
        match self.hidden {
            true => self.sources.add_hidden(path.to_owned(), text.to_owned()),
            false => self.sources.add(path.to_owned(), text.to_owned()),
        }
    }

    /// What is given, read.
    fn parsed(&mut self, file: u32, text: &str, part: &Part) -> Parsed {
        let (mut parsed, _lost) = parse(file, text, part);
        self.tell(std::mem::take(&mut parsed.problems));
        parsed
    }

    /// Tells what is wrong with what is given: where that is hidden, none of its words.
    fn tell(&mut self, problems: impl IntoIterator<Item = Problem>) {
        let hidden = self.hidden;
        let told = problems.into_iter().map(|problem| match hidden {
            true => wordless(problem),
            false => problem,
        });
        self.problems.extend(told);
    }

    /// Whether a file has lines for variables that are not declared here. In what cannot be
    /// parsed a line that begins with a name is taken for one.
    fn gives_others(&self, blocks: &BTreeMap<String, Block>) -> bool {
        let lines = self.inputs.files.iter().flat_map(|(_, text)| text.lines());
        let mut names = lines.filter_map(|line| {
            let (name, _) = line.split_once('=')?;
            name.starts_with(|c: char| c.is_alphabetic() || c == '_')
                .then(|| name.trim_end())
        });
        names.any(|name| !blocks.contains_key(name))
    }

    fn read_given(&mut self, given: &Given, wanted: &Type, name: &str) -> Node {
        let (text, origin) = match given {
            Given::Expression(expression) => return self.literal(expression),
            Given::Text(text, origin) => (text, origin),
        };
        let text_wanted = matches!(wanted, Type::String | Type::Any | Type::Number | Type::Bool);
        let source = format!("{name} = {text}");
        let shown = if text_wanted { String::new() } else { source };
        let file = self.source(origin, &shown);
        let here = span(file, 0..0);
        if text_wanted {
            let value = Value::string(text);
            return Node { span: here, value };
        }
        let part = Part {
            kind: String::new(),
            range: 0..shown.len(),
        };
        if let Some(fault) = scan(&shown, &[]).faults.into_iter().next() {
            let at = span(file, fault.at);
            self.tell([Problem::new(fault.code, at, fault.message)]);
            return invalid(here);
        }
        let parsed = self.parsed(file, &shown, &part);
        match parsed.body.items.into_iter().next() {
            Some(Item::Attribute(attribute)) => self.literal(&attribute.value),
            _ => invalid(here),
        }
    }

    /// A value that refers to nothing.
    fn literal(&mut self, expression: &Expression) -> Node {
        let scope = Scope {
            roots: nowhere_else(GIVEN),
            place: Place::File,
            doors: self.doors,
            work: self.work,
        };
        let mut evaluator = Evaluator::new(&scope);
        let node = evaluator.evaluate_whole(expression);
        let problems = std::mem::take(&mut evaluator.problems);
        drop(evaluator);
        self.tell(problems);
        node
    }

    fn default(&mut self, name: &str, span: Span, declared: &Declared) -> Node {
        let node = declared.default.as_ref().map(|default| {
            let scope = Scope {
                roots: nowhere_else(DEFAULT),
                place: Place::Default,
                doors: self.doors,
                work: self.work,
            };
            let mut evaluator = Evaluator::new(&scope);
            let node = evaluator.evaluate_whole(default);
            self.problems.append(&mut evaluator.problems);
            node
        });
        match node {
            Some(node) if !matches!(node.value, Value::Unknown(_)) => node,
            node => {
                if self.inputs.missing == Missing::Refused {
                    let message = format!("the variable `{name}` has no value");
                    let problem = Problem::new(Code::NoValue, span, message);
                    self.problems.push(problem.hint(format!(
                        "give it one with --var {name}=..., a file of --var-file, or {PREFIX}{name}"
                    )));
                    return invalid(span);
                }
                Node {
                    span: node.map_or(span, |node| node.span),
                    value: Value::Unknown(declared.wanted.clone()),
                }
            }
        }
    }

    fn check_rules(
        &mut self,
        name: &str,
        known: &Known,
        rules: &[(Expression, Expression)],
        blocks: &BTreeMap<String, Block>,
    ) {
        if matches!(known.node.value, Value::Invalid) {
            return;
        }
        let members = Members::from([(name.to_owned(), known.clone())]);
        let mut roots = nowhere_else(RULE);
        roots.retain(|(root, _)| *root != "var");
        roots.push(("var", Root::Members(&members)));
        let scope = Scope {
            roots,
            place: Place::File,
            doors: self.doors,
            work: self.work,
        };
        for (condition, message) in rules {
            if self.looks_elsewhere(name, [condition, message], blocks) {
                continue;
            }
            let mut evaluator = Evaluator::new(&scope);
            let holds = evaluator.evaluate_whole(condition);
            evaluator.sensitive = false;
            let said = evaluator.evaluate_whole(message);
            let shows_value = evaluator.sensitive;
            self.problems.append(&mut evaluator.problems);
            match convert::truth(&holds.value) {
                Some(false) => {
                    let said = match shows_value {
                        true => "(its message has a sensitive value in it)".into(),
                        false => convert::text(&said.value).unwrap_or_else(|| "".into()),
                    };
                    let message = format!("the value of the variable `{name}`: {said}");
                    let problem = Problem::new(Code::RuleBroken, known.node.span, message)
                        .also(condition.span, "this does not hold");
                    let shown = match known.sensitive {
                        true => "(sensitive)".to_owned(),
                        false => crate::manifest::eval::show::shown(&known.node.value),
                    };
                    self.problems
                        .push(problem.value(format!("var.{name}"), shown));
                }
                None if matches!(holds.value, Value::Unknown(_) | Value::Invalid) => {}
                None => {
                    let message = format!(
                        "a condition wants true or false, found {}",
                        holds.value.kind()
                    );
                    self.problems
                        .push(Problem::new(Code::WrongOperand, condition.span, message));
                }
                Some(true) => {}
            }
        }
    }

    /// Whether a rule looks at another variable that there is.
    fn looks_elsewhere(
        &mut self,
        name: &str,
        rule: [&Expression; 2],
        blocks: &BTreeMap<String, Block>,
    ) -> bool {
        let before = self.problems.len();
        for part in rule {
            references(part, &mut |root, other, span| {
                if root == "var" && other != name && blocks.contains_key(other) {
                    let message = format!("{RULE}, var.{name}");
                    let problem = Problem::new(Code::Misplaced, span, message);
                    let hint = "what hangs on both is one variable: `type = object({ ... })`";
                    self.problems.push(problem.hint(hint));
                }
            });
        }
        self.problems.len() > before
    }

    fn declared(&mut self, block: &Block) -> Declared {
        let mut declared = Declared {
            wanted: Type::Any,
            default: None,
            sensitive: false,
            rules: Vec::new(),
        };
        for item in &block.body.items {
            match item {
                Item::Attribute(attribute) => match attribute.name.as_str() {
                    "type" => match type_of(&attribute.value) {
                        Ok(wanted) => declared.wanted = wanted,
                        Err(problem) => self.problems.push(problem),
                    },
                    "default" => declared.default = Some(attribute.value.clone()),
                    "description" => {
                        if !matches!(attribute.value.kind, Kind::String(_)) {
                            self.not_literal(attribute, "a string");
                        }
                    }
                    "sensitive" => match attribute.value.kind {
                        Kind::Bool(sensitive) => declared.sensitive = sensitive,
                        _ => self.not_literal(attribute, "true or false"),
                    },
                    _ => self.problems.push(unknown_attribute(attribute, &VARIABLE)),
                },
                Item::Block(inner) if inner.kind == VALIDATION.name => {
                    declared.rules.extend(self.rule(inner));
                }
                Item::Block(inner) => self.problems.push(unknown_block(inner, &VARIABLE)),
            }
        }
        declared
    }

    fn not_literal(&mut self, attribute: &Attribute, wanted: &str) {
        let message = format!("`{}` is {wanted}, written out", attribute.name);
        self.problems.push(Problem::new(
            Code::NotLiteral,
            attribute.value.span,
            message,
        ));
    }

    fn rule(&mut self, block: &Block) -> Option<(Expression, Expression)> {
        let (mut condition, mut message) = (None, None);
        for item in &block.body.items {
            match item {
                Item::Attribute(attribute) => match attribute.name.as_str() {
                    "condition" => condition = Some(attribute.value.clone()),
                    "error_message" => message = Some(attribute.value.clone()),
                    _ => self
                        .problems
                        .push(unknown_attribute(attribute, &VALIDATION)),
                },
                Item::Block(inner) => self.problems.push(unknown_block(inner, &VALIDATION)),
            }
        }
        for (name, found) in [("condition", &condition), ("error_message", &message)] {
            if found.is_none() {
                let message = format!("this `validation` needs `{name}`");
                self.problems
                    .push(Problem::new(Code::Missing, block.span, message));
            }
        }
        condition.zip(message)
    }
}

/// A problem without any word of the text in which it is.
fn wordless(problem: Problem) -> Problem {
    let span = problem.span;
    let message = "this is no value; what stands there is not told, as it may be sensitive";
    let hint = "a text stands in quotes, `\"...\"`; a list is `[...]`, an object `{ name = ... }`";
    Problem {
        span,
        ..Problem::new(problem.code, nowhere(), message).hint(hint)
    }
}

/// Whether a variable is sensitive, or may be meant to be.
fn is_sensitive(block: &Block) -> bool {
    block.body.items.iter().any(|item| match item {
        Item::Attribute(attribute) => {
            attribute.name == "sensitive" && !matches!(attribute.value.kind, Kind::Bool(false))
        }
        Item::Block(_) => false,
    })
}

/// What is given for a variable.
enum Given {
    /// A text, and where it comes from.
    Text(String, String),
    Expression(Expression),
}

fn invalid(span: Span) -> Node {
    Node {
        span,
        value: Value::Invalid,
    }
}

/// The names of files, where they have no meaning.
fn nowhere_else(why: &'static str) -> Vec<(&'static str, Root<'static>)> {
    let names = ["var", "local", "each", "webhook", "template", "response"];
    names.map(|name| (name, Root::Misplaced(why))).into()
}

fn nowhere() -> Span {
    Span {
        file: u32::MAX,
        start: 0,
        end: 0,
    }
}

/// The first of several mistakes, and how many there are besides.
fn listed(mistakes: &[String]) -> String {
    let shown = mistakes.iter().take(MOST_LISTED).cloned();
    let more = mistakes.len().saturating_sub(MOST_LISTED);
    let more = (more > 0).then(|| format!("and {more} more"));
    shown.chain(more).collect::<Vec<_>>().join("; ")
}
