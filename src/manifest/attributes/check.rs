//! The rows of checks: how a site is probed, and when what was seen is believed and told.

use crate::manifest::attributes::access::{AUTH, TLS};
use crate::manifest::attributes::assert::{ASSERT, WARN};
use crate::manifest::attributes::outcome::{LIFECYCLE, NOTIFY};
use crate::manifest::diagnostic::{Code, Problem};
use crate::manifest::eval::value::Node;
use crate::manifest::expected;
use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Draft, Label, Merge, Meta, Show};
use crate::manifest::values::{self, Read};
use crate::model::check::{CheckSpec, Confirm, Every, Timeout};
use crate::model::dial::{IpFamily, Priority, Redirects};
use crate::model::name::Name;
use crate::model::value::{InvalidValue, valid_header_text};

pub const CHECK: Block = Block {
    name: "check",
    label: Label::Instance,
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
            set: |draft, node| {
                let most = CheckSpec::MAX_HEADERS;
                draft.check.headers = values::headers(node, most, valid_header_text)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::headers(&spec.headers)),
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
            name: "follow_redirects",
            kind: "bool",
            default: "true",
            bounds: "",
            about: "Whether it is asked where a redirect leads. If not, the redirect is the answer.",
            example: "false",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.redirects.followed = values::boolean(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::Bool(spec.redirects.followed)),
        },
        Attribute {
            name: "max_redirects",
            kind: "number",
            default: "10",
            bounds: "1 to 10",
            about: "How many redirects are followed; one more is an error.",
            example: "2",
            merge: Merge::Replace,
            set: |draft, node| {
                let most = values::integer(node, 1, i64::from(Redirects::MAX))?;
                draft.check.redirects.most = most as u8;
                Ok(())
            },
            show: Show::Check(|spec| {
                let most = spec.redirects.most;
                Literal::unless_default(most, Redirects::MAX, |n| Literal::Integer(n.into()))
            }),
        },
        Attribute {
            name: "ip_family",
            kind: "number",
            default: "none",
            bounds: "4, 6",
            about: "Only addresses of this version of IP are tried. Without it the first is, as RFC 6724 orders them.",
            example: "6",
            merge: Merge::Replace,
            set: |draft, node| {
                let number = values::integer(node, i64::MIN, i64::MAX)?;
                draft.check.ip_family = Some(values::placed(node, IpFamily::from_number(number))?);
                Ok(())
            },
            show: Show::Check(|spec| {
                let number = |family: IpFamily| Literal::Integer(i64::from(family.number()));
                spec.ip_family.map_or(Literal::Null, number)
            }),
        },
        Attribute {
            name: "connect_to",
            kind: "string",
            default: "none",
            bounds: "\"HOST\" or \"HOST:PORT\"",
            about: "Where connections for the URL's host and port go instead. Host header and certificate are still the URL's.",
            example: "\"10.0.0.7:8443\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let text = values::string(node, CheckSpec::MAX_NAME)?;
                draft.check.connect_to = Some(values::placed(node, text.parse())?);
                Ok(())
            },
            show: Show::Check(|spec| Literal::optional(spec.connect_to.as_ref())),
        },
        Attribute {
            name: "http_version",
            kind: "string",
            default: "what both sides can: \"2\" over TLS where the site offers it, else \"1.1\"",
            bounds: "\"1.1\", \"2\"",
            about: "The version of HTTP that is spoken, and no other. \"2\" without TLS begins with it unasked.",
            example: "\"2\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let version = values::string(node, values::ANY)?.parse();
                draft.check.http_version = Some(values::placed(node, version)?);
                Ok(())
            },
            show: Show::Check(|spec| Literal::optional(spec.http_version)),
        },
        Attribute {
            name: "close",
            kind: "string",
            default: "\"normal\"",
            bounds: "\"normal\", \"rst\"",
            about: "How a connection ends: as the server ends it, which is waited for 20 ms; or by a reset at once, which leaves nothing behind on either side and looks like an abort in some servers' logs.",
            example: "\"rst\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let close = values::string(node, values::ANY)?.parse();
                draft.check.close = values::placed(node, close)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::text(spec.close)),
        },
        Attribute {
            name: "reuse_connection",
            kind: "bool",
            default: "false",
            bounds: "",
            about: "Whether a connection stays open for the check's next probes, for at most 10 minutes: [cheaper, and not all that a visitor meets](probing.md#connections-that-are-kept).",
            example: "true",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.reuse_connection = values::boolean(node)?;
                Ok(())
            },
            show: Show::Check(|spec| {
                Literal::unless_default(spec.reuse_connection, false, Literal::Bool)
            }),
        },
        // Before `confirm`, which is checked against it.
        Attribute {
            name: "locations",
            kind: "list of strings",
            default: "[]",
            bounds: "16 locations; names of workers' LOCATION, each once",
            about: "Where workers probe it from: one after the other, so that a failure is tried again from another one. Without it, where lokahid's own LOCATION is.",
            example: "[\"eu-1\", \"us-1\"]",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.locations = locations(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::items(spec.locations.iter().map(Literal::text))),
        },
        Attribute {
            name: "proxy",
            kind: "string",
            default: "none",
            bounds: "\"http://HOST:PORT\"; not beside `connect_to`",
            about: "An HTTP proxy that requests go through: by CONNECT for https, else by their whole URL. It looks the names up. The address policy holds for its address, and for a site that is an address itself.",
            example: "\"http://proxy.example.com:3128\"",
            merge: Merge::Replace,
            set: |draft, node| {
                if draft.check.connect_to.is_some() {
                    let message = "with `connect_to` it is said already where connections go";
                    return Err(Problem::new(Code::Contradiction, node.span, message));
                }
                let proxy = values::string(node, CheckSpec::MAX_NAME)?.parse();
                draft.check.proxy = Some(values::placed(node, proxy)?);
                Ok(())
            },
            show: Show::Check(|spec| Literal::optional(spec.proxy.as_ref())),
        },
        Attribute {
            name: "priority",
            kind: "string",
            default: "\"normal\"",
            bounds: "\"low\", \"normal\", \"high\"",
            about: "Which probes go first where a worker has no room for all that are due. What has not begun two seconds after that is left out, and counted.",
            example: "\"high\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let priority = values::string(node, values::ANY)?.parse();
                draft.check.priority = values::placed(node, priority)?;
                Ok(())
            },
            show: Show::Check(|spec| match spec.priority {
                Priority::Normal => Literal::Null,
                priority => Literal::text(priority),
            }),
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
            name: "suppressed_by",
            kind: "list of checks",
            default: "[]",
            bounds: "8 checks of the project",
            about: "While one of these is down, nobody is told of this one: they are why. Probing goes on; what still is when they are up again is told then.",
            example: "[check.homepage]",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.suppressed_by = values::checks(node, CheckSpec::MAX_PARENTS)?;
                Ok(())
            },
            show: Show::Check(|spec| {
                let reference = |it| Literal::Reference(format!("check.{it}"));
                Literal::items(spec.suppressed_by.iter().map(reference))
            }),
        },
        Attribute {
            name: "description",
            kind: "string",
            default: "\"\"",
            bounds: "1024 bytes",
            about: "What the check is, for people; every event carries it.",
            example: "\"The page that customers see first.\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let text = values::string(node, CheckSpec::MAX_DESCRIPTION)?;
                draft.check.description = text.to_owned();
                Ok(())
            },
            show: Show::Check(|spec| Literal::text(&spec.description)),
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
            bounds: "\"protobuf\", \"json\", \"alertmanager\"",
            about: "How events are written to `webhook_url`.",
            example: "\"json\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.webhook_format = values::format(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::optional(spec.webhook.as_ref().map(|w| w.format))),
        },
        Attribute {
            name: "enabled",
            kind: "bool",
            default: "true",
            bounds: "",
            about: "Whether anybody probes it. A check that is disabled keeps its history; its open incident ends.",
            example: "false",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.check.enabled = values::boolean(node)?;
                Ok(())
            },
            show: Show::Check(|spec| Literal::Bool(spec.enabled)),
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
    blocks: &[ASSERT, WARN, TLS, AUTH, CONFIRM, NOTIFY, LIFECYCLE],
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
            about: "Failures before the check is down: in a row, or among the last `of`.",
            example: "3",
            merge: Merge::Replace,
            set: |draft, node| {
                let failures = streak(node)?;
                (draft.check.confirm.failures, draft.check.confirm.of) = (failures, failures);
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
        Attribute {
            name: "of",
            kind: "number",
            default: "as many as `failures`",
            bounds: "`failures` to 20",
            about: "Among how many last probes the failures are counted.",
            example: "5",
            merge: Merge::Replace,
            set: |draft, node| {
                let confirm = &mut draft.check.confirm;
                let least = i64::from(confirm.failures);
                confirm.of = values::integer(node, least, i64::from(Confirm::MAX_OF))? as u8;
                Ok(())
            },
            show: Show::Check(|spec| match spec.confirm.of {
                of if of == spec.confirm.failures => Literal::Null,
                of => Literal::Integer(of.into()),
            }),
        },
        Attribute {
            name: "distinct",
            kind: "number",
            default: "1",
            bounds: "1 to `failures`, and to the number of `locations`",
            about: "From how many locations it must have failed before the check is down.",
            example: "2",
            merge: Merge::Replace,
            set: set_distinct,
            show: Show::Check(|spec| match spec.confirm.distinct {
                1 => Literal::Null,
                distinct => Literal::Integer(distinct.into()),
            }),
        },
        Attribute {
            name: "within",
            kind: "duration",
            default: "however long it takes",
            bounds: "\"1s\" to \"30d\"",
            about: "Failures that are older than this do not count.",
            example: "\"2m\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let most = i64::from(Every::MAX) * 1000;
                draft.check.confirm.within = Some(values::bounded(node, 1000, most)?);
                Ok(())
            },
            show: Show::Check(|spec| spec.confirm.within.map_or(Literal::Null, Literal::duration)),
        },
    ],
    meta: &[],
    blocks: &[],
};

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

fn locations(node: &Node) -> Read<Vec<Name>> {
    let mut names = Vec::new();
    for item in values::list(node, CheckSpec::MAX_LOCATIONS)? {
        let name = values::name(item)?;
        if names.contains(&name) {
            let message = format!("{name} stands there twice");
            return Err(Problem::new(Code::InvalidValue, item.span, message));
        }
        names.push(name);
    }
    Ok(names)
}

fn set_distinct(draft: &mut Draft, node: &Node) -> Read<()> {
    let (confirm, locations) = (&mut draft.check.confirm, draft.check.locations.len());
    let distinct = values::integer(node, 1, i64::from(Confirm::MAX))? as u8;
    let message = match distinct {
        n if n > confirm.failures => {
            format!("{n} locations cannot fail in {} failures", confirm.failures)
        }
        n if usize::from(n) > locations.max(1) => {
            format!(
                "{n} locations cannot fail where it is probed from {}",
                locations.max(1)
            )
        }
        n => {
            confirm.distinct = n;
            return Ok(());
        }
    };
    Err(Problem::new(Code::Contradiction, node.span, message))
}

fn streak(node: &Node) -> Read<u8> {
    let most = i64::from(Confirm::MAX);
    values::integer(node, 1, most).map(|n| n as u8)
}
