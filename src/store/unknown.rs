//! Checks of which nothing is known now: their newest probe came, and could not look.

use sqlx::PgConnection;

use super::error::{Doing as _, StoreError};
use crate::model::id::CheckId;
use crate::model::observation::{ErrorClass, Outcome};
use crate::spec;

/// The most that are read: with more of them people need no exact number.
pub const MOST: i64 = 500;

/// Which of them are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnknownOf<'a> {
    All,
    Project(&'a str),
    /// Those that this generation of a project made, and of which nothing was ever known, or that
    /// it changed, and that were probed since.
    Of(&'a str, i64),
}

/// One of them.
#[derive(Clone, PartialEq, Debug)]
pub struct UnknownCheck {
    pub id: CheckId,
    pub project: String,
    pub address: String,
    pub class: ErrorClass,
    /// The host that it probes; empty if the spec cannot be read.
    pub host: String,
    /// The encoded `Evidence` of the probe; `None` if it is not kept any more.
    pub evidence: Option<Vec<u8>>,
}

/// Those that are probed, oldest first, [`MOST`] at most.
pub async fn unknown_list(
    conn: &mut PgConnection,
    of: UnknownOf<'_>,
) -> Result<Vec<UnknownCheck>, StoreError> {
    let (project, generation) = match of {
        UnknownOf::All => (None, None),
        UnknownOf::Project(project) => (Some(project), None),
        UnknownOf::Of(project, generation) => (Some(project), Some(generation)),
    };
    let rows = sqlx::query!(
        r#"select c.id, p.name as project, c.address, t.last_class, s.bytes,
               (select e.bytes from evidence e where e.check_no = c.check_no
                order by e.at desc limit 1) as evidence
           from check_states t
           join checks c on c.id = t.check_id
           join projects p on p.id = c.project_id
           join specs s on s.id = c.live_spec_id
           where t.last_outcome = $1 and c.deleted_at is null and not c.disabled
               and not exists (select from overlays v where v.check_id = c.id
                   and v.kind = 'paused' and (v.until is null or v.until > now()))
               and ($2::text is null or p.name = $2)
               and ($3::bigint is null or exists (
                   select from memberships m join generations g
                       on g.project_id = m.project_id and g.n = m.from_gen
                   where m.project_id = c.project_id and m.kind = 'check'
                       and m.address = c.address and m.from_gen = $3
                       and case when c.created_at = g.at then t.state = 0
                           else t.last_at >= g.at end))
           order by c.check_no limit $4"#,
        Outcome::Unknown.number(),
        project,
        generation,
        MOST,
    )
    .fetch_all(conn)
    .await
    .doing("read of which checks nothing is known")?;
    let checks = rows.into_iter().map(|row| UnknownCheck {
        id: CheckId(row.id),
        project: row.project,
        address: row.address,
        class: ErrorClass::from_number(row.last_class).unwrap_or(ErrorClass::Internal),
        host: spec::decode_check(&row.bytes)
            .ok()
            .and_then(|spec| Some(spec.url.parse().host_str()?.to_owned()))
            .unwrap_or_default(),
        evidence: row.evidence,
    });
    Ok(checks.collect())
}
