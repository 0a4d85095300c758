//! From trees to declarations: which blocks there are, under which names. Nothing is
//! evaluated here, and checks stay as text until everything they may refer to is known.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::ast::{Attribute, Block, Expression, Item};
use crate::manifest::attributes::check::CHECK;
use crate::manifest::attributes::maintenance::MAINTENANCE;
use crate::manifest::attributes::moves::{IMPORT, MOVED, REMOVED};
use crate::manifest::attributes::root::LOKAHI;
use crate::manifest::attributes::variables::{LOCALS, VARIABLE};
use crate::manifest::attributes::webhook::WEBHOOK;
use crate::manifest::attributes::{DEFAULTS, FILE, TEMPLATE};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::parse::{Lost, Part, parse};
use crate::manifest::read::Outlined;
use crate::manifest::source::{Sources, Span};
use crate::manifest::suggest::{as_name, did_you_mean};
use crate::manifest::table::{self, Label};
use crate::model::name::Name;

/// What could not be read: what it may have declared is unknown, not missing.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// A file could not be looked into at all.
    pub(super) blind: bool,
    /// The labels of blocks that could not be parsed, by type.
    lost: BTreeMap<String, BTreeSet<Option<String>>>,
}

impl Gaps {
    /// Takes note of a block that could not be parsed.
    pub(super) fn lose(&mut self, lost: Lost) {
        self.lost.entry(lost.kind).or_default().insert(lost.label);
    }

    /// Whether a block of this type, and of this name if one is given, may stand in what
    /// could not be read.
    pub(super) fn may_hold(&self, kind: &str, name: Option<&str>) -> bool {
        let named = |labels: &BTreeSet<Option<String>>| {
            name.is_none() || labels.contains(&None) || labels.contains(&name.map(str::to_owned))
        };
        self.blind || self.lost.get(kind).is_some_and(named)
    }
}

/// A part of a file that is parsed later.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) file: u32,
    pub(super) part: Part,
}

/// Whose files they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Library {
    No,
    Yes,
}

/// What the files declare.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    pub(super) root: Option<Block>,
    pub(super) variables: BTreeMap<String, Block>,
    pub(super) locals: BTreeMap<String, (Span, Expression)>,
    pub(super) webhooks: BTreeMap<Name, Block>,
    pub(super) templates: BTreeMap<Name, Block>,
    pub(super) maintenances: BTreeMap<Name, Block>,
    /// By folder.
    pub(super) defaults: BTreeMap<String, Block>,
    /// `moved`, `removed` and `import`, in the order of the files.
    pub(super) moves: Vec<Block>,
    /// Receivers, templates and maintenances whose names are none: nothing can use them, and
    /// mistakes in them are told all the same.
    pub(super) nameless: Vec<Block>,
    /// Checks that did not stand where they were looked for.
    pub(super) early: Vec<Block>,
    /// Parts that begin with a check, in the order of the files.
    pub(super) checks: Vec<Late>,
    /// The files of libraries.
    pub(super) shared: BTreeSet<u32>,
    pub(super) problems: Vec<Problem>,
}

impl Declarations {
    /// Takes a file. A library declares no checks, and nothing about a root.
    pub(super) fn file(
        &mut self,
        outlined: Outlined,
        library: Library,
        sources: &Sources,
        gaps: &mut Gaps,
    ) {
        let file = outlined.file;
        if library == Library::Yes {
            self.shared.insert(file);
        }
        for part in outlined.parts {
            if part.kind == CHECK.name && library == Library::No {
                self.checks.push(Late { file, part });
                continue;
            }
            let (parsed, lost) = parse(file, sources.text(file), &part);
            self.problems.extend(parsed.problems);
            lost.into_iter().for_each(|lost| gaps.lose(lost));
            for item in parsed.body.items {
                match item {
                    Item::Attribute(attribute) => {
                        self.problems.push(unknown_attribute(&attribute, &FILE));
                    }
                    Item::Block(block) => self.block(block, library, sources.folder(file)),
                }
            }
        }
    }

    fn block(&mut self, block: Block, library: Library, folder: &str) {
        let Some(schema) = FILE.block(&block.kind) else {
            return self.problems.push(unknown_block(&block, &FILE));
        };
        let kind = schema.name;
        let shared = [VARIABLE.name, LOCALS.name, WEBHOOK.name, TEMPLATE.name];
        if library == Library::Yes && !shared.contains(&kind) {
            let message = format!("a library folder cannot have a `{kind}` block");
            let problem = Problem::new(Code::InvalidInclude, block.span, message);
            return self.problems.push(
                problem.hint(
                    "it holds variables, locals, templates and webhooks; put this into a root",
                ),
            );
        }
        let label = match label(&block, schema) {
            Ok(label) => label,
            Err(problem) => {
                self.problems.push(problem);
                if [WEBHOOK.name, TEMPLATE.name, MAINTENANCE.name].contains(&kind) {
                    self.nameless.push(block);
                }
                return;
            }
        };
        let (span, twice) = (block.span, |first: Option<&Block>| {
            first.map(|first| first.span)
        });
        let first = match (kind, label) {
            (kind, _) if kind == LOKAHI.name => {
                let first = twice(self.root.as_ref());
                if first.is_none() {
                    self.root = Some(block);
                }
                first
            }
            (kind, _) if kind == DEFAULTS.name => {
                let first = twice(self.defaults.get(folder));
                if first.is_none() {
                    self.defaults.insert(folder.to_owned(), block);
                }
                first
            }
            (kind, _) if kind == LOCALS.name => {
                self.local_block(block);
                None
            }
            (kind, _) if [MOVED.name, REMOVED.name, IMPORT.name].contains(&kind) => {
                self.moves.push(block);
                None
            }
            (kind, Some(name)) if kind == VARIABLE.name => {
                if name.as_str().contains('-') {
                    let message =
                        "the name of a variable has no `-`, so that the environment can hold it";
                    let problem = Problem::new(Code::InvalidName, span, message);
                    let better = name.as_str().replace('-', "_");
                    self.problems
                        .push(problem.hint(format!("call it `{better}`")));
                }
                let first = twice(self.variables.get(name.as_str()));
                if first.is_none() {
                    self.variables.insert(name.to_string(), block);
                }
                first
            }
            (kind, Some(name)) if kind == WEBHOOK.name => keep(&mut self.webhooks, name, block),
            (kind, Some(name)) if kind == TEMPLATE.name => keep(&mut self.templates, name, block),
            (kind, Some(name)) if kind == MAINTENANCE.name => {
                keep(&mut self.maintenances, name, block)
            }
            _ => {
                self.early.push(block);
                None
            }
        };
        if let Some(first) = first {
            let what = match kind {
                "lokahi" => "a root has one `lokahi` block".to_owned(),
                "defaults" => "a folder has one `defaults` block".to_owned(),
                kind => format!("this {kind} is declared twice"),
            };
            self.problems.push(declared_twice(span, first, what));
        }
    }

    fn local_block(&mut self, block: Block) {
        for item in block.body.items {
            match item {
                Item::Attribute(attribute) => {
                    if let Err(error) = attribute.name.parse::<Name>() {
                        let message = error.to_string();
                        let problem = Problem::new(Code::InvalidName, attribute.span, message);
                        self.problems.push(problem);
                        continue;
                    }
                    match self.locals.get(&attribute.name).map(|(first, _)| *first) {
                        Some(first) => {
                            let what = format!("the local `{}` is declared twice", attribute.name);
                            self.problems
                                .push(declared_twice(attribute.span, first, what));
                        }
                        None => {
                            self.locals
                                .insert(attribute.name, (attribute.span, attribute.value));
                        }
                    }
                }
                Item::Block(inner) => self.problems.push(unknown_block(&inner, &LOCALS)),
            }
        }
    }
}

/// Keeps a block under its name; the place of the one that has it already, if there is one.
fn keep(blocks: &mut BTreeMap<Name, Block>, name: Name, block: Block) -> Option<Span> {
    match blocks.get(&name) {
        Some(first) => Some(first.span),
        None => {
            blocks.insert(name, block);
            None
        }
    }
}

/// A second declaration, with the place of the first.
pub(super) fn declared_twice(span: Span, first: Span, message: impl Into<String>) -> Problem {
    Problem::new(Code::DeclaredTwice, span, message).also(first, "the first is here")
}

/// The label of a block as a name, if it has one.
pub(super) fn label(block: &Block, schema: &table::Block) -> Result<Option<Name>, Problem> {
    let kind = schema.name;
    Err(match (schema.label, block.labels.as_slice()) {
        (Label::None | Label::Optional, []) => return Ok(None),
        (Label::Optional | Label::Name | Label::Instance, [(text, span)])
        | (Label::Instance, [(text, span), _]) => match text.parse() {
            Ok(name) => return Ok(Some(name)),
            Err(error) => {
                let error: crate::model::name::InvalidName = error;
                let problem = Problem::new(Code::InvalidName, *span, error.to_string());
                let better = as_name(text).map(|name| format!("call it \"{name}\""));
                problem.maybe_hint(better)
            }
        },
        (Label::None, [(_, span), ..]) => {
            Problem::new(Code::WrongLabels, *span, format!("`{kind}` has no label"))
        }
        (Label::Name | Label::Instance, []) => Problem::new(
            Code::WrongLabels,
            block.span,
            format!("`{kind}` needs a name"),
        )
        .hint(format!("write `{kind} \"name\" {{`")),
        (Label::Instance, [_, _, (_, span), ..]) => Problem::new(
            Code::WrongLabels,
            *span,
            format!("`{kind}` has a name, and one key at most"),
        ),
        (_, [_, (_, span), ..]) => Problem::new(
            Code::WrongLabels,
            *span,
            format!("`{kind}` has one label only"),
        ),
    })
}

/// An attribute that the block does not have.
pub(super) fn unknown_attribute(attribute: &Attribute, schema: &'static table::Block) -> Problem {
    let name = attribute.name.as_str();
    if schema.block(name).is_some() {
        let message = format!("`{name}` is a block, not an attribute");
        return Problem::new(Code::WrongShape, attribute.span, message)
            .hint(format!("write `{name} {{ ... }}`, without `=`"));
    }
    let message = match schema.name {
        "" => format!("the attribute `{name}` stands outside of all blocks"),
        kind => format!("unknown attribute `{name}` in `{kind}`"),
    };
    Problem::new(Code::UnknownAttribute, attribute.span, message).maybe_hint(unknown(name, schema))
}

/// A block that may not stand there.
pub(super) fn unknown_block(block: &Block, schema: &'static table::Block) -> Problem {
    let kind = block.kind.as_str();
    if schema.attribute(kind).is_some() || schema.meta(kind).is_some() {
        let message = format!("`{kind}` is an attribute, not a block");
        return Problem::new(Code::WrongShape, block.span, message)
            .hint(format!("write `{kind} = ...`"));
    }
    let message = match schema.name {
        "" => format!("unknown block `{kind}`"),
        outer => format!("unknown block `{kind}` in `{outer}`"),
    };
    Problem::new(Code::UnknownBlock, block.span, message).maybe_hint(unknown(kind, schema))
}

/// What checks are called elsewhere, too far from the name here to be taken for a slip.
const HABITS: &[(&str, &str)] = &[
    (
        "count",
        "there is no `count`: for several write `for_each = toset([\"a\", \"b\"])`, and each.key where they differ; for one or none `for_each = CONDITION ? toset([\"x\"]) : toset([])`, or `enabled = CONDITION`",
    ),
    (
        "dynamic",
        "blocks are written out; what differs in them can hang on each.value",
    ),
    (
        "depends_on",
        "checks do not wait for one another: take it out",
    ),
    ("frequency", "write `every = \"60s\"`"),
    ("interval", "write `every = \"60s\"`"),
    ("period", "write `every = \"60s\"`"),
    ("tags", "write `labels = { team = \"web\" }`"),
];

/// Blocks of Terraform, and what does their work here.
const OUTER_HABITS: &[(&str, &str)] = &[
    (
        "data",
        "there is none here: `file`, variables and locals have the values",
    ),
    (
        "module",
        "write `include = [\"../shared\"]` in `lokahi`, or a `template`",
    ),
    (
        "output",
        "`lokahictl render --output json` has every value: take it out",
    ),
    ("provider", "the server is lokahictl's to know: take it out"),
    ("resource", "write `check \"name\" { ... }`"),
    ("terraform", "write `lokahi { project = \"name\" }`"),
];

/// A hint for a name that the block does not have.
fn unknown(name: &str, schema: &'static table::Block) -> Option<String> {
    let place = match schema.name {
        place if place == DEFAULTS.name || place == TEMPLATE.name => CHECK.name,
        place => place,
    };
    if place == CHECK.name && schema.name != CHECK.name && CHECK.meta(name).is_some() {
        return Some(format!("`{name}` stands in a check itself"));
    }
    let habits = match place {
        "" => OUTER_HABITS,
        place if place == CHECK.name => HABITS,
        _ => &[],
    };
    if let Some((_, here)) = habits.iter().find(|(habit, _)| *habit == name) {
        return Some((*here).to_owned());
    }
    did_you_mean(name, schema.names()).or_else(|| {
        let has = |block: &&table::Block| block.attribute(name).is_some();
        // Of what stands in several, a check is what most files are of.
        let check = schema
            .blocks
            .iter()
            .filter(|block| block.name == CHECK.name);
        let home = check.chain(schema.blocks).find(has)?;
        Some(format!(
            "`{name}` stands in a `{} {{ ... }}` block",
            home.name
        ))
    })
}
