//! The block about a root as a whole: what it is called, and what holds for all that it declares.

use crate::manifest::eval::value::Node;
use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Meta, Show};
use crate::manifest::values::{self, Read};
use crate::model::desired::{Limits, ProjectSpec};

pub const LOKAHI: Block = Block {
    name: "lokahi",
    label: Label::None,
    about: "Makes the folder a root: one project.",
    attributes: &[
        Attribute {
            name: "project",
            kind: "name",
            default: "",
            bounds: "100 characters",
            about: "The project that everything below the folder belongs to.",
            example: "\"shop\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.project = Some(values::project(node)?);
                Ok(())
            },
            show: Show::Nowhere,
        },
        Attribute {
            name: "operators",
            kind: "list of receivers",
            default: "[]",
            bounds: "32 receivers, whose format is json or alertmanager",
            about: "Who hears of the project itself: of an apply that is held or fails, and of drift.",
            example: "[webhook.platform]",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.project_spec.operators = values::receivers(node, ProjectSpec::MAX_OPERATORS)?;
                Ok(())
            },
            show: Show::Project(|spec| Literal::receivers(&spec.operators)),
        },
        Attribute {
            name: "max_deletes",
            kind: "number",
            default: "30 % of the live checks, between 3 and 25",
            bounds: "0 to 1,000,000",
            about: "How many checks may be deleted at once before a guard holds it. A higher number counts from the next apply.",
            example: "100",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.project_spec.limits.deletes = Some(limit(node)?);
                Ok(())
            },
            show: Show::Project(|spec| Literal::number(spec.limits.deletes)),
        },
        Attribute {
            name: "max_silence",
            kind: "number",
            default: "10 % of the live checks, between 3 and 25",
            bounds: "0 to 1,000,000",
            about: "How many checks may fall silent at once before a guard holds it. A higher number counts from the next apply.",
            example: "40",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.project_spec.limits.silence = Some(limit(node)?);
                Ok(())
            },
            show: Show::Project(|spec| Literal::number(spec.limits.silence)),
        },
        Attribute {
            name: "max_changes",
            kind: "number",
            default: "30 % of the live checks, 25 at least",
            bounds: "0 to 1,000,000",
            about: "How many checks may look at another host or for something else at once before a guard holds it. A higher number counts from the next apply.",
            example: "200",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.project_spec.limits.changes = Some(limit(node)?);
                Ok(())
            },
            show: Show::Project(|spec| Literal::number(spec.limits.changes)),
        },
    ],
    meta: &[
        Meta {
            name: "required_version",
            kind: "string",
            default: "any",
            about: "The versions of lokahi that may read these files.",
            example: "\">= 0.1, < 1.0\"",
        },
        Meta {
            name: "include",
            kind: "list of strings",
            default: "[]",
            about: "Library folders: their templates, locals, variables and webhooks are this root's too. Literal, since it says what is read.",
            example: "[\"../shared\"]",
        },
    ],
    blocks: &[],
};

/// How many checks a guard lets pass.
fn limit(node: &Node) -> Read<u32> {
    let number = values::integer(node, 0, Limits::MAX.into())?;
    Ok(u32::try_from(number).unwrap_or(Limits::MAX))
}
