//! The rows of who hears of a check, and how it may end.

use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Show};
use crate::manifest::values;
use crate::model::check::{CheckSpec, WhileFlapping};

pub const NOTIFY: Block = Block {
    name: "notify",
    label: Label::None,
    about: "Who hears of the check.",
    attributes: &[
        Attribute {
            name: "webhooks",
            kind: "list of receivers",
            default: "[]",
            bounds: "32 receivers",
            about: "The receivers of its events.",
            example: "[webhook.oncall]",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.receivers = values::receivers(node, CheckSpec::MAX_RECEIVERS)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::receivers(&spec.receivers)),
        },
        Attribute {
            name: "flapping",
            kind: "string",
            default: "\"tell\"",
            bounds: "\"tell\", \"hold\"",
            about: "What they hear while it goes up and down too often: each change, or that it does so, once, and what it came to.",
            example: "\"hold\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let flapping = values::string(node, values::ANY)?.parse();
                draft.check.flapping = values::placed(node, flapping)?;
                Ok(())
            },
            show: Show::Check(|spec| match spec.flapping {
                WhileFlapping::Tell => Literal::Null,
                flapping => Literal::text(flapping),
            }),
        },
    ],
    meta: &[],
    blocks: &[],
};

pub const LIFECYCLE: Block = Block {
    name: "lifecycle",
    label: Label::None,
    about: "How the check may end.",
    attributes: &[Attribute {
        name: "prevent_destroy",
        kind: "bool",
        default: "false",
        bounds: "",
        about: "Whether an apply that deletes the check is refused. It must be false, and applied, before the check can go.",
        example: "true",
        merge: Merge::Replace,
        set: |draft, node| {
            draft.check.prevent_destroy = values::boolean(node)?;
            Ok(())
        },
        show: Show::Check(|spec| Literal::Bool(spec.prevent_destroy)),
    }],
    meta: &[],
    blocks: &[],
};
