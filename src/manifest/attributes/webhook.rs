//! The rows of receivers.

use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Show};
use crate::manifest::values;
use crate::model::webhook::EventType;

pub const WEBHOOK: Block = Block {
    name: "webhook",
    label: Label::Name,
    about: "A receiver of events.",
    attributes: &[
        Attribute {
            name: "url",
            kind: "URL",
            default: "",
            bounds: "2048 bytes, http or https; or a secret as a whole",
            about: "Where events are POSTed to.",
            example: "\"https://hooks.example.com/lokahi\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.webhook_url = Some(values::receiver_url(node)?);
                Ok(())
            },
            show: Show::Webhook(|spec| Literal::receiver(&spec.url)),
        },
        Attribute {
            name: "format",
            kind: "string",
            default: "\"protobuf\"",
            bounds: "\"protobuf\", \"json\"",
            about: "How events are written.",
            example: "\"json\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.webhook_format = values::format(node)?;
                Ok(())
            },
            show: Show::Webhook(|spec| Literal::text(spec.format)),
        },
        Attribute {
            name: "events",
            kind: "list of strings",
            default: "[]",
            bounds: "types of [events](wire.md#webhooks)",
            about: "Which events it gets; the end of what it was told comes in any case. Without it: all that its format knows, but for `check.stale`.",
            example: "[\"check.down\", \"check.error\", \"check.stale\"]",
            merge: Merge::Replace,
            set: |draft, node| {
                let items = values::list(node, EventType::ALL.len())?;
                let events = items.iter().map(|item| {
                    let event = values::string(item, values::ANY)?.parse();
                    values::placed(item, event)
                });
                let mut events = events.collect::<Result<Vec<_>, _>>()?;
                events.sort_unstable();
                events.dedup();
                draft.webhook_events = events;
                Ok(())
            },
            show: Show::Webhook(|spec| match spec.events.as_slice() {
                [] => Literal::Null,
                events => Literal::items(events.iter().map(Literal::text)),
            }),
        },
    ],
    meta: &[],
    blocks: &[],
};
