//! Which checks are meant: by name, by a pattern, by labels.

use super::arguments::Filter;
use super::arguments::overlay::Chosen;
use super::checks::filtered;
use super::exit::{Exit, Failure};
use super::naming;
use crate::client::Client;
use crate::model::glob::Glob;
use crate::proto::lokahi::{Check, ListOpts};

/// A page of the list of checks.
const PAGE: i32 = 10_000;

/// The ids of all that are meant.
pub(super) async fn ids(
    client: &Client,
    chosen: &Chosen,
    states: Vec<i32>,
) -> Result<Vec<String>, Failure> {
    let Chosen { ids, filter, .. } = chosen;
    let Filter {
        labels,
        project,
        owner,
    } = filter;
    let filters = !labels.is_empty() || project.is_some() || owner.is_some();
    if !filters && ids.is_empty() {
        let message = "which checks? Name them, or give --label or --project";
        return Err(Failure::new(Exit::Usage, message.to_owned()));
    }
    let mut found = Vec::new();
    let mut patterns = Vec::new();
    for name in ids {
        if filters || name.contains('*') {
            patterns.push(pattern(name)?);
        } else {
            found.push(naming::id(client, name).await?);
        }
    }
    if !filters && patterns.is_empty() {
        return Ok(found);
    }
    let mut offset = 0;
    loop {
        let page = client
            .list(&ListOpts {
                count: PAGE,
                offset,
                states: states.clone(),
                ..filtered(filter.clone())
            })
            .await?;
        let many = i32::try_from(page.results.len()).unwrap_or(PAGE);
        let checks = page.results.into_iter().filter_map(|row| row.check);
        let meant = |check: &Check| {
            ids.is_empty()
                || patterns.iter().any(|(project, glob)| {
                    project.is_none_or(|project| check.project == project)
                        && glob.matches(&check.name)
                })
        };
        found.extend(checks.filter(meant).map(|check| check.id));
        if many < PAGE {
            break;
        }
        offset += many;
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|id| seen.insert(id.clone()));
    Ok(found)
}

/// `NAME` or `PROJECT/NAME`, with `*` in the name.
fn pattern(text: &str) -> Result<(Option<&str>, Glob), Failure> {
    let (project, name) = match text.split_once('/') {
        Some((project, name)) => (Some(project), name),
        None => (None, text),
    };
    let glob = name.parse::<Glob>();
    let glob = glob.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    Ok((project, glob))
}
