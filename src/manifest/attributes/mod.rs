//! The attribute table: everything that may stand in a file, once.
//!
//! To add an attribute: a field in `model`, its value in the encoding of `spec`,
//! and one row here. The decoder accepts what stands here and nothing else, so a
//! row arrives together with the engine that obeys it.

pub mod access;
pub mod assert;
pub mod check;
pub mod maintenance;
pub mod outcome;
pub mod root;
pub mod variables;
pub mod moves;
pub mod webhook;

use crate::manifest::attributes::check::CHECK;
use crate::manifest::attributes::maintenance::MAINTENANCE;
use crate::manifest::attributes::moves::{IMPORT, MOVED, REMOVED};
use crate::manifest::attributes::root::LOKAHI;
use crate::manifest::attributes::variables::{LOCALS, VARIABLE};
use crate::manifest::attributes::webhook::WEBHOOK;
use crate::manifest::table::{Block, Label};

/// A file: what stands outside all blocks.
pub static FILE: Block = Block {
    name: "",
    label: Label::None,
    about: "A check file.",
    attributes: &[],
    meta: &[],
    blocks: &[
        LOKAHI,
        VARIABLE,
        LOCALS,
        WEBHOOK,
        DEFAULTS,
        TEMPLATE,
        CHECK,
        MAINTENANCE,
        MOVED,
        REMOVED,
        IMPORT,
    ],
};

pub const DEFAULTS: Block = Block {
    name: "defaults",
    label: Label::None,
    about: "What holds for the checks of this folder and of those below, unless something nearer says else.",
    attributes: CHECK.attributes,
    meta: &[],
    blocks: CHECK.blocks,
};

pub const TEMPLATE: Block = Block {
    name: "template",
    label: Label::Name,
    about: "What the checks that name it in `use` have in common.",
    attributes: CHECK.attributes,
    meta: &[],
    blocks: CHECK.blocks,
};
