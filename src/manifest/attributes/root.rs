//! The blocks about a root as a whole: what it is called, values with names, what was renamed.

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

pub const VARIABLE: Block = Block {
    name: "variable",
    label: Label::Name,
    about: "A value that is given from outside: by `--var NAME=VALUE`, a file of `--var-file`, or LOKAHI_VAR_NAME; the first of them that has it counts. It is `var.NAME`.",
    attributes: &[],
    meta: &[
        Meta {
            name: "type",
            kind: "type",
            default: "any",
            about: "string, number, bool, list(...), set(...), map(...), object({...}), tuple([...]) or any; an attribute of an object may be optional(...).",
            example: "list(string)",
        },
        Meta {
            name: "default",
            kind: "any",
            default: "none",
            about: "The value when none is given; `env` may be called here.",
            example: "env(\"LOKAHI_ENV\", \"prod\")",
        },
        Meta {
            name: "description",
            kind: "string",
            default: "\"\"",
            about: "What it is for.",
            example: "\"Which installation this is.\"",
        },
        Meta {
            name: "sensitive",
            kind: "bool",
            default: "false",
            about: "Its value is never shown, and refused where it would be stored with a check.",
            example: "true",
        },
    ],
    blocks: &[VALIDATION],
};

pub const VALIDATION: Block = Block {
    name: "validation",
    label: Label::None,
    about: "A rule for the value of the variable.",
    attributes: &[],
    meta: &[
        Meta {
            name: "condition",
            kind: "bool",
            default: "",
            about: "What must be true of the value.",
            example: "contains([\"prod\", \"test\"], var.env)",
        },
        Meta {
            name: "error_message",
            kind: "string",
            default: "",
            about: "What is said when it is not.",
            example: "\"The environment is prod or test.\"",
        },
    ],
    blocks: &[],
};

pub const LOCALS: Block = Block {
    name: "locals",
    label: Label::None,
    about: "Values with names, in any number of blocks and any order. Each is `local.NAME`.",
    attributes: &[],
    meta: &[],
    blocks: &[],
};

pub const MOVED: Block = Block {
    name: "moved",
    label: Label::None,
    about: "A check or receiver has a new name, and keeps its history.",
    attributes: &[],
    meta: &[
        Meta {
            name: "from",
            kind: "address",
            default: "",
            about: "What it was called.",
            example: "check.landing_page",
        },
        Meta {
            name: "to",
            kind: "address",
            default: "",
            about: "What it is called now.",
            example: "check.homepage",
        },
    ],
    blocks: &[],
};

pub const REMOVED: Block = Block {
    name: "removed",
    label: Label::None,
    about: "A check or receiver is no longer declared.",
    attributes: &[],
    meta: &[
        Meta {
            name: "from",
            kind: "address",
            default: "",
            about: "What it was called.",
            example: "check.landing_page",
        },
        Meta {
            name: "action",
            kind: "string",
            default: "\"delete\"",
            about: "\"delete\", or \"release\": from then on it belongs to the API.",
            example: "\"release\"",
        },
    ],
    blocks: &[],
};

pub const IMPORT: Block = Block {
    name: "import",
    label: Label::None,
    about: "A check that the API created becomes one of the files, with its history.",
    attributes: &[],
    meta: &[
        Meta {
            name: "id",
            kind: "string",
            default: "",
            about: "Its id.",
            example: "\"0197f3a0-0000-7000-8000-000000000000\"",
        },
        Meta {
            name: "to",
            kind: "address",
            default: "",
            about: "What it is called in the files.",
            example: "check.homepage",
        },
    ],
    blocks: &[],
};
