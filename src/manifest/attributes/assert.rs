//! The rows of asserts: what must hold for a check to be up.

use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::Node;
use crate::manifest::expected;
use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Show};
use crate::manifest::values::{self, Read};
use crate::model::check::{CheckSpec, Timeout};

pub const ASSERT: Block = Block {
    name: "assert",
    label: Label::Optional,
    about: "What must hold for the check to be up: all of it, and of every `assert`. While none names a status, `status = [\"2xx\"]` holds.",
    attributes: &[
        Attribute {
            name: "status",
            kind: "list of statuses",
            default: "[\"2xx\"]",
            bounds: "1 to 32 entries; 100 to 599",
            about: "The status is one of these.",
            example: "[200, \"3xx\", \"401-403\"]",
            merge: Merge::Replace,
            set: |draft, node| {
                let items = entries(node)?;
                draft.assert.status = items.iter().map(values::status).collect::<Read<_>>()?;
                Ok(())
            },
            show: Show::Assert(|assert| {
                Literal::items(assert.status.iter().map(|range| match range {
                    one if one.from() == one.to() => Literal::Integer(i64::from(one.from())),
                    range => Literal::text(range),
                }))
            }),
        },
        Attribute {
            name: "body_contains",
            kind: "list of strings",
            default: "[]",
            bounds: "1 to 32 entries of 1 to 1024 bytes",
            about: "The body contains each of these.",
            example: "[\"</html>\"]",
            merge: Merge::Replace,
            set: |draft, node| {
                let text = |node: &Node| match values::string(node, 1024)? {
                    "" => Err(Problem::new(
                        Code::OutOfBounds,
                        node.span,
                        "every body contains an empty text",
                    )),
                    text => Ok(text.to_owned()),
                };
                draft.assert.body_contains =
                    entries(node)?.iter().map(text).collect::<Read<_>>()?;
                Ok(())
            },
            show: Show::Assert(|assert| {
                Literal::items(assert.body_contains.iter().map(Literal::text))
            }),
        },
        Attribute {
            name: "body_matches",
            kind: "list of regular expressions",
            default: "[]",
            bounds: "1 to 32 entries of 1 to 1024 bytes",
            about: "The body matches each of these somewhere.",
            example: "[\"version [0-9]+\"]",
            merge: Merge::Replace,
            set: |draft, node| {
                let patterns = entries(node)?.iter().map(expected::pattern);
                draft.assert.body_matches = patterns.collect::<Read<_>>()?;
                Ok(())
            },
            show: Show::Assert(|assert| {
                Literal::items(assert.body_matches.iter().map(Literal::text))
            }),
        },
        Attribute {
            name: "header",
            kind: "object of strings",
            default: "{}",
            bounds: "1 to 32 headers, 8 KiB each",
            about: "The answer has each of these headers, with this value alone.",
            example: "{ content-type = \"application/json\" }",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.assert.header = expected::headers(node)?;
                Ok(())
            },
            show: Show::Assert(|assert| expected::shown(&assert.header, Literal::text)),
        },
        Attribute {
            name: "header_matches",
            kind: "object of regular expressions",
            default: "{}",
            bounds: "1 to 32 headers, 1 to 1024 bytes each",
            about: "The answer has each of these headers, with a value that matches somewhere.",
            example: "{ strict-transport-security = \"max-age=[0-9]{8}\" }",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.assert.header_matches = expected::header_patterns(node)?;
                Ok(())
            },
            show: Show::Assert(|assert| expected::shown(&assert.header_matches, Literal::text)),
        },
        Attribute {
            name: "json",
            kind: "object of strings, numbers, bools and null",
            default: "{}",
            bounds: "1 to 32 places, 1024 bytes each",
            about: "The body is JSON with these values in these places.",
            example: "{ \"items[0].id\" = 7, status = \"ok\" }",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.assert.json = expected::json(node)?;
                Ok(())
            },
            show: Show::Assert(|assert| expected::shown(&assert.json, Literal::scalar)),
        },
        Attribute {
            name: "max_latency",
            kind: "duration",
            default: "none",
            bounds: "\"1ms\" to \"5m\"",
            about: "The probe took no longer than this.",
            example: "\"2s\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.assert.max_latency = Some(values::bounded(node, 1, i64::from(Timeout::MAX))?);
                Ok(())
            },
            show: Show::Assert(|assert| {
                assert.max_latency.map_or(Literal::Null, Literal::duration)
            }),
        },
        Attribute {
            name: "cert_valid_for",
            kind: "duration",
            default: "none",
            bounds: "\"1s\" to \"730d\", whole seconds",
            about: "The certificates of the site are good for at least this long, the first of them to end counts.",
            example: "\"21d\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let time = values::bounded(node, 1_000, MAX_VALID)?;
                draft.assert.certificate_valid_for = Some(values::whole(node, time)?);
                Ok(())
            },
            show: Show::Assert(|assert| {
                assert
                    .certificate_valid_for
                    .map_or(Literal::Null, Literal::duration)
            }),
        },
        Attribute {
            name: "condition",
            kind: "condition",
            default: "none",
            bounds: "8 KiB with its values worked in",
            about: "An expression over `response` that is true.",
            example: "response.status == 200 && response.json.status == \"ok\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.assert.condition = Some(values::string(node, values::ANY)?.to_owned());
                Ok(())
            },
            show: Show::Assert(|assert| written(assert.condition.as_ref())),
        },
        Attribute {
            name: "error_message",
            kind: "string about the response",
            default: "the condition, and the values that went in",
            bounds: "8 KiB with its values worked in",
            about: "What is said when `condition` does not hold.",
            example: "\"status is ${response.json.status}\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.assert.error_message = Some(values::string(node, values::ANY)?.to_owned());
                Ok(())
            },
            show: Show::Assert(|assert| written(assert.error_message.as_ref())),
        },
    ],
    meta: &[],
    blocks: &[],
};

pub const WARN: Block = Block {
    name: "warn",
    label: Label::Optional,
    about: "What degrades the check when it does not hold while the check is up: told by an event of its own, `check.degraded`, and no outage.",
    attributes: ASSERT.attributes,
    meta: &[],
    blocks: &[],
};

/// Two years, in milliseconds: no authority that people trust signs for longer.
const MAX_VALID: i64 = 730 * 24 * 60 * 60 * 1000;

fn entries(node: &Node) -> Read<&[Node]> {
    match values::list(node, CheckSpec::MAX_ASSERTS)? {
        [] => Err(Problem::new(
            Code::OutOfBounds,
            node.span,
            "an empty list asserts nothing",
        )),
        items => Ok(items),
    }
}

/// An expression as it is written.
fn written(expression: Option<&String>) -> Literal {
    expression.map_or(Literal::Null, |text| Literal::Reference(text.clone()))
}
