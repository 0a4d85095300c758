//! `apply`: from a folder to the server. The plan is shown first, and only the
//! word `yes` goes on.

use std::collections::BTreeMap;
use std::path::Path;

use super::arguments::{Apply, TextOutput};
use super::exit::{Exit, Failure};
use super::output::Console;
use super::revision;
use super::validate::{diagnostic, style};
use crate::client::Client;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::report;
use crate::model::change::{Action, Change, FieldChange, Kind};
use crate::model::desired::{Declared, Desired, SourceLine};
use crate::plan::{Plan, text};
use crate::proto::lokahi::{
    self, ApplyRequest, ApplyResult, Declared as WireDeclared, SpecDigests, SpecUpload,
};
use crate::reconcile::load::{self, Wanted};
use crate::spec::{Digest, encode_check, encode_webhook};

/// How much one upload holds, in bytes; the server takes 4 MiB.
const UPLOAD: usize = 2 * 1024 * 1024;
/// How many digests are asked for at once.
const DIGESTS: usize = 50_000;

/// Applies every project at and below the folder, each by itself: what is wrong with one stops
/// only that one.
pub(super) async fn apply(
    client: &Client,
    what: &Apply,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let inputs = what.inputs.read()?;
    let roots = load::tree(&what.path, &inputs);
    let (_, strays) = load::survey(&what.path);
    let shown = what.path.display().to_string();
    let strays = report::human(&strays, &shown, style(console));
    console.words.write_all(strays.as_bytes())?;
    if roots.len() > 1 && what.output == TextOutput::Json {
        let message = format!("{} holds {} projects", what.path.display(), roots.len());
        return Err(Failure::new(Exit::Usage, message)
            .hint("with --output json one is applied at a time: name its folder"));
    }
    let mut first = None;
    let several = roots.len() > 1;
    for (root, wanted) in roots {
        match apply_root(client, &root, wanted, what, console).await {
            Err(failure) if several => {
                let exit = failure.report(console.words);
                first.get_or_insert(exit);
            }
            other => {
                other?;
            }
        }
    }
    Ok(first.unwrap_or(Exit::Ok))
}

async fn apply_root(
    client: &Client,
    path: &Path,
    wanted: Result<Wanted, Diagnostics>,
    what: &Apply,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let root = path.display().to_string();
    let desired = match wanted {
        Ok((desired, warnings)) => {
            let warnings = report::human(&warnings, &root, style(console));
            console.words.write_all(warnings.as_bytes())?;
            desired
        }
        Err(problems) => {
            if what.output == TextOutput::Json {
                let problems: Vec<_> = problems.0.iter().map(diagnostic).collect();
                let document = serde_json::json!({
                    "format_version": 1, "kind": "apply", "applied": false,
                    "diagnostics": problems,
                });
                writeln!(console.out, "{document:#}")?;
            } else {
                let text = report::human(&problems.0, &root, style(console));
                console.out.write_all(text.as_bytes())?;
            }
            let counts = report::counts(&problems.0);
            return Err(Failure::new(
                Exit::Refused,
                format!("{counts}: nothing was changed"),
            ));
        }
    };
    let mut request = request(&desired, revision::of(path), client).await?;
    let planned = client.apply(&request).await?;
    let plan = plan(&planned);
    if what.output == TextOutput::Human {
        console
            .out
            .write_all(text::human(&plan, &root).as_bytes())?;
    }
    if plan.is_empty() {
        return done(&planned, false, what.output, console);
    }
    if !what.auto_approve && !approved(console).await? {
        if what.output == TextOutput::Json {
            done(&planned, false, what.output, console)?;
        }
        let mut failure = Failure::new(Exit::Declined, "Nothing was changed.");
        if !console.answers {
            failure = failure.hint("without a terminal to ask on, --auto-approve is needed");
        }
        return Err(failure);
    }
    request.dry_run = false;
    request.expected_generation = Some(planned.generation);
    let applied = client.apply(&request).await?;
    done(&applied, true, what.output, console)
}

/// Asks; nobody there to answer is a no.
async fn approved(console: &mut Console<'_>) -> Result<bool, Failure> {
    if !console.answers {
        return Ok(false);
    }
    write!(
        console.words,
        "Apply these changes? Only `yes` is accepted: "
    )?;
    console.words.flush()?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer
        .await
        .map_err(|error| Failure::new(Exit::Declined, error.to_string()))??;
    Ok(answer.trim_end_matches(['\r', '\n']) == "yes")
}

fn done(
    result: &ApplyResult,
    applied: bool,
    output: TextOutput,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let plan = plan(result);
    if output == TextOutput::Json {
        writeln!(console.out, "{:#}", document(result, &plan, applied))?;
    } else if applied {
        let (project, generation) = (&result.project, result.generation);
        writeln!(
            console.out,
            "Applied: {project} is at generation {generation}."
        )?;
    }
    Ok(Exit::Ok)
}

/// Uploads what the server lacks, and gives the request that only compares.
async fn request(
    desired: &Desired,
    revision: lokahi::Revision,
    client: &Client,
) -> Result<ApplyRequest, Failure> {
    let mut specs: BTreeMap<Digest, (Kind, Vec<u8>)> = BTreeMap::new();
    let mut declare = |kind, address: &str, bytes: Vec<u8>, source: &SourceLine| {
        let digest = Digest::of(&bytes);
        specs.insert(digest, (kind, bytes));
        WireDeclared {
            address: address.to_owned(),
            digest: digest.0.to_vec(),
            file: source.file.clone(),
            line: i32::try_from(source.line).unwrap_or(i32::MAX),
        }
    };
    let mut checks = Vec::new();
    for (address, Declared { spec, source }) in &desired.checks {
        checks.push(declare(Kind::Check, address, encode_check(spec), source));
    }
    let mut webhooks = Vec::new();
    for (address, Declared { spec, source }) in &desired.webhooks {
        webhooks.push(declare(
            Kind::Webhook,
            address,
            encode_webhook(spec),
            source,
        ));
    }
    let all: Vec<Vec<u8>> = specs.keys().map(|digest| digest.0.to_vec()).collect();
    let mut missing = Vec::new();
    for digests in all.chunks(DIGESTS) {
        let digests = SpecDigests {
            digests: digests.to_vec(),
        };
        missing.extend(client.missing_specs(&digests).await?.digests);
    }
    let (mut upload, mut size) = (SpecUpload::default(), 0);
    for digest in missing {
        let Ok(digest) = digest.try_into().map(Digest) else {
            continue;
        };
        let Some((kind, bytes)) = specs.remove(&digest) else {
            continue;
        };
        if size + bytes.len() > UPLOAD {
            client.upload_specs(&std::mem::take(&mut upload)).await?;
            size = 0;
        }
        size += bytes.len();
        match kind {
            Kind::Check => upload.checks.push(bytes),
            Kind::Webhook => upload.webhooks.push(bytes),
        }
    }
    if size > 0 {
        client.upload_specs(&upload).await?;
    }
    Ok(ApplyRequest {
        project: desired.project.to_string(),
        checks,
        webhooks,
        revision: Some(revision),
        dry_run: true,
        expected_generation: None,
    })
}

/// The server's changes, as the plan that they are.
fn plan(result: &ApplyResult) -> Plan {
    let change = |change: &lokahi::Change| Change {
        kind: match change.kind.as_str() {
            "webhook" => Kind::Webhook,
            _ => Kind::Check,
        },
        address: change.address.clone(),
        action: match change.action() {
            lokahi::change::Action::Create => Action::Create,
            lokahi::change::Action::Update => Action::Update,
            lokahi::change::Action::Delete => Action::Delete,
        },
        source: SourceLine {
            file: change.file.clone(),
            line: u32::try_from(change.line).unwrap_or(0),
        },
        fields: change
            .fields
            .iter()
            .map(|field| FieldChange {
                path: field.path.clone(),
                before: field.before.clone(),
                after: field.after.clone(),
            })
            .collect(),
    };
    Plan {
        changes: result.changes.iter().map(change).collect(),
    }
}

/// The result for programs; fields are only ever added within a version.
fn document(result: &ApplyResult, plan: &Plan, applied: bool) -> serde_json::Value {
    let summary = plan.summary();
    let changes = plan.changes.iter().map(|change| {
        let action = match change.action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        };
        let fields = change.fields.iter().map(|field| {
            serde_json::json!({
                "path": field.path, "before": field.before, "after": field.after,
            })
        });
        serde_json::json!({
            "kind": change.kind.name(),
            "address": change.address,
            "actions": [action],
            "source": {"file": change.source.file, "line": change.source.line},
            "fields": fields.collect::<Vec<_>>(),
        })
    });
    serde_json::json!({
        "format_version": 1,
        "kind": "apply",
        "applied": applied,
        "project": result.project,
        "generation": result.generation,
        "summary": {"add": summary.add, "change": summary.change, "delete": summary.delete},
        "changes": changes.collect::<Vec<_>>(),
    })
}
