//! `render`: what check files come to, and where each value was written.

mod document;

use std::collections::BTreeMap;

use self::document::document;
use super::arguments::files::{Render, RenderOutput};
use super::diagnostics::{diagnostic, style};
use super::exit::{Exit, Failure};
use super::naming::is_called;
use super::output::Console;
use crate::manifest::compile::{Compiled, Keep, OriginLine};
use crate::manifest::inputs::{Inputs, Missing};
use crate::manifest::report;
use crate::manifest::written::{check_text, comment, maintenance_text, project_text, webhook_text};
use crate::model::desired::Desired;
use crate::reconcile::load;

pub(super) fn render(what: &Render, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let roots = load::roots(&what.path);
    let inputs = Inputs {
        missing: Missing::Refused,
        ..load::for_roots(&what.inputs.read()?, roots.len())
    };
    let mut projects = BTreeMap::new();
    let (mut found, mut begun) = (false, false);
    let mut documents = Vec::new();
    let mut variables = Vec::new();
    for root in &roots {
        let shown = root.display().to_string();
        let compiled = match load::load(root, &inputs, Keep::Origins) {
            Ok(compiled) => compiled,
            Err(problems) => {
                if what.output == RenderOutput::Json {
                    let problems: Vec<_> = problems.0.iter().map(diagnostic).collect();
                    let document = serde_json::json!({
                        "format_version": 1, "kind": "render", "diagnostics": problems,
                    });
                    writeln!(console.out, "{document:#}")?;
                } else {
                    let text = report::human(&problems.0, &shown, style(console));
                    console.words.write_all(text.as_bytes())?;
                }
                let message = format!("nothing is rendered: {}", report::counts(&problems.0));
                return Err(Failure::new(Exit::Refused, message));
            }
        };
        let Some(desired) = &compiled.desired else {
            return Err(Failure::new(Exit::Refused, "not everything is known"));
        };
        if let Some(other) = projects.insert(desired.project.clone(), shown.clone()) {
            let problem = load::same_project(&desired.project, &other);
            return Err(Failure::new(Exit::Refused, problem.message));
        }
        variables.push(compiled.variables.clone());
        found |= desired.checks.keys().any(|address| wanted(what, address));
        match what.output {
            RenderOutput::Hcl => hcl(what, &shown, desired, &compiled, &mut begun, console)?,
            RenderOutput::Json => documents.push(document(what, desired, &compiled)),
        }
    }
    if what.output == RenderOutput::Json {
        let document = serde_json::json!({
            "format_version": 1, "kind": "render", "projects": documents,
        });
        writeln!(console.out, "{document:#}")?;
    }
    if let Some(stranger) = load::strangers(&inputs, &variables).into_iter().next() {
        return Err(Failure::new(Exit::Refused, stranger.message));
    }
    match (&what.check, found) {
        (Some(name), false) => Err(Failure::new(
            Exit::Refused,
            format!("no check is called {name:?}"),
        )),
        _ => Ok(Exit::Ok),
    }
}

/// Whether a check was asked for.
fn wanted(what: &Render, address: &str) -> bool {
    let mut name = what.check.iter();
    name.all(|name| is_called(address, name))
}

/// Writes a root as files have it, so that it can be one again: blocks with an empty line
/// between them. `begun` says whether something stands above it.
fn hcl(
    what: &Render,
    root: &str,
    desired: &Desired,
    compiled: &Compiled,
    begun: &mut bool,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut write = |text: String| {
        let above = if std::mem::replace(begun, true) {
            "\n"
        } else {
            ""
        };
        write!(console.out, "{above}{text}")
    };
    if what.check.is_none() {
        let project = project_text(&desired.project, &desired.project_spec);
        write(format!("# {}\n\n{project}", comment(root)))?;
        for (name, webhook) in &desired.webhooks {
            write(webhook_text(name, &webhook.spec))?;
        }
        for (name, maintenance) in &desired.project_spec.maintenances {
            write(maintenance_text(name, maintenance))?;
        }
    }
    let none = Vec::new();
    for (address, check) in &desired.checks {
        if !wanted(what, address) {
            continue;
        }
        let place = format!("{}:{}", check.source.file, check.source.line);
        let origins = compiled.origins.get(address).unwrap_or(&none);
        let notes: BTreeMap<&str, String> = match what.explain {
            true => origins.iter().map(note).collect(),
            false => BTreeMap::new(),
        };
        let default = if what.explain { "default" } else { "" };
        let text = check_text(address, &check.spec, &notes, default);
        write(format!("# {}\n{text}", comment(&place)))?;
    }
    Ok(())
}

fn note(origin: &OriginLine) -> (&str, String) {
    (
        &origin.path,
        format!("{}:{}", origin.source.file, origin.source.line),
    )
}
