//! What check files come to, for programs.

use super::wanted;
use crate::cli::arguments::files::Render;
use crate::manifest::compile::Compiled;
use crate::manifest::written::{maintenance_fields, project_fields};
use crate::model::desired::Desired;

pub(super) fn document(what: &Render, desired: &Desired, compiled: &Compiled) -> serde_json::Value {
    let none = Vec::new();
    let checks: serde_json::Map<String, serde_json::Value> = desired
        .checks
        .iter()
        .filter(|(address, _)| wanted(what, address))
        .map(|(address, check)| {
            let values: serde_json::Map<String, serde_json::Value> =
                crate::manifest::written::check_fields(&check.spec)
                    .into_iter()
                    .map(|(path, value)| (path, value.to_json()))
                    .collect();
            let mut document = serde_json::json!({
                "file": check.source.file, "line": check.source.line, "values": values,
            });
            if what.explain {
                let origins = compiled.origins.get(address).unwrap_or(&none).iter();
                let origins: serde_json::Map<String, serde_json::Value> = origins
                    .map(|origin| {
                        let place = serde_json::json!({
                            "file": origin.source.file, "line": origin.source.line,
                        });
                        (origin.path.clone(), place)
                    })
                    .collect();
                if let Some(map) = document.as_object_mut() {
                    map.insert("origins".to_owned(), origins.into());
                }
            }
            (address.clone(), document)
        })
        .collect();
    let values: serde_json::Map<String, serde_json::Value> = project_fields(&desired.project_spec)
        .map(|(name, value)| (name.to_owned(), value.to_json()))
        .collect();
    let webhooks: serde_json::Map<String, serde_json::Value> = desired
        .webhooks
        .iter()
        .map(|(name, webhook)| {
            let document = serde_json::json!({
                "url": webhook.spec.url.to_string(),
                "format": webhook.spec.format.name(),
                "file": webhook.source.file, "line": webhook.source.line,
            });
            (name.clone(), document)
        })
        .collect();
    let maintenances = desired.project_spec.maintenances.iter();
    let maintenances: serde_json::Map<String, serde_json::Value> = maintenances
        .map(|(name, maintenance)| {
            let fields = maintenance_fields(maintenance).into_iter();
            let fields = fields.map(|(path, value)| (path, value.to_json()));
            (
                name.to_string(),
                serde_json::Value::Object(fields.collect()),
            )
        })
        .collect();
    serde_json::json!({
        "project": desired.project.to_string(), "values": values, "webhooks": webhooks,
        "maintenances": maintenances, "checks": checks,
    })
}
