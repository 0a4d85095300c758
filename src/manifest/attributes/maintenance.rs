//! The rows of maintenance: when somebody works on which checks.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::manifest::expected;
use crate::manifest::literal::Literal;
use crate::manifest::table::{Attribute, Block, Label, Merge, Show};
use crate::manifest::values;
use crate::model::cron::Cron;
use crate::model::glob::Glob;
use crate::model::maintenance::{Maintenance, Selector, When};
use crate::model::zone::Zone;

/// One while it is read: it is once, or it recurs.
#[derive(Clone, Debug, Default)]
pub struct MaintenanceDraft {
    pub selector: Selector,
    pub start: Option<OffsetDateTime>,
    pub end: Option<OffsetDateTime>,
    pub cron: Option<Cron>,
    pub duration: Option<Duration>,
    pub zone: Option<Zone>,
    pub reason: String,
}

impl MaintenanceDraft {
    /// The whole, or what is wrong with it.
    pub fn complete(self) -> Result<Maintenance, &'static str> {
        let when = match (self.start, self.end, self.cron) {
            (Some(start), Some(end), None) if start < end => When::Once { start, end },
            (Some(_), Some(_), None) => return Err("`end` is not after `start`"),
            (Some(_), None, None) => return Err("`start` needs `end`"),
            (None, Some(_), None) => return Err("`end` needs `start`"),
            (None, None, None) => {
                return Err("it needs `start` and `end`, or `cron` with `duration` and `timezone`");
            }
            (None, None, Some(cron)) => match (self.duration, self.zone.clone()) {
                (Some(duration), Some(zone)) => When::Recurring {
                    cron,
                    duration,
                    zone,
                },
                (None, _) => return Err("`cron` needs `duration`: how long each is"),
                (_, None) => return Err("`cron` needs `timezone`: whose clock it means"),
            },
            _ => return Err("it is once, by `start` and `end`, or recurs, by `cron`: not both"),
        };
        if matches!(when, When::Once { .. }) && (self.duration.is_some() || self.zone.is_some()) {
            return Err("`duration` and `timezone` say something beside `cron` only");
        }
        if self.selector.is_empty() {
            return Err("`match` means no check: write names = [\"*\"] for all of the project");
        }
        Ok(Maintenance {
            selector: self.selector,
            when,
            reason: self.reason,
        })
    }
}

pub const MAINTENANCE: Block = Block {
    name: "maintenance",
    label: Label::Name,
    about: "A time in which somebody works on what is watched, once or again and again. Probing goes on; receivers are told nothing that begins then, unless it still is when the time is over; the probes are in no uptime.",
    attributes: &[
        Attribute {
            name: "start",
            kind: "string",
            default: "none",
            bounds: "a moment as RFC 3339 has it, with its offset",
            about: "When it begins, if it is once.",
            example: "\"2026-12-05T22:00:00+01:00\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.maintenance.start = Some(values::moment(node)?);
                Ok(())
            },
            show: Show::Maintenance(|it| match &it.when {
                When::Once { start, .. } => shown(*start),
                When::Recurring { .. } => Literal::Null,
            }),
        },
        Attribute {
            name: "end",
            kind: "string",
            default: "none",
            bounds: "a moment as RFC 3339 has it, with its offset",
            about: "When it ends, if it is once.",
            example: "\"2026-12-06T02:00:00+01:00\"",
            merge: Merge::Replace,
            set: |draft, node| {
                draft.maintenance.end = Some(values::moment(node)?);
                Ok(())
            },
            show: Show::Maintenance(|it| match &it.when {
                When::Once { end, .. } => shown(*end),
                When::Recurring { .. } => Literal::Null,
            }),
        },
        Attribute {
            name: "cron",
            kind: "string",
            default: "none",
            bounds: "five fields: minute, hour, day of the month, month, day of the week",
            about: "When it begins, again and again, by the clock of `timezone`. Where clocks are put forward, a time that is left out begins as much later; where they are put back, one that comes twice begins once, the first time.",
            example: "\"0 3 * * sun\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let cron = values::string(node, values::ANY)?.parse();
                draft.maintenance.cron = Some(values::placed(node, cron)?);
                Ok(())
            },
            show: Show::Maintenance(|it| match &it.when {
                When::Recurring { cron, .. } => Literal::text(cron),
                When::Once { .. } => Literal::Null,
            }),
        },
        Attribute {
            name: "duration",
            kind: "duration",
            default: "none",
            bounds: "1m to 7d, whole seconds",
            about: "How long each is that `cron` begins, whatever clocks do meanwhile.",
            example: "\"2h\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let (least, most) = (When::MIN.as_millis() as i64, When::MAX.as_millis() as i64);
                let duration = values::bounded(node, least, most)?;
                draft.maintenance.duration = Some(values::whole(node, duration)?);
                Ok(())
            },
            show: Show::Maintenance(|it| match &it.when {
                When::Recurring { duration, .. } => Literal::duration(*duration),
                When::Once { .. } => Literal::Null,
            }),
        },
        Attribute {
            name: "timezone",
            kind: "string",
            default: "none",
            bounds: "a name of the IANA table",
            about: "Whose clock `cron` means.",
            example: "\"Europe/Berlin\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let zone = values::string(node, values::ANY)?.parse();
                draft.maintenance.zone = Some(values::placed(node, zone)?);
                Ok(())
            },
            show: Show::Maintenance(|it| match &it.when {
                When::Recurring { zone, .. } => Literal::text(zone),
                When::Once { .. } => Literal::Null,
            }),
        },
        Attribute {
            name: "reason",
            kind: "string",
            default: "\"\"",
            bounds: "1024 bytes",
            about: "What is done then, for people.",
            example: "\"The database is backed up.\"",
            merge: Merge::Replace,
            set: |draft, node| {
                let reason = values::string(node, Maintenance::MAX_REASON)?;
                draft.maintenance.reason = reason.to_owned();
                Ok(())
            },
            show: Show::Maintenance(|it| match it.reason.as_str() {
                "" => Literal::Null,
                reason => Literal::text(reason),
            }),
        },
    ],
    meta: &[],
    blocks: &[MATCH],
};

pub const MATCH: Block = Block {
    name: "match",
    label: Label::None,
    about: "Which checks of the project are meant: by name and by labels, and by both if both are given. It is judged at the moment, so that a check that comes later is meant, too.",
    attributes: &[
        Attribute {
            name: "names",
            kind: "list of strings",
            default: "[]",
            bounds: "32 names of checks, in which `*` stands for any characters; a name is all of its `for_each`",
            about: "Any of these; without it, whatever it is called.",
            example: "[\"homepage\", \"shop_*\"]",
            merge: Merge::Replace,
            set: |draft, node| {
                let items = values::list(node, Selector::MAX)?;
                let glob = |item| {
                    let text = values::string(item, values::ANY)?;
                    values::placed(item, text.parse::<Glob>())
                };
                let mut names = items.iter().map(glob).collect::<values::Read<Vec<_>>>()?;
                names.sort();
                names.dedup();
                draft.maintenance.selector.names = names;
                Ok(())
            },
            show: Show::Maintenance(|it| {
                Literal::items(it.selector.names.iter().map(Literal::text))
            }),
        },
        Attribute {
            name: "labels",
            kind: "object of strings",
            default: "{}",
            bounds: "32 labels",
            about: "All of these.",
            example: "{ team = \"web\" }",
            merge: Merge::Replace,
            set: |draft, node| {
                let mut labels = std::collections::BTreeMap::new();
                for (key, value, text) in values::strings(node, Selector::MAX)? {
                    let Some(text) = text else { continue };
                    values::label(key, value, text)?;
                    labels.insert(key.text.to_string(), text.to_owned());
                }
                draft.maintenance.selector.labels = labels;
                Ok(())
            },
            show: Show::Maintenance(|it| expected::shown(&it.selector.labels, Literal::text)),
        },
    ],
    meta: &[],
    blocks: &[],
};

/// A moment as it is written, in UTC.
fn shown(at: OffsetDateTime) -> Literal {
    let at = at.to_offset(time::UtcOffset::UTC);
    Literal::text(at.format(&Rfc3339).unwrap_or_default())
}
