//! Specs written as check files: every attribute that the table can show, in its order. What
//! is read back is the same spec.

use std::collections::BTreeMap;

use crate::manifest::attributes::assert::{ASSERT, WARN};
use crate::manifest::attributes::check::CHECK;
use crate::manifest::attributes::maintenance::MAINTENANCE;
use crate::manifest::attributes::root::LOKAHI;
use crate::manifest::attributes::webhook::WEBHOOK;
use crate::manifest::literal::Literal;
use crate::manifest::source::harmless;
use crate::manifest::table::{Attribute, Show};
use crate::model::check::{Assert, CheckSpec};
use crate::model::desired::ProjectSpec;
use crate::model::maintenance::Maintenance;
use crate::model::name::Name;
use crate::model::webhook::WebhookSpec;

/// Every value of a check by its path, in the order of the table.
pub fn check_fields(spec: &CheckSpec) -> Vec<(String, Literal)> {
    let mut fields = Vec::new();
    let mut add = |prefix: &str, attributes: &[Attribute], assert: Option<&Assert>| {
        for attribute in attributes {
            let value = match (&attribute.show, assert) {
                (Show::Check(show), None) => show(spec),
                (Show::Assert(show), Some(assert)) => show(assert),
                _ => continue,
            };
            if !matches!(value, Literal::Null) && !is_empty(&value) {
                fields.push((format!("{prefix}{}", attribute.name), value));
            }
        }
    };
    add("", CHECK.attributes, None);
    for (block, asserts) in [(&ASSERT, &spec.asserts), (&WARN, &spec.warns)] {
        for assert in asserts {
            let prefix = match assert.label.as_str() {
                "" => format!("{}.", block.name),
                label => format!("{}.{label}.", block.name),
            };
            add(&prefix, block.attributes, Some(assert));
        }
    }
    for block in CHECK.once() {
        add(&format!("{}.", block.name), block.attributes, None);
    }
    fields
}

fn is_empty(value: &Literal) -> bool {
    match value {
        Literal::String(text) => text.is_empty(),
        Literal::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// A check as a block. `notes` stand as comments beside the values of their paths, and
/// `default` beside what has none.
pub fn check_text(
    address: &str,
    spec: &CheckSpec,
    notes: &BTreeMap<&str, String>,
    default: &str,
) -> String {
    let heading = format!("check {}", labels(address));
    block_text(&heading, check_fields(spec), notes, default)
}

/// A check as a block that stays what it is below `defaults` and templates: with what the files
/// gave it last, and it has no more, taken away, and with a `notify` of its own.
pub fn kept_text(address: &str, live: &CheckSpec, declared: Option<&CheckSpec>) -> String {
    const NOTIFY: &str = "notify.webhooks";
    let mut fields = check_fields(live);
    let has = |fields: &[(String, Literal)], path: &str| fields.iter().any(|(it, _)| it == path);
    let mut lacking = declared.map_or_else(Vec::new, check_fields);
    lacking.retain(|(path, _)| path != NOTIFY && !has(&fields, path));
    fields.extend(lacking.into_iter().map(|(path, _)| (path, Literal::Null)));
    if !has(&fields, NOTIFY) {
        fields.push((NOTIFY.to_owned(), Literal::List(Vec::new())));
    }
    let heading = format!("check {}", labels(address));
    block_text(&heading, fields, &BTreeMap::new(), "")
}

fn block_text(
    heading: &str,
    fields: Vec<(String, Literal)>,
    notes: &BTreeMap<&str, String>,
    default: &str,
) -> String {
    let mut out = format!("{heading} {{\n");
    let mut blocks: Vec<(String, Vec<Line>)> = Vec::new();
    let mut own: Vec<Line> = Vec::new();
    for (path, value) in fields {
        let (block, name) = match path.rsplit_once('.') {
            Some((block, name)) => (block.to_owned(), name.to_owned()),
            None => (String::new(), path.clone()),
        };
        let line = Line {
            note: note(&path, &value, notes, default),
            name,
            value: value.to_string(),
        };
        match blocks.iter_mut().find(|(known, _)| *known == block) {
            _ if block.is_empty() => own.push(line),
            Some((_, lines)) => lines.push(line),
            None => blocks.push((block, vec![line])),
        }
    }
    lines(&mut out, "  ", &own);
    for (block, inner) in blocks {
        let heading = match block.split_once('.') {
            Some((kind, label)) => format!("{kind} {}", Literal::text(label)),
            None => block,
        };
        out.push_str(&format!("\n  {heading} {{\n"));
        lines(&mut out, "    ", &inner);
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

/// The labels of a check: its name, and the key of one of a `for_each`, which the address
/// quotes as a label does.
fn labels(address: &str) -> String {
    match address
        .strip_suffix(']')
        .and_then(|open| open.split_once('['))
    {
        Some((name, key)) => format!("{} {key}", Literal::text(name)),
        None => Literal::text(address).to_string(),
    }
}

/// The block that makes a root of a file.
pub fn project_text(project: &Name, spec: &ProjectSpec) -> String {
    let line = |(name, value): (&str, Literal)| Line {
        name: name.to_owned(),
        value: value.to_string(),
        note: String::new(),
    };
    let named = [("project", Literal::text(project))];
    let all: Vec<_> = named
        .into_iter()
        .chain(project_fields(spec))
        .map(line)
        .collect();
    let mut out = "lokahi {\n".to_owned();
    lines(&mut out, "  ", &all);
    out.push_str("}\n");
    out
}

/// Every value of a project that is not the default, besides its name.
pub fn project_fields(spec: &ProjectSpec) -> impl Iterator<Item = (&'static str, Literal)> {
    let shown = LOKAHI.attributes.iter().filter_map(|it| match it.show {
        Show::Project(show) => Some((it.name, show(spec))),
        _ => None,
    });
    shown.filter(|(_, value)| !matches!(value, Literal::Null))
}

/// Every value of a maintenance by its path, in the order of the table.
pub fn maintenance_fields(maintenance: &Maintenance) -> Vec<(String, Literal)> {
    let inner = MAINTENANCE.once().map(|it| (it, format!("{}.", it.name)));
    let blocks = [(&MAINTENANCE, String::new())].into_iter().chain(inner);
    let mut fields = Vec::new();
    for (block, prefix) in blocks {
        for attribute in block.attributes {
            if let Show::Maintenance(show) = attribute.show {
                let value = show(maintenance);
                if !matches!(value, Literal::Null) && !is_empty(&value) {
                    fields.push((format!("{prefix}{}", attribute.name), value));
                }
            }
        }
    }
    fields
}

/// A maintenance as a block.
pub fn maintenance_text(name: &Name, maintenance: &Maintenance) -> String {
    let heading = format!("{} {}", MAINTENANCE.name, Literal::text(name));
    let fields = maintenance_fields(maintenance);
    block_text(&heading, fields, &BTreeMap::new(), "")
}

/// A text as the rest of a line of a comment, whatever is in it.
pub fn comment(text: &str) -> String {
    text.chars().map(harmless).collect()
}

struct Line {
    name: String,
    value: String,
    note: String,
}

/// Where a value comes from; of an object that was merged, where each key does.
fn note(path: &str, value: &Literal, notes: &BTreeMap<&str, String>, default: &str) -> String {
    if let Some(note) = notes.get(path) {
        return note.clone();
    }
    let Literal::Object(entries) = value else {
        return default.to_owned();
    };
    let keys = entries.iter().filter_map(|(key, _)| {
        let note = notes.get(format!("{path}.{key}").as_str())?;
        Some(format!("{key}: {note}"))
    });
    let keys: Vec<_> = keys.collect();
    match keys.is_empty() {
        true => default.to_owned(),
        false => keys.join(", "),
    }
}

/// Lines with their `=` and comments aligned.
fn lines(out: &mut String, indent: &str, lines: &[Line]) {
    let width = |text: &str| text.chars().count();
    let names = lines
        .iter()
        .map(|line| width(&line.name))
        .max()
        .unwrap_or(0);
    let values = lines
        .iter()
        .map(|line| width(&line.value))
        .max()
        .unwrap_or(0)
        .min(60);
    for Line { name, value, note } in lines {
        let text = format!("{indent}{name:names$} = {value}");
        match note.as_str() {
            "" => out.push_str(&text),
            note => {
                let whole = width(indent) + names + 3 + values;
                out.push_str(&format!("{text:whole$} # {}", comment(note)));
            }
        }
        out.push('\n');
    }
}

/// A receiver as a block.
pub fn webhook_text(name: &str, spec: &WebhookSpec) -> String {
    let shown = WEBHOOK
        .attributes
        .iter()
        .filter_map(|attribute| match attribute.show {
            Show::Webhook(show) => Some((attribute.name, show(spec))),
            _ => None,
        });
    let said = shown.filter(|(_, value)| !matches!(value, Literal::Null) && !is_empty(value));
    let shown = said.map(|(name, value)| Line {
        name: name.to_owned(),
        value: value.to_string(),
        note: String::new(),
    });
    let mut out = format!("webhook {} {{\n", Literal::text(name));
    lines(&mut out, "  ", &shown.collect::<Vec<_>>());
    out.push_str("}\n");
    out
}
