//! The blocks that say what became of a name: renamed, no longer declared, adopted from the API.

use crate::manifest::table::{Block, Label, Meta};

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
