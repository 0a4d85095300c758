//! How a project stands: by the API, in the database, and on the page of metrics.

use lokahi::proto::lokahi::{Condition, ProjectStatus, ProjectsRequest};
use sqlx::Row as _;

use crate::pipeline::fleet::Fleet;
use crate::support::until;

pub(super) async fn status(fleet: &Fleet, project: &str) -> ProjectStatus {
    let asked = ProjectsRequest {
        project: project.to_owned(),
        ..Default::default()
    };
    let found = fleet.client().projects(&asked).await;
    let found = found.map(|found| found.projects).unwrap_or_default();
    found.into_iter().next().unwrap_or_default()
}

pub(super) async fn condition(fleet: &Fleet, project: &str, aspect: &str) -> Condition {
    let all = status(fleet, project).await.conditions.into_iter();
    let mut all = all.filter(|condition| condition.r#type == aspect);
    all.next().unwrap_or_default()
}

pub(super) async fn until_condition(
    fleet: &Fleet,
    project: &str,
    (aspect, holds, reason): (&str, bool, &str),
) -> String {
    let what = format!("{project} is {aspect} {holds}: {reason}");
    until(&what, async || {
        let now = condition(fleet, project, aspect).await;
        now.status == holds && now.reason == reason
    })
    .await;
    condition(fleet, project, aspect).await.message
}

pub(super) async fn live(fleet: &Fleet) -> Vec<String> {
    sqlx::query("select address from checks where deleted_at is null order by address")
        .fetch_all(&mut fleet.database().await)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get("address"))
        .collect()
}

pub(super) async fn gauge(fleet: &Fleet, project: &str, aspect: &str) -> Option<f64> {
    let page = fleet.metrics().await;
    let start = "lokahi_project_condition{";
    let line = page.lines().find(|line| {
        line.starts_with(start)
            && line.contains(&format!("project=\"{project}\""))
            && line.contains(&format!("type=\"{aspect}\""))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}
