//! Checks as people see them: found and listed. How they are made, changed and
//! deleted is in `write`, how they pass from hand to hand in `transfer`.

mod transfer;
mod write;

use std::sync::Arc;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::transfer::{check_adopt, check_release};
pub use self::write::{check_create, check_delete, check_rename, check_revive, check_update};
use super::error::{Doing as _, StoreError};
use super::overlay::overlay_find;
use super::spec::check_of;
use crate::clock;
use crate::model::check::CheckSpec;
use crate::model::desired::CANARY_PROJECT;
use crate::model::health::State;
use crate::model::id::{CheckId, CheckNo, SpecId};
use crate::model::overlay::Overlay;
use crate::model::ownership::Owner;
use crate::runtime::chain::chain;

/// A check with what is believed of it.
#[derive(Clone, Debug)]
pub struct StoredCheck {
    pub id: CheckId,
    pub check_no: CheckNo,
    pub project: String,
    /// Its name; its id when it has none.
    pub address: String,
    pub owner: Owner,
    pub version: i64,
    pub spec: CheckSpec,
    /// Why the spec cannot be read, where that hides nothing else: a newer version has written it,
    /// most likely. Then `spec` is not its own, and nobody probes it.
    pub unreadable: Option<String>,
    pub state: State,
    /// A `warn` of it does not hold, as far as it is up.
    pub degraded: bool,
    /// It goes up and down too often.
    pub flapping: bool,
    pub since: OffsetDateTime,
    /// Number of its last transition.
    pub seq: i64,
    /// The newest probe: due at, class, status, total microseconds.
    pub last: Option<LastProbe>,
    /// How long its receiver took to answer its last event.
    pub webhook_response_nanoseconds: i64,
    /// Evidence of its newest failed probe, encoded, unless all is well.
    pub failure: Option<Vec<u8>>,
    /// What people set on it.
    pub overlay: Overlay,
}

impl StoredCheck {
    /// The name, if it has one.
    pub fn name(&self) -> Option<&str> {
        (self.address != self.id.to_string()).then_some(self.address.as_str())
    }
}

/// The newest probe of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastProbe {
    pub at: OffsetDateTime,
    pub outcome: i16,
    pub class: i16,
    pub status: i16,
    pub total_us: i32,
}

/// A check to be written.
#[derive(Clone, Debug)]
pub struct NewCheck {
    pub id: CheckId,
    pub address: String,
    pub spec_id: SpecId,
    pub spec: Arc<CheckSpec>,
    /// Nobody is told of it until it was UP once.
    pub quiet: bool,
}

/// Which checks to list. All given filters must hold.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    pub labels: Vec<(String, String)>,
    pub states: Vec<State>,
    pub owner: Option<Owner>,
    pub project: Option<String>,
    pub address: Option<String>,
}

struct Row {
    id: Uuid,
    check_no: i64,
    project: String,
    address: String,
    owner: String,
    version: i64,
    spec_id: i64,
    bytes: Vec<u8>,
    state: i16,
    degraded: bool,
    flapping: bool,
    since: OffsetDateTime,
    seq: i64,
    last_at: Option<OffsetDateTime>,
    last_outcome: i16,
    last_class: i16,
    last_status: i16,
    last_total_us: i32,
    response: i64,
    failure: Option<Vec<u8>>,
}

/// What stands for a spec that cannot be read.
const NO_URL: &str = "http://unreadable.invalid/";

impl Row {
    fn spec(&self) -> Result<CheckSpec, StoreError> {
        check_of(self.spec_id, &self.bytes)
    }

    /// The same, or what stands for it, and why.
    fn spec_or_why(&self) -> Result<(CheckSpec, Option<String>), StoreError> {
        let error = match self.spec() {
            Ok(spec) => return Ok((spec, None)),
            Err(error) => error,
        };
        match NO_URL.parse() {
            Ok(url) => Ok((CheckSpec::new(url), Some(chain(&error)))),
            Err(_) => Err(error),
        }
    }

    fn stored(
        self,
        (spec, unreadable): (CheckSpec, Option<String>),
    ) -> Result<StoredCheck, StoreError> {
        let row = self;
        let state = State::from_number(row.state).ok_or(StoreError::Number {
            what: "state",
            number: row.state,
        })?;
        Ok(StoredCheck {
            id: CheckId(row.id),
            check_no: CheckNo(row.check_no),
            project: row.project,
            address: row.address,
            owner: Owner::from_name(&row.owner).unwrap_or(Owner::Declared),
            version: row.version,
            spec,
            unreadable,
            state,
            degraded: row.degraded,
            flapping: row.flapping,
            since: row.since,
            seq: row.seq,
            last: row.last_at.map(|at| LastProbe {
                at,
                outcome: row.last_outcome,
                class: row.last_class,
                status: row.last_status,
                total_us: row.last_total_us,
            }),
            webhook_response_nanoseconds: row.response,
            failure: row.failure,
            overlay: Overlay::default(),
        })
    }
}

/// The live check of this id.
pub async fn check_get(
    conn: &mut PgConnection,
    id: CheckId,
) -> Result<Option<StoredCheck>, StoreError> {
    Ok(check_find(conn, &[id]).await?.pop())
}

/// Those of the given checks that live, in no order.
pub async fn check_find(
    conn: &mut PgConnection,
    ids: &[CheckId],
) -> Result<Vec<StoredCheck>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select c.id, c.check_no, p.name as project, c.address, c.owner, c.version,
               c.live_spec_id as spec_id, s.bytes, t.state, t.degraded,
               t.flapping > 0 as "flapping!", t.since, t.seq,
               coalesce(o.at, t.last_at) as last_at,
               coalesce(o.outcome, t.last_outcome) as "last_outcome!",
               coalesce(o.class, t.last_class) as "last_class!",
               coalesce(o.status, t.last_status) as "last_status!",
               coalesce(o.total_us, t.last_total_us) as "last_total_us!",
               coalesce((select max(l.response_nanoseconds) from check_receivers l
                         where l.check_id = c.id), 0) as "response!",
               case when t.state in (2, 3) or t.degraded or coalesce(o.outcome, t.last_outcome) > 1 then
                   (select e.bytes from evidence e where e.check_no = c.check_no
                    order by e.at desc limit 1) end as failure
           from checks c
           join projects p on p.id = c.project_id
           join specs s on s.id = c.live_spec_id
           join check_states t on t.check_id = c.id
           -- What followed the stored state and did not change it.
           left join lateral (select at, outcome, class, status, total_us from observations
               where check_no = c.check_no and at > t.last_at order by at desc limit 1) o on true
           where c.id = any($1) and c.deleted_at is null"#,
        &ids,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("read checks")?;
    with_overlays(conn, rows, |row| Ok((row.spec()?, None))).await
}

/// Rows as checks, each with its spec and what is in force of it.
async fn with_overlays(
    conn: &mut PgConnection,
    rows: Vec<Row>,
    spec: impl Fn(&Row) -> Result<(CheckSpec, Option<String>), StoreError>,
) -> Result<Vec<StoredCheck>, StoreError> {
    let ids: Vec<CheckId> = rows.iter().map(|row| CheckId(row.id)).collect();
    let mut overlays = overlay_find(conn, &ids, clock::now()).await?;
    let checks = rows.into_iter().map(|row| {
        let spec = spec(&row)?;
        let check = row.stored(spec)?;
        let overlay = overlays.remove(&check.id).unwrap_or_default();
        Ok(StoredCheck { overlay, ..check })
    });
    checks.collect()
}

/// Locks a live check until the transaction ends and returns its version. What is recorded
/// of it meanwhile does not wait.
pub async fn check_lock(conn: &mut PgConnection, id: CheckId) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar!(
        "select version from checks where id = $1 and deleted_at is null
         for no key update",
        id.0
    )
    .fetch_optional(conn)
    .await
    .doing("lock a check")
}

/// Locks live checks, in the order of their ids; returns those that there are.
pub async fn check_lock_all(
    conn: &mut PgConnection,
    ids: &[CheckId],
) -> Result<Vec<CheckId>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let locked = sqlx::query_scalar!(
        "select id from checks where id = any($1) and deleted_at is null
         order by id for no key update",
        &ids,
    )
    .fetch_all(conn)
    .await
    .doing("lock checks")?;
    Ok(locked.into_iter().map(CheckId).collect())
}

/// A page of live checks, oldest first. One whose spec cannot be read hides no other; canaries are
/// shown to whoever names their project.
pub async fn check_list(
    conn: &mut PgConnection,
    filter: &ListFilter,
    count: i64,
    offset: i64,
) -> Result<Vec<StoredCheck>, StoreError> {
    let labels: Vec<String> = filter
        .labels
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let states: Vec<i16> = filter.states.iter().map(|state| state.number()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select c.id, c.check_no, p.name as project, c.address, c.owner, c.version,
               c.live_spec_id as spec_id, s.bytes, t.state, t.degraded,
               t.flapping > 0 as "flapping!", t.since, t.seq,
               coalesce(o.at, t.last_at) as last_at,
               coalesce(o.outcome, t.last_outcome) as "last_outcome!",
               coalesce(o.class, t.last_class) as "last_class!",
               coalesce(o.status, t.last_status) as "last_status!",
               coalesce(o.total_us, t.last_total_us) as "last_total_us!",
               coalesce((select max(l.response_nanoseconds) from check_receivers l
                         where l.check_id = c.id), 0) as "response!",
               case when t.state in (2, 3) or t.degraded or coalesce(o.outcome, t.last_outcome) > 1 then
                   (select e.bytes from evidence e where e.check_no = c.check_no
                    order by e.at desc limit 1) end as failure
           from checks c
           join projects p on p.id = c.project_id
           join specs s on s.id = c.live_spec_id
           join check_states t on t.check_id = c.id
           -- What followed the stored state and did not change it.
           left join lateral (select at, outcome, class, status, total_us from observations
               where check_no = c.check_no and at > t.last_at order by at desc limit 1) o on true
           where c.deleted_at is null
               and c.labels @> $1
               and ($2::smallint[] = '{}' or t.state = any($2))
               and ($3::text is null or c.owner = $3)
               and (case when $4::text is null then p.name <> $8 else p.name = $4 end)
               and ($5::text is null or c.address = $5)
           order by c.check_no limit $6 offset $7"#,
        &labels,
        &states,
        filter.owner.map(Owner::name),
        filter.project.as_deref(),
        filter.address.as_deref(),
        count,
        offset,
        CANARY_PROJECT,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("list checks")?;
    with_overlays(conn, rows, Row::spec_or_why).await
}
