//! Secrets and projects: while one project alone declares anything, its checks may use every
//! secret; from the second on only what SECRETS_BINDING binds. Whoever makes the second one
//! hears of it before checks of the first go blind.

use std::collections::BTreeSet;

use super::error::ApplyError;
use super::propose::Wish;
use crate::model::change::Kind;
use crate::plan::Plan;
use crate::plan::state::Specs;
use crate::plan::text::counted;
use crate::spec::{self, Digest};
use crate::store::Connection;
use crate::store::project::{project_checks, project_list, project_receivers, project_sole};
use crate::store::spec::spec_bytes;

/// What a plan warns of, where its project is the second that declares anything, or one of
/// several and uses secrets.
pub(super) async fn unbound(
    conn: &mut Connection,
    wish: &Wish,
    plan: &Plan,
    specs: &Specs,
) -> Result<Vec<String>, ApplyError> {
    let name = wish.wanted.project.as_str();
    if wish.wanted.checks.is_empty() && wish.wanted.webhooks.is_empty() {
        return Ok(Vec::new());
    }
    let sole = project_sole(conn).await?;
    match &sole {
        Some(sole) if sole == name => return Ok(Vec::new()),
        Some(_) => {}
        // None, or several.
        None => {
            let all = project_list(conn, None).await?;
            let mut others = all.iter().filter(|project| project.name != name);
            if others.all(|project| project.generation == 0) {
                return Ok(Vec::new());
            }
        }
    }
    let mut all = Vec::new();
    let own = plan.changes.iter().filter(|change| {
        let declared = wish.wanted.checks.get(&change.address);
        let spec = declared.and_then(|declared| specs.checks.get(&declared.spec));
        let uses = spec.is_some_and(|spec| spec.secrets().next().is_some());
        change.kind == Kind::Check && change.action.keeps() && uses
    });
    let own: Vec<&str> = own.map(|change| change.address.as_str()).collect();
    let told = plan.changes.iter().filter(|change| {
        let declared = wish.wanted.webhooks.get(&change.address);
        let spec = declared.and_then(|declared| specs.webhooks.get(&declared.spec));
        let uses = spec.is_some_and(|spec| spec.references().next().is_some());
        change.kind == Kind::Webhook && change.action.keeps() && uses
    });
    let told: Vec<&str> = told.map(|change| change.address.as_str()).collect();
    let why = format!("{name} is not the only project here");
    all.extend(say(Kind::Check, &own, &why));
    all.extend(say(Kind::Webhook, &told, &why));
    if let Some(sole) = sole {
        let (checks, webhooks) = users(conn, &sole).await?;
        let why = format!("{sole} is the only project until now, and will not be");
        for (kind, theirs) in [(Kind::Check, checks), (Kind::Webhook, webhooks)] {
            let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
            all.extend(say(kind, &theirs, &why));
        }
    }
    Ok(all)
}

fn say(kind: Kind, users: &[&str], why: &str) -> Option<String> {
    let first = users.first()?;
    let word = kind.name();
    let who = match users.len() {
        1 => format!("{word}.{first} uses a secret"),
        n => format!(
            "{word}.{first} and {} use secrets",
            counted(n - 1, &format!("other {word}"))
        ),
    };
    let (worker, without) = match kind {
        Kind::Webhook => (
            "webhook worker",
            "events to it wait, and are given up after three days",
        ),
        _ => (
            "health worker",
            "the check is not probed any more (secret_unbound), and stays as it was",
        ),
    };
    Some(format!(
        "{who}, and {why}: of several projects a {worker} uses only secrets that its \
         SECRETS_BINDING binds to the project. Where that does not, {without}"
    ))
}

/// The checks of a project that use secrets, and its receivers.
async fn users(
    conn: &mut Connection,
    project: &str,
) -> Result<(Vec<String>, Vec<String>), ApplyError> {
    let Some(project) = project_list(conn, Some(project)).await?.pop() else {
        return Ok((Vec::new(), Vec::new()));
    };
    let webhooks = project_receivers(conn, project.id).await?;
    let digests: Vec<Digest> = webhooks.iter().map(|row| row.live).collect();
    let bytes = spec_bytes(conn, &digests).await?;
    let uses = |digest: &Digest| {
        let spec = bytes.get(digest).map(|bytes| spec::decode_webhook(bytes));
        matches!(spec, Some(Ok(spec)) if spec.references().next().is_some())
    };
    let told = webhooks.into_iter().filter(|row| uses(&row.live));
    let told = told.map(|row| row.address).collect();
    let checks = project_checks(conn, project.id).await?;
    let digests: BTreeSet<Digest> = checks.iter().map(|row| row.live).collect();
    let digests: Vec<Digest> = digests.into_iter().collect();
    let bytes = spec_bytes(conn, &digests).await?;
    let uses = |digest: &Digest| {
        let spec = bytes.get(digest).map(|bytes| spec::decode_check(bytes));
        matches!(spec, Some(Ok(spec)) if spec.secrets().next().is_some())
    };
    let users = checks.into_iter().filter(|row| uses(&row.live));
    Ok((users.map(|row| row.address).collect(), told))
}
