//! From check blocks to checks: each block once, or once for each entry of its `for_each`,
//! over its templates and the defaults of its folder. Blocks do not know each other, so that
//! they are expanded on all cores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::ast::{Attribute, Block, Item};
use crate::manifest::attributes::check::CHECK;
use crate::manifest::attributes::{DEFAULTS, FILE};
use crate::manifest::cores::shares;
use crate::manifest::declare::{Gaps, Late, label, unknown_attribute, unknown_block};
use crate::manifest::diagnostic::{Code, Problem, Severity};
use crate::manifest::eval::convert::cut;
use crate::manifest::eval::scope::{Doors, Members, NO_EACH, Root, Scope, Work};
use crate::manifest::eval::show::{Sensitivity, evaluate};
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::{Node, Value};
use crate::manifest::fill::{Filled, Filling};
use crate::manifest::layer::Layer;
use crate::manifest::layering::{Layering, MAX_HINTS, Uses};
use crate::manifest::lint::{self, Question};
use crate::manifest::literal::Literal;
use crate::manifest::origin::{self, Origin};
use crate::manifest::parse::{Lost, parse};
use crate::manifest::scan::MAX_ENTRIES;
use crate::manifest::source::{Sources, Span};
use crate::manifest::suggest::did_you_mean;
use crate::model::check::CheckSpec;
use crate::model::name::{Address, Name};
use crate::model::quoted::{Quoted, is_unseen};
use crate::spec::Encoded;

/// The longest key of a `for_each`, in bytes: it is part of the check's address.
pub const MAX_KEY: usize = Address::MAX_KEY;
/// Fewer blocks than this are not worth a thread.
const FEW: usize = 256;

/// What an entry of a `for_each` costs besides its expressions, in steps: it is a whole check.
const ENTRY: u64 = 1000;

/// What is kept of checks that have no problem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Only that they are there.
    Nothing,
    Specs,
    /// Specs as bytes.
    Encoded,
    /// Specs, and where each value comes from.
    Origins,
}

/// What checks may refer to.
pub(super) struct Ground<'a> {
    pub(super) sources: &'a Sources,
    pub(super) gaps: &'a Gaps,
    pub(super) variables: &'a Members,
    pub(super) locals: &'a Members,
    pub(super) webhooks: &'a BTreeSet<Name>,
    pub(super) templates: &'a BTreeMap<Name, Layer>,
    /// By folder, each with those of the folders above it.
    pub(super) defaults: &'a BTreeMap<String, Layer>,
    pub(super) doors: &'a (dyn Doors + Sync),
    pub(super) work: &'a Work,
    pub(super) keep: Keep,
    /// Maintenance looks for labels.
    pub(super) labelled: bool,
}

/// What is known of a check.
#[derive(Debug)]
pub(super) enum Known {
    Spec(Box<CheckSpec>),
    Encoded(Encoded),
    /// All of it, and nothing of it was to be kept.
    Whole,
    /// It hangs on a variable that has no value.
    Part,
}

/// A check.
#[derive(Debug)]
pub(super) struct Expanded {
    /// `name` or `name["key"]`.
    pub(super) address: String,
    pub(super) span: Span,
    pub(super) known: Known,
    /// What lints compare; nothing while something is not known.
    pub(super) question: Option<Question>,
    /// Whom it is suppressed by, and where that stands.
    pub(super) parents: Vec<(String, Span)>,
    /// If maintenance looks for them.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) origins: Vec<Origin>,
}

/// What came of some blocks.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    pub(super) checks: Vec<Expanded>,
    /// The blocks' names, in the order of the files; also of those that came to nothing.
    pub(super) names: Vec<Called>,
    pub(super) uses: Uses,
    pub(super) lost: Vec<Lost>,
    pub(super) problems: Vec<Problem>,
}

impl Expansion {
    fn extend(&mut self, other: Self) {
        append(&mut self.checks, other.checks);
        append(&mut self.names, other.names);
        self.uses.extend(other.uses);
        self.lost.extend(other.lost);
        append(&mut self.problems, other.problems);
    }
}

/// Long lists are not copied into an empty one.
fn append<T>(all: &mut Vec<T>, more: Vec<T>) {
    match all.is_empty() {
        true => *all = more,
        false => all.extend(more),
    }
}

/// What a block is called.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) name: Name,
    /// Of an instance that is written out.
    pub(super) key: Option<Arc<str>>,
    pub(super) span: Span,
}

/// Expands all blocks, on as many threads as are worth it. The order of the result is that of
/// the files.
pub(super) fn expand(ground: &Ground<'_>, early: &[Block], late: &[Late]) -> Expansion {
    let mut expansion = Expansion::default();
    for block in early {
        ground.block(block, &mut expansion);
    }
    let shares = shares(late, FEW, |share| ground.some(share));
    shares.into_iter().for_each(|share| expansion.extend(share));
    expansion
}

impl Ground<'_> {
    fn some(&self, late: &[Late]) -> Expansion {
        let mut expansion = Expansion {
            checks: Vec::with_capacity(late.len()),
            names: Vec::with_capacity(late.len()),
            ..Expansion::default()
        };
        for Late { file, part } in late {
            let (parsed, lost) = parse(*file, self.sources.text(*file), part);
            expansion.problems.extend(parsed.problems);
            expansion.lost.extend(lost);
            for item in parsed.body.items {
                match item {
                    Item::Block(block) if block.kind == CHECK.name => {
                        self.block(&block, &mut expansion);
                    }
                    Item::Block(block) if FILE.block(&block.kind).is_some() => {
                        let message = "a block starts in a line of its own";
                        let problem = Problem::new(Code::Syntax, block.span, message);
                        expansion.problems.push(problem);
                    }
                    Item::Block(block) => expansion.problems.push(unknown_block(&block, &FILE)),
                    Item::Attribute(attribute) => {
                        expansion
                            .problems
                            .push(unknown_attribute(&attribute, &FILE));
                    }
                }
            }
        }
        expansion
    }

    /// The scope of a check; `each` is what `each` means in it.
    fn scope(&self, each: Root<'static>) -> Scope<'_> {
        let doors = self.doors;
        let mut scope = Scope::of_file(self.variables, self.locals, each, doors, self.work);
        scope.roots.push(("check", Root::Reference));
        scope
    }

    fn block(&self, block: &Block, expansion: &mut Expansion) {
        let name = match label(block, &CHECK) {
            Ok(Some(name)) => name,
            Ok(None) => return,
            Err(problem) => {
                expansion.problems.push(problem);
                return self.nameless(block, expansion);
            }
        };
        let key = block
            .labels
            .get(1)
            .map(|(key, span)| (Arc::from(key.as_str()), *span));
        expansion.names.push(Called {
            name: name.clone(),
            key: key.as_ref().map(|(key, _)| Arc::clone(key)),
            span: block.span,
        });
        let meta = |wanted: &str| {
            block.body.items.iter().find_map(|item| match item {
                Item::Attribute(attribute) if attribute.name == wanted => Some(attribute),
                _ => None,
            })
        };
        let base = match meta("use") {
            Some(wanted) => match self.templates(wanted, expansion) {
                Some(templates) => self.base(block.span, &templates),
                None => return,
            },
            None => self.base(block.span, &[]),
        };
        let Some(for_each) = meta("for_each") else {
            let address = match &key {
                None => name.to_string(),
                Some((key, span)) => match invalid_key(key) {
                    None => instance(&name, key),
                    Some(message) => {
                        let problem = Problem::new(Code::InvalidName, *span, message);
                        return expansion.problems.push(problem);
                    }
                },
            };
            let scope = self.scope(NO_EACH);
            return self.one(block, address, &scope, base, expansion);
        };
        if let Some((_, span)) = key {
            let message = "a check with `for_each` has no key of its own";
            let problem = Problem::new(Code::WrongLabels, span, message);
            return expansion
                .problems
                .push(problem.hint("take out the second label, or `for_each`"));
        }
        let Some(entries) = self.entries(for_each, expansion) else {
            return;
        };
        let scope = |key, value| {
            let each = Value::object([("key", key), ("value", value)], for_each.span);
            self.scope(Root::Value(each))
        };
        if entries.is_empty() {
            // Nothing today, but a mistake in it is one.
            let scope = scope(Value::Unknown(Type::String), Value::Unknown(Type::Any));
            let none = expansion.checks.len();
            self.one(block, name.to_string(), &scope, base, expansion);
            expansion.checks.truncate(none);
            return;
        }
        for (key, value) in entries {
            self.work.spend(ENTRY);
            if self.work.is_too_much() {
                return;
            }
            let (key, address) = match key {
                Some(key) => {
                    let address = instance(&name, &key);
                    (Value::String(key), address)
                }
                None => (Value::Unknown(Type::String), name.to_string()),
            };
            self.one(block, address, &scope(key, value), base.clone(), expansion);
        }
    }

    /// A check whose name is none: what else is wrong with it is told, and nothing comes of it.
    fn nameless(&self, block: &Block, expansion: &mut Expansion) {
        let each = Value::object(
            [
                ("key", Value::Unknown(Type::String)),
                ("value", Value::Unknown(Type::Any)),
            ],
            block.span,
        );
        let scope = self.scope(Root::Value(each));
        let base = self.base(block.span, &[]);
        let (checks, problems) = (expansion.checks.len(), expansion.problems.len());
        self.one(block, String::new(), &scope, base, expansion);
        expansion.checks.truncate(checks);
        // A lint would speak of what is not there.
        let found = expansion.problems.split_off(problems);
        let error = |problem: &Problem| problem.code.severity() == Severity::Error;
        expansion.problems.extend(found.into_iter().filter(error));
    }

    /// What lies under a check: the defaults of its folder, then its templates.
    fn base(&self, span: Span, templates: &[&Layer]) -> Layer {
        let mut base = self.defaults(self.sources.folder(span.file)).clone();
        for template in templates {
            base.cover((*template).clone(), &CHECK);
        }
        base
    }

    /// The defaults of the nearest folder that has some.
    fn defaults(&self, folder: &str) -> &Layer {
        static NONE: Layer = Layer::EMPTY;
        let mut folder = folder;
        loop {
            if let Some(layer) = self.defaults.get(folder) {
                return layer;
            }
            match folder.rsplit_once('/') {
                Some((above, _)) => folder = above,
                None if folder.is_empty() => return &NONE,
                None => folder = "",
            }
        }
    }

    fn templates(&self, wanted: &Attribute, expansion: &mut Expansion) -> Option<Vec<&Layer>> {
        expansion.uses.of(&wanted.value);
        let before = expansion.problems.len();
        let scope = self.scope(Root::Misplaced("`use` is the same for every `each`"));
        let (node, sensitivity) = evaluate(&wanted.value, &scope, &mut expansion.problems);
        if sensitivity == Sensitivity::Sensitive {
            let message = "`use` comes from a sensitive variable, and would be seen";
            let problem = Problem::new(Code::SensitiveMisplaced, node.span, message);
            expansion.problems.push(problem);
            return None;
        }
        let items: &[Node] = match &node.value {
            Value::List(items) => items,
            Value::Invalid => return None,
            other => {
                let message = format!("`use`: wanted a list of templates, found {}", other.kind());
                let problem = Problem::new(Code::WrongType, node.span, message);
                expansion
                    .problems
                    .push(problem.hint("write `use = [template.NAME]`"));
                return None;
            }
        };
        let mut layers = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Value::Invalid => {}
                Value::Reference(parts) => match &**parts {
                    [root, name] if root == "template" => {
                        let known = name
                            .parse::<Name>()
                            .ok()
                            .and_then(|name| self.templates.get(&name));
                        match known {
                            Some(layer) => layers.push(layer),
                            None if self.gaps.may_hold("template", Some(name)) => return None,
                            None => {
                                let near = self.templates.keys().take(MAX_HINTS).map(Name::as_str);
                                let message = format!("no template is called `{name}`");
                                let problem =
                                    Problem::new(Code::UnknownReference, item.span, message);
                                expansion
                                    .problems
                                    .push(problem.maybe_hint(did_you_mean(name, near)));
                            }
                        }
                    }
                    _ => expansion.problems.push(no_template(item)),
                },
                _ => expansion.problems.push(no_template(item)),
            }
        }
        (expansion.problems.len() == before).then_some(layers)
    }

    /// The entries of a `for_each`; one without a key when nothing is known of them.
    fn entries(
        &self,
        for_each: &Attribute,
        expansion: &mut Expansion,
    ) -> Option<Vec<(Option<Arc<str>>, Value)>> {
        expansion.uses.of(&for_each.value);
        let scope = self.scope(Root::Misplaced("`for_each` says what `each` is"));
        let (node, sensitivity) = evaluate(&for_each.value, &scope, &mut expansion.problems);
        let mut refuse = |span, message: String, hint: Option<&str>| {
            let problem = Problem::new(Code::InvalidForEach, span, message);
            expansion
                .problems
                .push(problem.maybe_hint(hint.map(str::to_owned)));
        };
        if sensitivity == Sensitivity::Sensitive {
            let message = "`for_each` comes from a sensitive variable, and its keys would be seen";
            refuse(node.span, message.to_owned(), None);
            return None;
        }
        let entries: Vec<(Arc<str>, Value, Span)> = match &node.value {
            Value::Invalid => return None,
            Value::Object(object) => object
                .entries()
                .iter()
                .map(|(key, value)| (Arc::clone(&key.text), value.value.clone(), key.span))
                .collect(),
            Value::Set(items) => {
                let mut entries = Vec::with_capacity(items.len());
                for item in items.iter() {
                    match &item.value {
                        Value::String(text) => {
                            entries.push((Arc::clone(text), item.value.clone(), item.span));
                        }
                        other => {
                            // All of a set are of one kind.
                            let message = format!(
                                "`for_each` wants a set of strings, and {} is in this one",
                                other.kind()
                            );
                            let hint = "keys are texts: `toset([\"1\", \"2\"])`, or \
                                        `toset([for x in list : tostring(x)])`";
                            refuse(item.span, message, Some(hint));
                            return None;
                        }
                    }
                }
                entries
            }
            Value::Unknown(Type::Any | Type::Map(_) | Type::Object(_) | Type::Set(_)) => {
                return Some(vec![(None, Value::Unknown(Type::Any))]);
            }
            Value::List(_) | Value::Unknown(Type::List(_) | Type::Tuple(_)) => {
                let hint = "a list may have an entry twice: write `for_each = toset([...])`";
                refuse(node.span, "`for_each` is a list".to_owned(), Some(hint));
                return None;
            }
            other => {
                let message = format!("`for_each` is {}", other.kind());
                let hint = "write a map: `{ eu = \"https://eu.example.com/\" }`";
                refuse(node.span, message, Some(hint));
                return None;
            }
        };
        if entries.len() > MAX_ENTRIES {
            let message = format!(
                "`for_each` has {} entries, more than {MAX_ENTRIES}",
                entries.len()
            );
            refuse(node.span, message, None);
            return None;
        }
        let mut good = true;
        for (key, _, span) in &entries {
            if let Some(message) = invalid_key(key) {
                refuse(*span, message, None);
                good = false;
            }
        }
        if !good {
            return None;
        }
        let entry = |(key, value, _)| (Some(key), value);
        Some(entries.into_iter().map(entry).collect())
    }

    fn one(
        &self,
        block: &Block,
        address: String,
        scope: &Scope<'_>,
        mut base: Layer,
        expansion: &mut Expansion,
    ) {
        let before = expansion.problems.len();
        let mut layering = Layering {
            scope,
            gaps: self.gaps,
            webhooks: self.webhooks,
            uses: &mut expansion.uses,
            problems: &mut expansion.problems,
        };
        let own = layering.body(&block.body, &CHECK);
        base.cover(own.clone(), &CHECK);
        let filling = Filling::new(self.gaps, &mut expansion.problems);
        let filled = filling.check(&base, &own, block.span);
        let spec = match filled {
            Filled::Good(spec) if expansion.problems.len() == before => Some(spec),
            Filled::Unknown => None,
            _ => return,
        };
        let row = CHECK.attribute("url").map_or(0, |(row, _)| row);
        let url = base.get(row).map_or(block.span, |node| node.span);
        let question = spec.as_ref().and_then(|spec| {
            lint::check(spec, &base, block.span, &mut expansion.problems);
            // One that is disabled asks nothing.
            spec.enabled.then(|| Question::of(spec, url))
        });
        let origins = match self.keep {
            Keep::Origins => origin::origins(&base, &CHECK),
            Keep::Nothing | Keep::Specs | Keep::Encoded => Vec::new(),
        };
        let parents = spec.iter().flat_map(|spec| &spec.suppressed_by);
        let row = CHECK.attribute("suppressed_by").map_or(0, |(row, _)| row);
        let span = base.get(row).map_or(block.span, |node| node.span);
        let parents = parents.map(|it| (it.to_string(), span)).collect();
        let labels = match &spec {
            Some(spec) if self.labelled => spec.labels.clone(),
            _ => BTreeMap::new(),
        };
        let known = match (spec, self.keep) {
            (None, _) => Known::Part,
            (Some(_), Keep::Nothing) => Known::Whole,
            (Some(spec), Keep::Specs | Keep::Origins) => Known::Spec(Box::new(spec)),
            (Some(spec), Keep::Encoded) => Known::Encoded(spec.into()),
        };
        expansion.checks.push(Expanded {
            address,
            span: block.span,
            known,
            question,
            parents,
            labels,
            origins,
        });
    }
}

/// What one of several checks of a name is called.
pub(super) fn instance(name: &Name, key: &str) -> String {
    format!("{name}[{}]", Literal::text(key))
}

/// Why a text is no key, if it is none.
pub(super) fn invalid_key(key: &str) -> Option<String> {
    if let Some(sign) = key.chars().find(|sign| is_unseen(*sign)) {
        let (shown, point) = (cut(key), u32::from(sign));
        return Some(format!(
            "{} has a character that nobody sees, U+{point:04X}: a key is read by people",
            Quoted(&shown)
        ));
    }
    let bad = key.is_empty() || key.len() > MAX_KEY;
    bad.then(|| format!("{}: a key is 1 to {MAX_KEY} bytes", Quoted(&cut(key))))
}

fn no_template(item: &Node) -> Problem {
    let message = format!("`use`: wanted a template, found {}", item.value.kind());
    Problem::new(Code::WrongType, item.span, message).hint("write template.NAME")
}

/// What `defaults` say for each folder that has some: those of all folders above it and its
/// own.
pub(super) fn stacked(own: &BTreeMap<String, Layer>) -> BTreeMap<String, Layer> {
    let stack = |folder: &String| {
        let mut merged = Layer::default();
        let ends = folder.match_indices('/').map(|(at, _)| at);
        let above = ends.filter_map(|at| folder.get(..at));
        let itself = (!folder.is_empty()).then_some(folder.as_str());
        for place in [""].into_iter().chain(above).chain(itself) {
            if let Some(layer) = own.get(place) {
                merged.cover(layer.clone(), &DEFAULTS);
            }
        }
        (folder.clone(), merged)
    };
    own.keys().map(stack).collect()
}
