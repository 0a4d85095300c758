//! What differs between two specs, attribute by attribute, in the notation of
//! the files. The attribute table says what there is to compare.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::attributes::assert::{ASSERT, WARN};
use crate::manifest::attributes::check::CHECK;
use crate::manifest::attributes::root::LOKAHI;
use crate::manifest::attributes::webhook::WEBHOOK;
use crate::manifest::literal::Literal;
use crate::manifest::table::{Block, Show};
use crate::manifest::written::maintenance_fields;
use crate::model::change::FieldChange;
use crate::model::check::{Assert, CheckSpec};
use crate::model::desired::ProjectSpec;
use crate::model::webhook::WebhookSpec;

/// What differs between two checks; empty if they are equal.
pub fn check_fields(before: &CheckSpec, after: &CheckSpec) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    let once = CHECK
        .once()
        .map(|block| (block, format!("{}.", block.name)));
    for (block, prefix) in [(&CHECK, String::new())].into_iter().chain(once) {
        for attribute in block.attributes {
            if let Show::Check(show) = attribute.show {
                let path = format!("{prefix}{}", attribute.name);
                compare(&mut fields, path, show(before), show(after));
            }
        }
    }
    asserts(&mut fields, &ASSERT, &before.asserts, &after.asserts);
    asserts(&mut fields, &WARN, &before.warns, &after.warns);
    fields
}

/// What differs in what two roots say of their project; empty if nothing does.
pub fn project_fields(before: &ProjectSpec, after: &ProjectSpec) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    for attribute in LOKAHI.attributes {
        if let Show::Project(show) = attribute.show {
            compare(
                &mut fields,
                attribute.name.to_owned(),
                show(before),
                show(after),
            );
        }
    }
    let both = before.maintenances.keys().chain(after.maintenances.keys());
    for name in both.collect::<BTreeSet<_>>() {
        let of = |spec: &ProjectSpec| spec.maintenances.get(name).map(maintenance_fields);
        let (before, after) = (of(before), of(after));
        let all = before.iter().chain(&after).flatten();
        // In the order of the table, each once.
        let mut paths: Vec<&str> = Vec::new();
        for (path, _) in all {
            if !paths.contains(&path.as_str()) {
                paths.push(path);
            }
        }
        for path in paths {
            let value = |fields: &Option<Vec<(String, Literal)>>| {
                let mut fields = fields.iter().flatten();
                let found = fields.find(|(it, _)| it == path);
                found.map_or(Literal::Null, |(_, value)| value.clone())
            };
            let path = format!("maintenance.{name}.{path}");
            compare(&mut fields, path, value(&before), value(&after));
        }
    }
    fields
}

/// What differs between two receivers; empty if they are equal.
pub fn webhook_fields(before: &WebhookSpec, after: &WebhookSpec) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    for attribute in WEBHOOK.attributes {
        if let Show::Webhook(show) = attribute.show {
            compare(
                &mut fields,
                attribute.name.to_owned(),
                show(before),
                show(after),
            );
        }
    }
    fields
}

fn asserts(fields: &mut Vec<FieldChange>, block: &Block, before: &[Assert], after: &[Assert]) {
    let both = before.iter().chain(after);
    let labels: BTreeSet<&str> = both.map(|assert| assert.label.as_str()).collect();
    let nothing = Assert::default();
    for label in labels {
        let named = |all: &'_ [Assert]| all.iter().position(|assert| assert.label == label);
        let before = named(before).map_or(&nothing, |at| &before[at]);
        let after = named(after).map_or(&nothing, |at| &after[at]);
        for attribute in block.attributes {
            if let Show::Assert(show) = attribute.show {
                let path = match label {
                    "" => format!("{}.{}", block.name, attribute.name),
                    label => format!("{}.{label}.{}", block.name, attribute.name),
                };
                compare(fields, path, show(before), show(after));
            }
        }
    }
}

/// Adds what differs; two objects key by key.
fn compare(fields: &mut Vec<FieldChange>, path: String, before: Literal, after: Literal) {
    if before == after {
        return;
    }
    if let (Literal::Object(before), Literal::Object(after)) = (&before, &after) {
        let before: BTreeMap<_, _> = before.iter().cloned().collect();
        let after: BTreeMap<_, _> = after.iter().cloned().collect();
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let value =
                |of: &BTreeMap<String, Literal>| of.get(key).cloned().unwrap_or(Literal::Null);
            compare(
                fields,
                format!("{path}.{key}"),
                value(&before),
                value(&after),
            );
        }
        return;
    }
    fields.push(FieldChange {
        path,
        before: before.to_string(),
        after: after.to_string(),
    });
}
