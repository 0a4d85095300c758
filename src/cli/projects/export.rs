//! `export`: what is live as check files. What is written is read back as the same checks.

use std::collections::{BTreeMap, BTreeSet};

use super::drift::drift;
use super::standing::limits;
use crate::cli::arguments::projects::Export;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::client::Client;
use crate::manifest::format::format as laid_out;
use crate::manifest::written::{check_text, maintenance_text, webhook_text};
use crate::model::desired::{API_PROJECT, ProjectSpec};
use crate::model::id::CheckId;
use crate::model::name::Name;
use crate::proto::lokahi::{Object, ObjectsRequest, ProjectsRequest};
use crate::runtime::chain::chain;
use crate::spec::{accept_check, accept_project, accept_webhook};

/// Writes what is live as check files.
pub(in crate::cli) async fn export(
    client: &Client,
    what: &Export,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if let Some(name) = &what.drift {
        return drift(client, name, console).await;
    }
    let objects = objects(client, filter(&what.owner)).await?;
    let project = match objects
        .iter()
        .map(|it| it.project.as_str())
        .collect::<BTreeSet<_>>()
    {
        owners if owners.len() == 1 && !owners.contains(API_PROJECT) => what.owner.clone(),
        _ => what.project.clone(),
    };
    let project: Name = project
        .parse()
        .map_err(|error| Failure::new(Exit::Usage, format!("--project: {error}")))?;
    if objects.is_empty() && !matches!(what.owner.as_str(), "api" | "all") {
        // Says so when there is no such project.
        let project = what.owner.clone();
        let brief = true;
        client.projects(&ProjectsRequest { project, brief }).await?;
    }
    let settings = match project.as_str() == what.owner {
        true => settings(client, &project).await?,
        false => (String::new(), String::new()),
    };
    let (settings, maintenances) = settings;
    let mut text = format!("lokahi {{\n  project = \"{project}\"\n{settings}}}\n");
    let named = named(&objects);
    let webhooks = named.iter().filter(|(_, object)| object.kind == "webhook");
    let webhooks: Called<'_> = webhooks
        .map(|(name, it)| ((it.project.as_str(), it.address.as_str()), name.as_str()))
        .collect();
    let checks = named.iter().filter(|(_, object)| object.kind == "check");
    let checks: Called<'_> = checks
        .map(|(name, it)| ((it.project.as_str(), it.address.as_str()), name.as_str()))
        .collect();
    for (name, object) in &named {
        text.push('\n');
        text.push_str(&block(object, name, &webhooks, &checks)?);
        if object.owner == "api" && object.kind == "check" {
            // Its history comes along, and it is not made a second time.
            let id = &object.id;
            text.push_str(&format!(
                "\nimport {{\n  id = \"{id}\"\n  to = check.{name}\n}}\n"
            ));
        }
    }
    text.push_str(&maintenances);
    let text = laid_out(&text).unwrap_or(text);
    console.out.write_all(text.as_bytes())?;
    Ok(Exit::Ok)
}

/// What a root says of its project, one attribute a line; and the blocks beside its own.
async fn settings(client: &Client, project: &Name) -> Result<(String, String), Failure> {
    let asked = ProjectsRequest {
        project: project.to_string(),
        brief: true,
    };
    let found = client.projects(&asked).await?.projects.into_iter().next();
    let Some(project) = found else {
        return Ok((String::new(), String::new()));
    };
    let names = project.operators.iter();
    let names: Vec<String> = names.map(|name| format!("webhook.{name}")).collect();
    let mut text = match names.is_empty() {
        true => String::new(),
        false => format!("  operators = [{}]\n", names.join(", ")),
    };
    for (name, limit) in limits(&project) {
        text.push_str(&format!("  {name} = {limit}\n"));
    }
    // An older server says nothing of it.
    let spec = match project.spec.as_slice() {
        [] => ProjectSpec::default(),
        spec => accept_project(spec).map_err(|error| {
            let message = format!("the project cannot be read: {}", chain(&error));
            Failure::new(Exit::Server, message).hint("the server may be newer than this lokahictl")
        })?,
    };
    let blocks = spec.maintenances.iter();
    let blocks = blocks.map(|(name, it)| format!("\n{}", maintenance_text(name, it)));
    Ok((text, blocks.collect()))
}

fn filter(owner: &str) -> ObjectsRequest {
    match owner {
        "all" => ObjectsRequest::default(),
        "api" => ObjectsRequest {
            owner: "api".to_owned(),
            ..ObjectsRequest::default()
        },
        project => ObjectsRequest {
            project: project.to_owned(),
            ..ObjectsRequest::default()
        },
    }
}

pub(super) async fn objects(
    client: &Client,
    mut asked: ObjectsRequest,
) -> Result<Vec<Object>, Failure> {
    let mut all = Vec::new();
    loop {
        let page = client.objects(&asked).await?;
        all.extend(page.objects);
        match page.next {
            0 => return Ok(all),
            next => asked.after = next,
        }
    }
}

/// Each object under a name that files can declare: its own, one made of its id where it has
/// none, and with its project's where another one has the name.
fn named(objects: &[Object]) -> Vec<(String, &Object)> {
    let mut taken: BTreeMap<(String, String), ()> = BTreeMap::new();
    let mut all = Vec::new();
    for object in objects {
        let own = match object.address.parse::<CheckId>() {
            Ok(_) => format!("check-{}", object.address),
            Err(_) => object.address.clone(),
        };
        let mut name = own.clone();
        let mut number = 2;
        while taken
            .insert((object.kind.clone(), name.clone()), ())
            .is_some()
        {
            name = match own.split_once('[') {
                Some((base, key)) => format!("{base}-{number}[{key}"),
                None => format!("{own}-{number}"),
            };
            number += 1;
        }
        all.push((name, object));
    }
    all
}

/// What objects of a kind are called in the export, by project and own name.
type Called<'a> = BTreeMap<(&'a str, &'a str), &'a str>;

fn block(
    object: &Object,
    name: &str,
    webhooks: &Called<'_>,
    checks: &Called<'_>,
) -> Result<String, Failure> {
    let unreadable = |error: &dyn std::error::Error| {
        let message = format!("{}.{} cannot be read: {}", object.kind, name, chain(error));
        Failure::new(Exit::Server, message).hint("the server may be newer than this lokahictl")
    };
    match object.kind.as_str() {
        "webhook" => {
            let mut spec = accept_webhook(&object.spec).map_err(|error| unreadable(&error))?;
            if let Some(fallback) = &mut spec.fallback {
                let called = webhooks.get(&(object.project.as_str(), fallback.as_str()));
                if let Some(other) = called.and_then(|called| called.parse().ok()) {
                    *fallback = other;
                }
            }
            Ok(webhook_text(name, &spec))
        }
        _ => {
            let mut spec = accept_check(&object.spec).map_err(|error| unreadable(&error))?;
            for receiver in &mut spec.receivers {
                let called = webhooks.get(&(object.project.as_str(), receiver.as_str()));
                if let Some(other) = called.and_then(|called| called.parse().ok()) {
                    *receiver = other;
                }
            }
            for parent in &mut spec.suppressed_by {
                let own = parent.to_string();
                let called = checks.get(&(object.project.as_str(), own.as_str()));
                if let Some(other) = called.and_then(|called| called.parse().ok()) {
                    *parent = other;
                }
            }
            Ok(check_text(name, &spec, &BTreeMap::new(), ""))
        }
    }
}
