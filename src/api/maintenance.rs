//! `Checks/Maintain` and what belongs to it: maintenance that nobody declared. What files declare
//! is shown here, too, and changed there.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::checks::whole_microseconds;
use super::error::ApiError;
use super::force::reason_fits;
use super::{Call, edit};
use crate::clock;
use crate::model::maintenance::{Maintenance, Selector, When};
use crate::model::value::valid_label;
use crate::proto::lokahi::{self, MaintainOpts, MaintenanceId, MaintenancesOpts, MaintenancesPage};
use crate::proto::moment::timestamp;
use crate::proto::twirp::{Code, TwirpError};
use crate::store::Connection;
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::error::StoreError;
use crate::store::hold::hold_waiting;
use crate::store::maintenance::{
    StoredMaintenance, maintenance_checks, maintenance_create, maintenance_end, maintenance_list,
};
use crate::store::project::project_find;

/// How long one may last that nobody declared.
const LONGEST: Duration = Duration::days(31);
const SHORTEST: Duration = Duration::MINUTE;

pub(super) async fn maintain(
    call: Call,
    opts: MaintainOpts,
) -> Result<lokahi::Maintenance, ApiError> {
    let lasts = Duration::seconds(opts.for_seconds);
    if lasts < SHORTEST || lasts > LONGEST {
        let (least, most) = (SHORTEST.whole_seconds(), LONGEST.whole_seconds());
        let why = format!("must be {least} to {most}");
        return Err(TwirpError::argument("for_seconds", why).into());
    }
    reason_fits("reason", &opts.reason)?;
    if opts.reason.trim().is_empty() {
        let why = "is needed: whoever finds it so wants to know";
        return Err(TwirpError::argument("reason", why).into());
    }
    let selector = selector(&opts)?;
    let now = whole_microseconds(clock::now());
    // Windows are of whole seconds.
    let start = now.replace_nanosecond(0).unwrap_or(now);
    let maintenance = Maintenance {
        selector,
        when: When::Once {
            start,
            end: start + lasts,
        },
        reason: opts.reason.clone(),
    };
    let mut tx = call.state.store.begin().await?;
    let project = match opts.project.as_str() {
        "" => None,
        name => {
            let found = project_find(&mut tx, name).await?;
            Some(found.ok_or_else(|| {
                let name: String = name.chars().take(100).collect();
                TwirpError::new(Code::NotFound, format!("there is no project {name:?}"))
                    .with("argument", "project")
            })?)
        }
    };
    let by = &call.principal.name;
    let id = maintenance_create(&mut tx, project, &maintenance, by, now).await?;
    let subject = format!("maintenance {id}");
    let entry = AuditEntry {
        project: &opts.project,
        reason: &opts.reason,
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    let made = StoredMaintenance {
        id,
        project: project.map(|_| opts.project.clone()),
        name: None,
        maintenance,
        by: by.clone(),
        created_at: now,
    };
    let checks = maintenance_checks(&mut tx, &made).await?;
    hold_waiting(&mut tx, &checks, now).await?;
    let made = wire(&mut tx, &made, now).await?;
    call.commit(tx, "begin maintenance").await?;
    call.state.announce().await;
    Ok(made)
}

fn selector(opts: &MaintainOpts) -> Result<Selector, TwirpError> {
    let too_many = |name: &str, many: usize| {
        let why = format!("at most {} are allowed, not {many}", Selector::MAX);
        TwirpError::argument(name, why)
    };
    if opts.names.len() > Selector::MAX {
        return Err(too_many("names", opts.names.len()));
    }
    if opts.labels.len() > Selector::MAX {
        return Err(too_many("labels", opts.labels.len()));
    }
    for (key, value) in &opts.labels {
        valid_label(key, value).map_err(|why| TwirpError::argument("labels", why))?;
    }
    let names = opts.names.iter().map(|name| edit::argument("names", name));
    let mut selector = Selector {
        names: names.collect::<Result<_, _>>()?,
        labels: opts.labels.clone().into_iter().collect(),
    };
    if selector.is_empty() && !opts.project.is_empty() {
        // Whoever names a project means all of it.
        selector.names = vec![edit::argument("names", "*")?];
    }
    if selector.is_empty() {
        let why = "or labels, or a project, are needed: which checks does somebody work on?";
        return Err(TwirpError::argument("names", why));
    }
    Ok(selector)
}

pub(super) async fn list(call: Call, opts: MaintenancesOpts) -> Result<MaintenancesPage, ApiError> {
    let now = clock::now();
    let mut conn = call.state.store.acquire().await?;
    let project = Some(opts.project.as_str()).filter(|name| !name.is_empty());
    let mut page = MaintenancesPage::default();
    for found in maintenance_list(&mut conn, project, now).await? {
        page.maintenances.push(wire(&mut conn, &found, now).await?);
    }
    Ok(page)
}

pub(super) async fn end(
    call: Call,
    wanted: MaintenanceId,
) -> Result<lokahi::Maintenance, ApiError> {
    let now = whole_microseconds(clock::now());
    let unknown = || {
        let shown: String = wanted.id.chars().take(100).collect();
        let text = format!("there is no maintenance {shown:?} that is not over");
        TwirpError::new(Code::NotFound, text).with("argument", "id")
    };
    let id = Uuid::try_parse(&wanted.id).map_err(|_| unknown())?;
    let mut tx = call.state.store.begin().await?;
    let all = maintenance_list(&mut tx, None, now).await?;
    let found = all.into_iter().find(|it| it.id == id);
    let mut found = found.ok_or_else(unknown)?;
    if let (Some(name), Some(project)) = (&found.name, &found.project) {
        let text = format!(
            "maintenance.{name} is declared by the files of the project {project}; take it out \
             there and apply"
        );
        let error = TwirpError::new(Code::FailedPrecondition, text).with("reason", "declared");
        return Err(error.with("project", project).into());
    }
    if let When::Once { start, end } = &mut found.maintenance.when {
        // To the second: one that has only begun was never.
        *end = now
            .replace_nanosecond(0)
            .unwrap_or(now)
            .max(*start + Duration::SECOND);
    }
    maintenance_end(&mut tx, id, &found.maintenance, now).await?;
    let subject = format!("maintenance {id}");
    let entry = AuditEntry {
        project: found.project.as_deref().unwrap_or_default(),
        reason: &found.maintenance.reason,
        ..call.entry(now, &subject)
    };
    audit_write(&mut tx, &entry).await?;
    let mut ended = wire(&mut tx, &found, now).await?;
    ended.end = Some(timestamp(now));
    ended.open = false;
    call.commit(tx, "end maintenance").await?;
    call.state.announce().await;
    Ok(ended)
}

async fn wire(
    conn: &mut Connection,
    stored: &StoredMaintenance,
    now: OffsetDateTime,
) -> Result<lokahi::Maintenance, StoreError> {
    let Maintenance {
        selector,
        when,
        reason,
    } = &stored.maintenance;
    let checks = maintenance_checks(conn, stored).await?.len();
    let open = when.open_at(now);
    let (start, end) = match (when, open) {
        (_, Some((start, end))) => (Some(start), Some(end)),
        (When::Once { start, end }, None) => (Some(*start), Some(*end)),
        (When::Recurring { duration, .. }, None) => {
            let next = when.next_after(now);
            (next, next.map(|next| next + *duration))
        }
    };
    let mut found = lokahi::Maintenance {
        id: stored.id.to_string(),
        project: stored.project.clone().unwrap_or_default(),
        name: stored.name.clone().unwrap_or_default(),
        names: selector.names.iter().map(ToString::to_string).collect(),
        labels: selector.labels.clone(),
        start: start.map(timestamp),
        end: end.map(timestamp),
        open: open.is_some(),
        reason: reason.clone(),
        by: stored.by.clone(),
        checks: i32::try_from(checks).unwrap_or(i32::MAX),
        ..lokahi::Maintenance::default()
    };
    if let When::Recurring {
        cron,
        duration,
        zone,
    } = when
    {
        found.cron = cron.to_string();
        found.duration_seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        found.timezone = zone.to_string();
    }
    Ok(found)
}
