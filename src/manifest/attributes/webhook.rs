//! The rows of receivers.

use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Show};
use crate::manifest::values::{self};

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
    ],
    meta: &[],
    blocks: &[],
};
