//! The rows of receivers.

use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Show};
use crate::manifest::values;
use crate::model::secret::SecretName;
use crate::model::webhook::{AttemptTimeout, EventType, WebhookSpec, valid_event_header};

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
            bounds: "\"protobuf\", \"json\", \"alertmanager\"",
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
            about: "Which events it gets; the end of what it was told comes in any case, to one of `protobuf` as far as that knows it. Without it: all that its format knows, but for `check.stale`.",
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
                draft.webhook.events = events;
                Ok(())
            },
            show: Show::Webhook(|spec| match spec.events.as_slice() {
                [] => Literal::Null,
                events => Literal::items(events.iter().map(Literal::text)),
            }),
        },
        Attribute {
            name: "secrets",
            kind: "list of secrets",
            default: "[]",
            bounds: "4 secrets",
            about: "What each event is [signed](wire.md#signatures) with; two, while receivers go over from the one to the other. Each is the base64 of 24 to 64 bytes, with or without `whsec_` before it. Without any, events are not signed.",
            example: "[secret(\"oncall-signing\")]",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.webhook.secrets = values::secrets(node, WebhookSpec::MAX_SECRETS)?;
                Ok(())
            },
            show: Show::Webhook(|spec| {
                let reference = |name: &SecretName| Literal::Reference(name.to_string());
                Literal::items(spec.secrets.iter().map(reference))
            }),
        },
        Attribute {
            name: "headers",
            kind: "object of strings",
            default: "{}",
            bounds: "32 headers, 8 KiB each; secrets may stand in the values",
            about: "Headers that are sent besides lokahi's own, none of which can be set here.",
            example: "{ authorization = \"Bearer ${secret(\"oncall-token\")}\" }",
            merge: Merge::Headers,
            set: |draft, node| {
                let most = WebhookSpec::MAX_HEADERS;
                draft.webhook.headers = values::headers(node, most, valid_event_header)?;
                Ok(())
            },
            show: Show::Webhook(|spec| Literal::headers(&spec.headers)),
        },
        Attribute {
            name: "timeout",
            kind: "duration",
            default: "\"15s\"",
            bounds: "1s to 60s",
            about: "How long one attempt to send an event may take.",
            example: "\"5s\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let read = values::bounded(node, AttemptTimeout::MIN, AttemptTimeout::MAX)?;
                let milliseconds = i64::try_from(read.as_millis()).unwrap_or(i64::MAX);
                let timeout = AttemptTimeout::from_milliseconds(milliseconds);
                draft.webhook.timeout = values::placed(node, timeout)?;
                Ok(())
            },
            show: Show::Webhook(|spec| {
                Literal::unless_default(spec.timeout, AttemptTimeout::default(), |timeout| {
                    Literal::duration(timeout.duration())
                })
            }),
        },
        Attribute {
            name: "fallback",
            kind: "receiver",
            default: "none",
            bounds: "not the webhook itself, nor one whose fallbacks lead back to it",
            about: "The receiver that also gets what has not arrived here after two minutes.",
            example: "webhook.platform",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.webhook.fallback = Some(values::receiver(node)?);
                Ok(())
            },
            show: Show::Webhook(|spec| match &spec.fallback {
                Some(name) => Literal::Reference(format!("webhook.{name}")),
                None => Literal::Null,
            }),
        },
        Attribute {
            name: "collapse",
            kind: "bool",
            default: "true",
            bounds: "",
            about: "Whether of what waits for it only the newest event of a check goes out, which lists the others. If not, each goes out, in order.",
            example: "false",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.webhook.collapse = values::boolean(node)?;
                Ok(())
            },
            show: Show::Webhook(|spec| Literal::unless_default(spec.collapse, true, Literal::Bool)),
        },
    ],
    meta: &[],
    blocks: &[],
};
