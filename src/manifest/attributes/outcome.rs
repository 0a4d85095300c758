//! The rows of who hears of a check, and how it may end.

use std::time::Duration;

use crate::manifest::eval::value::Node;
use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Show};
use crate::manifest::values::{self, Read};
use crate::model::check::{CheckSpec, Grouping, WhileFlapping};
use crate::model::value::valid_label;

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
        Attribute {
            name: "repeat",
            kind: "duration",
            default: "never",
            bounds: "\"1m\" to \"7d\", whole seconds",
            about: "After this time they are told again of an outage that goes on, again and again, unless somebody has acknowledged it: `check.reminder`.",
            example: "\"4h\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.repeat = Some(seconds(node, CheckSpec::REPEAT)?);
                Ok(())
            },
            show: Show::Check(|spec| spec.repeat.map_or(Literal::Null, Literal::duration)),
        },
        Attribute {
            name: "group_by",
            kind: "list of strings",
            default: "each event by itself",
            bounds: "8 names of labels",
            about: "Events of checks that have the same values of these labels, and notify the same receiver, are told in one message: `group`. With `[]`, those of all checks of the project that say so. Receivers with `format = \"protobuf\"` get each event by itself, at once.",
            example: "[\"team\"]",
            merge: Merge::Replace,
            set: |draft, node| {
                let items = values::list(node, Grouping::MAX_BY)?;
                let mut by = Vec::with_capacity(items.len());
                for item in items {
                    let name = values::string(item, values::ANY)?;
                    values::placed(item, valid_label(name, ""))?;
                    by.push(name.to_owned());
                }
                by.sort_unstable();
                by.dedup();
                draft.check.grouping.get_or_insert_default().by = by;
                Ok(())
            },
            show: Show::Check(|spec| match &spec.grouping {
                None => Literal::Null,
                Some(grouping) => Literal::items(grouping.by.iter().map(Literal::text)),
            }),
        },
        Attribute {
            name: "group_wait",
            kind: "duration",
            default: "\"30s\" with `group_by`",
            bounds: "\"1s\" to \"10m\", whole seconds",
            about: "How long the first event of a message waits for others.",
            example: "\"10s\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.group_wait = Some(seconds(node, Grouping::WAIT)?);
                Ok(())
            },
            show: Show::Check(|spec| match &spec.grouping {
                None => Literal::Null,
                Some(grouping) => Literal::duration(grouping.wait),
            }),
        },
    ],
    meta: &[],
    blocks: &[],
};

/// Whole seconds between two bounds.
fn seconds(node: &Node, (least, most): (Duration, Duration)) -> Read<Duration> {
    let bound = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    values::whole(node, values::bounded(node, bound(least), bound(most))?)
}

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
