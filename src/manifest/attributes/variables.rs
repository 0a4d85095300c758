//! The blocks of values with names: variables, the rules for them, and locals.

use crate::manifest::table::{Block, Label, Meta};

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
