//! From trees to declarations, by the attribute table, file by file. Every value
//! is read once here, so that a mistake is told at its place even in a block that
//! nothing uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::ast::{Attribute, Block, Body, Item, Node, Value};
use crate::manifest::attributes::{CHECK, DEFAULTS, FILE, LATER, LOKAHI, WEBHOOK};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::layer::{Inner, Layer};
use crate::manifest::parse::Lost;
use crate::manifest::source::Span;
use crate::manifest::suggest::did_you_mean;
use crate::manifest::table::{self, Draft, Label};
use crate::model::name::Name;

/// The most blocks inside a block.
const MAX_BLOCKS: usize = 100;

/// A `check` block.
pub struct Check {
    pub name: Name,
    pub span: Span,
    pub folder: String,
    pub layer: Layer,
}

/// What the files declare so far.
pub struct Declarations {
    /// Every `lokahi` block: its place, folder and content.
    pub projects: Vec<(Span, String, Layer)>,
    pub webhooks: BTreeMap<Name, (Span, Layer)>,
    pub checks: Vec<Check>,
    /// By folder.
    pub defaults: BTreeMap<String, (Span, Layer)>,
    /// Every reference to a receiver.
    pub references: Vec<(String, Span)>,
    /// The labels of blocks that could not be parsed, by type.
    lost: BTreeMap<String, BTreeSet<Option<String>>>,
    /// Whether a file could not be looked into at all: what is not seen may be
    /// there.
    pub blind: bool,
    pub problems: Vec<Problem>,
    names: BTreeMap<Name, Span>,
    scratch: Draft,
}

impl Default for Declarations {
    fn default() -> Self {
        Self {
            projects: Vec::new(),
            webhooks: BTreeMap::new(),
            checks: Vec::new(),
            defaults: BTreeMap::new(),
            references: Vec::new(),
            lost: BTreeMap::new(),
            blind: false,
            problems: Vec::new(),
            names: BTreeMap::new(),
            scratch: Draft::loose(),
        }
    }
}

impl Declarations {
    /// Takes what a file of this folder says.
    pub fn file(&mut self, folder: &str, body: Body) {
        for item in body.items {
            match item {
                Item::Attribute(attribute) => self.unknown_attribute(&attribute, &FILE),
                Item::Block(block) => self.top(folder, block),
            }
        }
    }

    /// Whether a block of this type, and of this name if one is given, may stand
    /// in what could not be read.
    pub fn may_exist(&self, kind: &str, name: Option<&str>) -> bool {
        let named = |labels: &BTreeSet<Option<String>>| {
            name.is_none() || labels.contains(&None) || labels.contains(&name.map(str::to_owned))
        };
        self.blind || self.lost.get(kind).is_some_and(named)
    }

    /// Takes note of a block that could not be parsed.
    pub fn lose(&mut self, lost: Lost) {
        self.lost.entry(lost.kind).or_default().insert(lost.label);
    }

    fn top(&mut self, folder: &str, block: Block) {
        let Some(schema) = FILE.block(&block.kind) else {
            return self.unknown_block(&block, &FILE);
        };
        let name = self.label(&block, schema);
        let span = block.span;
        let layer = self.body(block.body, schema);
        if schema.name == LOKAHI.name {
            self.projects.push((span, folder.to_owned(), layer));
        } else if schema.name == DEFAULTS.name {
            match self.defaults.get(folder).map(|(first, _)| *first) {
                Some(first) => self.twice(span, first, "a folder has one `defaults` block".into()),
                None => {
                    self.defaults.insert(folder.to_owned(), (span, layer));
                }
            }
        } else if let Some(name) = name {
            let known = match schema.name == WEBHOOK.name {
                true => self.webhooks.get(&name).map(|(first, _)| *first),
                false => self.names.get(&name).copied(),
            };
            if let Some(first) = known {
                return self.twice(
                    span,
                    first,
                    format!("{} `{name}` is declared twice", schema.name),
                );
            }
            if schema.name == CHECK.name {
                self.names.insert(name.clone(), span);
                self.checks.push(Check {
                    name,
                    span,
                    folder: folder.to_owned(),
                    layer,
                });
            } else {
                self.webhooks.insert(name, (span, layer));
            }
        }
    }

    fn body(&mut self, body: Body, schema: &'static table::Block) -> Layer {
        let mut layer = Layer::default();
        for item in body.items {
            match item {
                Item::Attribute(attribute) => match schema.attribute(&attribute.name) {
                    Some((row, known)) => {
                        let node = self.value(attribute.value, known);
                        layer.set(row, node);
                    }
                    None => self.unknown_attribute(&attribute, schema),
                },
                Item::Block(block) => self.inner(block, schema, &mut layer),
            }
        }
        layer.shrink();
        layer
    }

    /// Reads a value on trial, and notes what it refers to.
    fn value(&mut self, node: Node, attribute: &table::Attribute) -> Node {
        if matches!(node.value, Value::Null | Value::Invalid) {
            return node;
        }
        let every = self.scratch.check.every;
        let read = (attribute.set)(&mut self.scratch, &node);
        self.scratch.check.every = every;
        match read {
            Ok(()) => {
                self.refer(&node);
                node
            }
            Err(problem) => {
                let message = format!("`{}`: {}", attribute.name, problem.message);
                self.problems.push(Problem { message, ..problem });
                Node {
                    value: Value::Invalid,
                    ..node
                }
            }
        }
    }

    fn refer(&mut self, node: &Node) {
        match &node.value {
            Value::Reference(parts) => {
                let name = parts.last().cloned().unwrap_or_default();
                self.references.push((name, node.span));
            }
            Value::List(items) => items.iter().for_each(|item| self.refer(item)),
            _ => {}
        }
    }

    fn inner(&mut self, block: Block, schema: &'static table::Block, layer: &mut Layer) {
        let Some(inner) = schema.block(&block.kind) else {
            return self.unknown_block(&block, schema);
        };
        if layer.blocks.len() >= MAX_BLOCKS {
            let message = format!("more than {MAX_BLOCKS} blocks in one `{}`", schema.name);
            let problem = Problem::new(Code::OutOfBounds, block.span, message);
            return self.problems.push(problem);
        }
        let before = self.problems.len();
        let label = self.label(&block, inner).map(|name| name.to_string());
        let good = self.problems.len() == before;
        let span = block.span;
        let body = self.body(block.body, inner);
        let label = label.unwrap_or_default();
        if !good {
            return;
        }
        if let Some(first) = layer.block(inner.name, &label) {
            let what = match label.as_str() {
                "" => format!("a second `{}` block", inner.name),
                label => format!("a second `{} \"{label}\"` block", inner.name),
            };
            return self.twice(span, first.span, what);
        }
        layer.blocks.push(Inner {
            kind: inner.name,
            label,
            span,
            layer: body,
        });
    }

    /// The label of a block as a name, if it has one.
    fn label(&mut self, block: &Block, schema: &table::Block) -> Option<Name> {
        let kind = schema.name;
        let problem = match (schema.label, block.labels.as_slice()) {
            (Label::None, []) | (Label::Optional, []) => return None,
            (Label::Optional | Label::Name, [(text, span)]) => match text.parse() {
                Ok(name) => return Some(name),
                Err(error) => {
                    let error: crate::model::name::InvalidName = error;
                    Problem::new(Code::InvalidName, *span, error.to_string())
                }
            },
            (Label::None, [(_, span), ..]) => {
                Problem::new(Code::WrongLabels, *span, format!("`{kind}` has no label"))
            }
            (Label::Name, []) => Problem::new(
                Code::WrongLabels,
                block.span,
                format!("`{kind}` needs a name"),
            )
            .hint(format!("write `{kind} \"name\" {{`")),
            (_, [_, (_, span), ..]) => Problem::new(
                Code::WrongLabels,
                *span,
                format!("`{kind}` has one label only"),
            ),
        };
        self.problems.push(problem);
        None
    }

    fn twice(&mut self, span: Span, first: Span, message: String) {
        let problem = Problem::new(Code::DeclaredTwice, span, message);
        self.problems.push(problem.also(first, "the first is here"));
    }

    fn unknown_attribute(&mut self, attribute: &Attribute, schema: &'static table::Block) {
        let name = attribute.name.as_str();
        if schema.block(name).is_some() {
            let message = format!("`{name}` is a block, not an attribute");
            let problem = Problem::new(Code::WrongShape, attribute.span, message);
            self.problems
                .push(problem.hint(format!("write `{name} {{ ... }}`, without `=`")));
            return;
        }
        let message = match schema.name {
            "" => format!("the attribute `{name}` stands outside of all blocks"),
            kind => format!("unknown attribute `{name}` in `{kind}`"),
        };
        let problem = Problem::new(Code::UnknownAttribute, attribute.span, message);
        self.problems
            .push(problem.maybe_hint(unknown(name, schema)));
    }

    fn unknown_block(&mut self, block: &Block, schema: &'static table::Block) {
        let kind = block.kind.as_str();
        if schema.attribute(kind).is_some() {
            let message = format!("`{kind}` is an attribute, not a block");
            let problem = Problem::new(Code::WrongShape, block.span, message);
            self.problems
                .push(problem.hint(format!("write `{kind} = ...`")));
            return;
        }
        let message = match schema.name {
            "" => format!("unknown block `{kind}`"),
            outer => format!("unknown block `{kind}` in `{outer}`"),
        };
        let problem = Problem::new(Code::UnknownBlock, block.span, message);
        self.problems
            .push(problem.maybe_hint(unknown(kind, schema)));
    }
}

/// A hint for a name that the block does not have.
fn unknown(name: &str, schema: &'static table::Block) -> Option<String> {
    let place = if schema.name == DEFAULTS.name {
        CHECK.name
    } else {
        schema.name
    };
    let mut later = LATER.iter().filter(|(block, _)| *block == place);
    if later.any(|(_, names)| names.contains(&name)) {
        return Some(format!("this version of lokahi does not have `{name}` yet"));
    }
    let attributes = schema.attributes.iter().map(|attribute| attribute.name);
    let blocks = schema.blocks.iter().map(|block| block.name);
    did_you_mean(name, attributes.chain(blocks)).or_else(|| {
        let mut deeper = schema.blocks.iter();
        let home = deeper.find(|block| block.attribute(name).is_some())?;
        Some(format!(
            "`{name}` stands in a `{} {{ ... }}` block",
            home.name
        ))
    })
}
