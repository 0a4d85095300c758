//! What a row of the attribute table is; `attributes` has the rows. The decoder,
//! the suggestions, the plan's field-by-field diff and the language's page all
//! read them.

use std::time::Duration;

use crate::manifest::attributes::access::AuthDraft;
use crate::manifest::attributes::maintenance::MaintenanceDraft;
use crate::manifest::eval::typing::Type;
use crate::manifest::eval::value::Node;
use crate::manifest::literal::Literal;
use crate::manifest::values::Read;
use crate::model::check::{Assert, CheckSpec, Every};
use crate::model::desired::ProjectSpec;
use crate::model::maintenance::Maintenance;
use crate::model::name::Name;
use crate::model::value::HttpUrl;
use crate::model::webhook::{ReceiverUrl, WebhookFormat, WebhookSpec};

/// What the rows fill in: one object while it is built.
pub struct Draft {
    pub project: Option<Name>,
    pub project_spec: ProjectSpec,
    /// A receiver's URL; in a check that of its implicit one.
    pub webhook_url: Option<ReceiverUrl>,
    pub webhook_format: WebhookFormat,
    /// What else a receiver has; its URL and format are not looked at.
    pub webhook: WebhookSpec,
    /// The check; of no use before its `url` was set.
    pub check: CheckSpec,
    /// How long events wait for others, if they are told together at all.
    pub group_wait: Option<Duration>,
    /// What `auth` says, which is one of several things.
    pub auth: AuthDraft,
    /// The assert that is being filled in.
    pub assert: Assert,
    pub maintenance: MaintenanceDraft,
}

/// How an attribute of a nearer block meets that of an outer one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// It replaces it.
    Replace,
    /// Key by key.
    Keys,
    /// Key by key, where case does not count.
    Headers,
}

/// How a plan shows the attribute.
pub enum Show {
    Nowhere,
    Project(fn(&ProjectSpec) -> Literal),
    Webhook(fn(&WebhookSpec) -> Literal),
    Maintenance(fn(&Maintenance) -> Literal),
    Check(fn(&CheckSpec) -> Literal),
    Assert(fn(&Assert) -> Literal),
}

/// An attribute.
pub struct Attribute {
    pub name: &'static str,
    /// The type, for people.
    pub kind: &'static str,
    /// What holds without it; empty if it is required.
    pub default: &'static str,
    pub bounds: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// A value, as it is written.
    pub example: &'static str,
    pub merge: Merge,
    /// Reads the value into the draft.
    pub set: fn(&mut Draft, &Node) -> Read<()>,
    pub show: Show,
}

/// How many labels a block has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    None,
    /// One, a name, or none.
    Optional,
    /// One, a name.
    Name,
    /// A name; and a second one, the key of an instance that is written out.
    Instance,
}

/// An attribute that says something about the block instead of going into what it
/// declares. Whoever reads the block knows it by name.
#[derive(Debug)]
pub struct Meta {
    pub name: &'static str,
    /// The type, for people.
    pub kind: &'static str,
    /// What holds without it; empty if it is required.
    pub default: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// A value, as it is written.
    pub example: &'static str,
}

/// A type of block.
pub struct Block {
    pub name: &'static str,
    pub label: Label,
    pub about: &'static str,
    pub attributes: &'static [Attribute],
    pub meta: &'static [Meta],
    pub blocks: &'static [Self],
}

impl Attribute {
    /// The type of its values, as far as the evaluator has one.
    pub fn wants(&self) -> Type {
        match self.kind {
            "URL" | "name" | "duration" | "string" => Type::String,
            "number" => Type::Number,
            "bool" => Type::Bool,
            "object of strings" => Type::Map(Box::new(Type::String)),
            kind if kind.starts_with("list of ") => Type::List(Box::new(Type::Any)),
            _ => Type::Any,
        }
    }

    /// Whether the block is wrong without it.
    pub fn required(&self) -> bool {
        self.default.is_empty()
    }
}

impl Block {
    /// The attribute of this name, and its place in the table.
    pub fn attribute(&self, name: &str) -> Option<(usize, &'static Attribute)> {
        let mut rows = self.attributes.iter().enumerate();
        rows.find(|(_, attribute)| attribute.name == name)
    }

    /// The attribute of this name that is about the block itself.
    pub fn meta(&self, name: &str) -> Option<&'static Meta> {
        self.meta.iter().find(|meta| meta.name == name)
    }

    /// The names of all that may stand in it.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let attributes = self.attributes.iter().map(|attribute| attribute.name);
        let meta = self.meta.iter().map(|meta| meta.name);
        let blocks = self.blocks.iter().map(|block| block.name);
        attributes.chain(meta).chain(blocks)
    }

    /// The blocks inside this one that have no label and stand there once.
    pub fn once(&self) -> impl Iterator<Item = &'static Self> + use<> {
        let blocks = self.blocks.iter();
        blocks.filter(|block| matches!(block.label, Label::None))
    }

    /// The block of this name inside this one.
    pub fn block(&self, name: &str) -> Option<&'static Self> {
        self.blocks.iter().find(|block| block.name == name)
    }
}

impl Draft {
    /// Every default.
    #[expect(clippy::expect_used, reason = "the text is a constant")]
    pub fn new() -> Self {
        let url: HttpUrl = "http://localhost/".parse().expect("a URL");
        Self {
            project: None,
            project_spec: ProjectSpec::default(),
            webhook_url: None,
            webhook_format: WebhookFormat::default(),
            webhook: WebhookSpec::new(url.clone().into(), WebhookFormat::default()),
            check: CheckSpec {
                asserts: Vec::new(),
                ..CheckSpec::new(url)
            },
            group_wait: None,
            auth: AuthDraft::default(),
            assert: Assert::default(),
            maintenance: MaintenanceDraft::default(),
        }
    }

    /// The same with a period that no timeout exceeds: for looking at one block
    /// before it meets the others.
    #[expect(clippy::expect_used, reason = "the number is a constant")]
    pub fn loose() -> Self {
        let mut draft = Self::new();
        draft.check.every = Every::from_seconds(i64::from(Every::MAX)).expect("in bounds");
        draft
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self::new()
    }
}
