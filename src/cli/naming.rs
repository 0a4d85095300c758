//! Checks by the names that people give them: `front`, or `project/front` where
//! more than one project has such a check.

use super::exit::{Exit, Failure};
use crate::client::Client;
use crate::model::id::CheckId;
use crate::proto::lokahi::{Check, ListOpts};

/// More than that of one name are not listed.
const MOST: i32 = 100;

/// The id of what is named by its id, its name, or its project and name.
pub(super) async fn id(client: &Client, text: &str) -> Result<String, Failure> {
    if text.parse::<CheckId>().is_ok() {
        return Ok(text.to_owned());
    }
    let (project, name) = text.split_once('/').unwrap_or(("", text));
    let page = client
        .list(&ListOpts {
            count: MOST,
            name: name.to_owned(),
            project: project.to_owned(),
            ..ListOpts::default()
        })
        .await?;
    // An older server leaves out no one.
    let meant = |check: &Check| {
        !name.is_empty() && check.name == name && (project.is_empty() || check.project == project)
    };
    let checks = page.results.into_iter().filter_map(|row| row.check);
    let found: Vec<Check> = checks.filter(meant).collect();
    match found.as_slice() {
        [check] => Ok(check.id.clone()),
        [] => {
            let message = format!("not_found: there is no check {text:?}");
            let hint = "lokahictl list shows names and ids";
            Err(Failure::new(Exit::Refused, message).hint(hint))
        }
        several => {
            let all = several
                .iter()
                .map(|check| format!("{}/{}", check.project, check.name));
            let all: Vec<String> = all.collect();
            let message = format!("{text:?} is the name of several: {}", all.join(", "));
            Err(Failure::new(Exit::Refused, message).hint("write PROJECT/NAME"))
        }
    }
}

/// Whether a check is called so, or is one of a `for_each` that is.
pub(super) fn is_called(address: &str, name: &str) -> bool {
    let of_each = address
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('['));
    address == name || of_each
}
