//! What people set on checks while these run. An apply neither reads nor writes any of it; what
//! is over stays until it is set or ended again, and counts for nothing.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use super::maintenance::maintenance_find;
use super::trial::suspect_find;
use crate::model::id::CheckId;
use crate::model::overlay::{Mark, Overlay, OverlayKind};

/// What is in force of these checks at a moment; those of which nothing is are left out.
pub async fn overlay_find(
    conn: &mut PgConnection,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<HashMap<CheckId, Overlay>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select check_id as "check_id!", kind as "kind!", since as "since!", until as "until?",
               by_whom as "by!", reason as "reason!"
           from overlays where check_id = any($1) and (until is null or until > $2)
           union all
           select t.check_id, '', i.acked_at, null, i.acked_by, i.acked_reason
           from check_states t join incidents i on i.id = t.incident_id
           where t.check_id = any($1) and i.acked_at is not null"#,
        &ids,
        now,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read what is set on checks")?;
    let mut found: HashMap<CheckId, Overlay> = HashMap::new();
    for row in rows {
        let overlay = found.entry(CheckId(row.check_id)).or_default();
        let place = match OverlayKind::from_name(&row.kind) {
            Some(OverlayKind::Paused) => &mut overlay.paused,
            Some(OverlayKind::Muted) => &mut overlay.muted,
            None => &mut overlay.acknowledged,
        };
        *place = Some(Mark {
            since: row.since,
            until: row.until,
            by: row.by,
            reason: row.reason,
        });
    }
    let rows = sqlx::query!(
        // Few have parents: of all others nothing more is read.
        r#"select n.check_id, n.address, p.since
           from check_parents n
           cross join lateral (select t.since from checks c
               join checks p on p.project_id = c.project_id and p.address = n.address
                   and p.deleted_at is null
               join check_states t on t.check_id = p.id
               where c.id = n.check_id and t.state in (2, 3) limit 1) p
           where n.check_id = any($1) order by p.since desc"#,
        &ids,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read what suppresses checks")?;
    for row in rows {
        let overlay = found.entry(CheckId(row.check_id)).or_default();
        // The one that went first.
        overlay.suppressed = Some(Mark {
            since: row.since,
            until: None,
            by: format!("check.{}", row.address),
            reason: String::new(),
        });
    }
    for (check, mark) in maintenance_find(conn, checks, now).await? {
        found.entry(check).or_default().maintenance = Some(mark);
    }
    for (check, mark) in suspect_find(conn, checks, now).await? {
        found.entry(check).or_default().suspect = Some(mark);
    }
    Ok(found)
}

/// Sets something on checks, in the place of what was there.
pub async fn overlay_set(
    conn: &mut PgConnection,
    kind: OverlayKind,
    checks: &[CheckId],
    mark: &Mark,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    sqlx::query!(
        "insert into overlays (check_id, kind, since, until, by_whom, reason)
         select id, $2, $3, $4::timestamptz, $5, $6 from unnest($1::uuid[]) as c (id) order by id
         on conflict (check_id, kind) do update set since = excluded.since,
             until = excluded.until, by_whom = excluded.by_whom, reason = excluded.reason",
        &ids,
        kind.name(),
        mark.since,
        mark.until,
        mark.by,
        mark.reason,
    )
    .execute(conn)
    .await
    .doing("set something on checks")?;
    Ok(())
}

/// Ends what is set on checks; returns those on which it was in force.
pub async fn overlay_end(
    conn: &mut PgConnection,
    kind: OverlayKind,
    checks: &[CheckId],
    now: OffsetDateTime,
) -> Result<Vec<CheckId>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let ended = sqlx::query!(
        r#"delete from overlays where kind = $2 and check_id = any($1)
           returning check_id, until is null or until > $3 as "in_force!""#,
        &ids,
        kind.name(),
        now,
    )
    .fetch_all(conn)
    .await
    .doing("end what is set on checks")?;
    let ended = ended.into_iter().filter(|row| row.in_force);
    Ok(ended.map(|row| CheckId(row.check_id)).collect())
}

/// Says of the open incidents of checks that somebody works on them, or with `None` that nobody
/// does; returns the checks of which that was news.
pub async fn incident_acknowledge(
    conn: &mut PgConnection,
    checks: &[CheckId],
    mark: Option<&Mark>,
) -> Result<Vec<CheckId>, StoreError> {
    let ids: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let changed = sqlx::query_scalar!(
        "update incidents i set acked_at = $2, acked_by = $3, acked_reason = $4
         from check_states t
         where t.check_id = any($1) and i.id = t.incident_id and i.closed_at is null
             and (i.acked_at is not null or $2::timestamptz is not null)
         returning i.check_id",
        &ids,
        mark.map(|mark| mark.since),
        mark.map_or("", |mark| &mark.by),
        mark.map_or("", |mark| &mark.reason),
    )
    .fetch_all(conn)
    .await
    .doing("acknowledge incidents")?;
    Ok(changed.into_iter().map(CheckId).collect())
}
