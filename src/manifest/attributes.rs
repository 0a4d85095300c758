//! The attribute table: everything that may stand in a file, once.
//!
//! To add an attribute: a field in `model`, its value in the encoding of `spec`,
//! and one row here. The decoder accepts what stands here and nothing else, so a
//! row arrives together with the engine that obeys it.

use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::Node;
use crate::manifest::expected;
use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Draft, Label, Merge, Meta, Show};
use crate::manifest::values::{self, Read};
use crate::model::check::{CheckSpec, Confirm, Every, Timeout};
use crate::model::secret::Text;
use crate::model::value::InvalidValue;

/// A file: what stands outside all blocks.
pub static FILE: Block = Block {
    name: "",
    label: Label::None,
    about: "A check file.",
    attributes: &[],
    meta: &[],
    blocks: &[
        LOKAHI, VARIABLE, LOCALS, WEBHOOK, DEFAULTS, TEMPLATE, CHECK, MOVED, REMOVED, IMPORT,
    ],
};

pub const LOKAHI: Block = Block {
    name: "lokahi",
    label: Label::None,
    about: "Makes the folder a root: one project.",
    attributes: &[Attribute {
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
    }],
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

pub const TEMPLATE: Block = Block {
    name: "template",
    label: Label::Name,
    about: "What the checks that name it in `use` have in common.",
    attributes: CHECK.attributes,
    meta: &[],
    blocks: CHECK.blocks,
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

pub const DEFAULTS: Block = Block {
    name: "defaults",
    label: Label::None,
    about: "What holds for the checks of this folder and of those below, unless something nearer says else.",
    attributes: CHECK.attributes,
    meta: &[],
    blocks: CHECK.blocks,
};

pub const CHECK: Block = Block {
    name: "check",
    label: Label::Name,
    about: "A site that is probed.",
    attributes: &[
        Attribute {
            name: "url",
            kind: "URL",
            default: "",
            bounds: "2048 bytes, http or https",
            about: "What is probed.",
            example: "\"https://example.com/health\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.url = values::url(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::text(&spec.url)),
        },
        // Before `timeout` and `confirm`, which are checked against it.
        Attribute {
            name: "every",
            kind: "duration",
            default: "\"60s\"",
            bounds: "\"1s\" to \"30d\", whole seconds",
            about: "The time from one probe to the next.",
            example: "\"30s\"",
            merge: Merge::Replace,
            set: set_every,
            show: Show::Check(|spec| Literal::duration(spec.every.duration())),
        },
        Attribute {
            name: "timeout",
            kind: "duration",
            default: "the smaller of \"10s\" and 0.8 of `every`",
            bounds: "\"1ms\" to \"5m\", less than `every`",
            about: "The time for one whole probe.",
            example: "\"5s\"",
            merge: Merge::Replace,
            set: set_timeout,
            show: Show::Check(|spec| Literal::duration(spec.timeout.duration())),
        },
        Attribute {
            name: "method",
            kind: "string",
            default: "\"GET\"",
            bounds: "\"GET\", \"HEAD\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\", \"OPTIONS\"",
            about: "The method of the request.",
            example: "\"POST\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.method = values::method(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::text(spec.method.name())),
        },
        Attribute {
            name: "headers",
            kind: "object of strings",
            default: "{}",
            bounds: "64 headers, 8 KiB each; secrets may stand in the values",
            about: "Headers of the request.",
            example: "{ accept = \"application/json\" }",
            merge: Merge::Headers,
            set: set_headers,
            show: Show::Check(|spec| {
                let entry = |(k, v): &(String, Text)| (k.clone(), Literal::template(v));
                Literal::Object(spec.headers.iter().map(entry).collect())
            }),
        },
        Attribute {
            name: "body",
            kind: "string",
            default: "\"\"",
            bounds: "64 KiB; secrets may stand in it",
            about: "The body of the request.",
            example: "\"ping\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.body = values::text(node, CheckSpec::MAX_BODY)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::template(&spec.body)),
        },
        Attribute {
            name: "labels",
            kind: "object of strings",
            default: "{}",
            bounds: "64 labels, 256 bytes each",
            about: "Words to find and group checks by.",
            example: "{ team = \"web\" }",
            merge: Merge::Keys,
            set: |draft, node| {
                let mut labels = std::collections::BTreeMap::new();
                for (key, value, text) in values::strings(node, CheckSpec::MAX_LABELS)? {
                    let Some(text) = text else { continue };
                    values::label(key, value, text)?;
                    labels.insert(key.text.to_string(), text.to_owned());
                }
                draft.check.labels = labels;
                Ok(())
            },
            show: Show::Check(|spec| expected::shown(&spec.labels, Literal::text)),
        },
        Attribute {
            name: "playbook_url",
            kind: "URL",
            default: "none",
            bounds: "2048 bytes, http or https",
            about: "What to read when the check is down; every event carries it.",
            example: "\"https://wiki.example.com/health\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.playbook_url = Some(values::url(node)?);
                Ok(())
            },
            show: Show::Check(|spec| Literal::optional(spec.playbook_url.as_ref())),
        },
        Attribute {
            name: "webhook_url",
            kind: "URL",
            default: "none",
            bounds: "2048 bytes, http or https; or a secret as a whole",
            about: "A receiver of this check alone, without a `webhook` block.",
            example: "\"https://hooks.example.com/health\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.webhook_url = Some(values::receiver_url(node)?);
                Ok(())
            },
            show: Show::Check(|spec| {
                let webhook = spec.webhook.as_ref();
                webhook.map_or(Literal::Null, |w| Literal::receiver(&w.url))
            }),
        },
        Attribute {
            name: "webhook_format",
            kind: "string",
            default: "\"protobuf\"",
            bounds: "\"protobuf\", \"json\"",
            about: "How events are written to `webhook_url`.",
            example: "\"json\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.webhook_format = values::format(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::optional(spec.webhook.as_ref().map(|w| w.format))),
        },
    ],
    meta: &[
        Meta {
            name: "for_each",
            kind: "map, or set of strings",
            default: "none",
            about: "Makes a check of each entry, called NAME[\"KEY\"]; it knows `each.key` and `each.value`. At most 10,000.",
            example: "{ eu = \"https://eu.example.com/\", us = \"https://us.example.com/\" }",
        },
        Meta {
            name: "use",
            kind: "list of templates",
            default: "[]",
            about: "Templates, of which a later one wins; the check itself wins over all.",
            example: "[template.api]",
        },
    ],
    blocks: &[ASSERT, CONFIRM, NOTIFY],
};

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
                list(assert.status.iter().map(|range| match range {
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
            show: Show::Assert(|assert| list(assert.body_contains.iter().map(Literal::text))),
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
            show: Show::Assert(|assert| list(assert.body_matches.iter().map(Literal::text))),
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

pub const CONFIRM: Block = Block {
    name: "confirm",
    label: Label::None,
    about: "How often something must be seen before it is believed.",
    attributes: &[
        Attribute {
            name: "failures",
            kind: "number",
            default: "2",
            bounds: "1 to 10",
            about: "Failures in a row before the check is down.",
            example: "3",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.confirm.failures = streak(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::Integer(i64::from(spec.confirm.failures))),
        },
        Attribute {
            name: "successes",
            kind: "number",
            default: "1",
            bounds: "1 to 10",
            about: "Successes in a row before it is up again.",
            example: "2",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.confirm.successes = streak(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::Integer(i64::from(spec.confirm.successes))),
        },
        Attribute {
            name: "retry",
            kind: "duration",
            default: "the smaller of \"5s\" and `every`",
            bounds: "\"1s\" to \"30d\"",
            about: "When a check that failed once is probed again.",
            example: "\"10s\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let most = i64::from(Every::MAX) * 1000;
                draft.check.confirm.retry = values::bounded(node, 1000, most)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::duration(spec.confirm.retry)),
        },
    ],
    meta: &[],
    blocks: &[],
};

pub const NOTIFY: Block = Block {
    name: "notify",
    label: Label::None,
    about: "Who hears of the check.",
    attributes: &[Attribute {
        name: "webhooks",
        kind: "list of receivers",
        default: "[]",
        bounds: "32 receivers",
        about: "The receivers of its events.",
        example: "[webhook.oncall]",
        merge: Merge::Replace,
        set: |draft, node| {
            let items = values::list(node, CheckSpec::MAX_RECEIVERS)?;
            let mut names = items
                .iter()
                .map(values::receiver)
                .collect::<Read<Vec<_>>>()?;
            names.sort();
            names.dedup();
            draft.check.receivers = names;
            Ok(())
        },
        show: Show::Check(|spec| {
            list(
                spec.receivers
                    .iter()
                    .map(|name| Literal::Reference(format!("webhook.{name}"))),
            )
        }),
    }],
    meta: &[],
    blocks: &[],
};

/// What the language is to have and this version does not: for a hint that says
/// so, by the block it would stand in; empty for a file.
pub static LATER: &[(&str, &[&str])] = &[
    ("", &["maintenance"]),
    ("lokahi", &["operators"]),
    (
        "webhook",
        &[
            "secrets", "headers", "events", "timeout", "fallback", "collapse",
        ],
    ),
    (
        "check",
        &[
            "follow_redirects",
            "max_redirects",
            "ip_family",
            "http_version",
            "connect_to",
            "proxy",
            "reuse_connection",
            "close",
            "locations",
            "priority",
            "description",
            "enabled",
            "warn",
            "tls",
            "auth",
            "suppressed_by",
            "lifecycle",
        ],
    ),
    ("assert", &["cert_valid_for"]),
];

fn set_every(draft: &mut Draft, node: &Node) -> Read<()> {
    let ms = values::milliseconds(node)?;
    if ms % 1000 != 0 {
        return Err(Problem::new(
            Code::OutOfBounds,
            node.span,
            "must be whole seconds",
        ));
    }
    draft.check.every = values::placed(node, Every::from_seconds(ms / 1000))?;
    draft.check.timeout = draft.check.every.default_timeout();
    draft.check.confirm = Confirm::default_for(draft.check.every);
    Ok(())
}

fn set_timeout(draft: &mut Draft, node: &Node) -> Read<()> {
    let ms = values::milliseconds(node)?;
    let every = draft.check.every;
    if (1..=i64::from(Timeout::MAX)).contains(&ms) && ms >= i64::from(every.seconds()) * 1000 {
        let message = format!(
            "the timeout must be less than `every`, which is {}",
            Literal::duration(every.duration())
        );
        return Err(Problem::new(Code::Contradiction, node.span, message));
    }
    draft.check.timeout = match Timeout::from_milliseconds(ms, every) {
        Err(InvalidValue::Range { .. }) => {
            values::bounded(node, 1, i64::from(Timeout::MAX))?;
            draft.check.timeout
        }
        other => values::placed(node, other)?,
    };
    Ok(())
}

fn set_headers(draft: &mut Draft, node: &Node) -> Read<()> {
    let mut headers = Vec::new();
    for (key, value, text) in values::texts(node, CheckSpec::MAX_HEADERS)? {
        let Some(text) = text else { continue };
        values::header(key, value, &text)?;
        headers.push((key.text.to_string(), text));
    }
    headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    draft.check.headers = headers;
    Ok(())
}

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

fn streak(node: &Node) -> Read<u8> {
    let most = i64::from(Confirm::MAX);
    values::integer(node, 1, most).map(|n| n as u8)
}

fn list(items: impl Iterator<Item = Literal>) -> Literal {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        Literal::Null
    } else {
        Literal::List(items)
    }
}
