//! Everything that is live, with its specs, for whoever writes it down.

use sqlx::PgConnection;
use uuid::Uuid;

use super::error::{Doing as _, StoreError};
use crate::model::change::Kind;
use crate::model::desired::SourceLine;
use crate::model::ownership::Owner;

/// Which objects. All given filters must hold.
#[derive(Clone, Debug, Default)]
pub struct ObjectFilter {
    pub project: Option<String>,
    pub owner: Option<Owner>,
    /// Only checks whose live spec is not what was declared, and those that were deleted past
    /// the files.
    pub drifted: bool,
    pub address: Option<String>,
}

/// One object.
#[derive(Clone, Debug)]
pub struct ObjectRow {
    /// Its place in the list: of receivers negative, of checks their number.
    pub number: i64,
    pub kind: Kind,
    pub project: String,
    pub address: String,
    pub id: Uuid,
    pub owner: String,
    pub spec: Vec<u8>,
    /// Of a check whose live spec is another: what was declared.
    pub declared: Option<Vec<u8>>,
    /// Deleted past the files.
    pub deleted: bool,
    pub source: SourceLine,
}

/// Those after a place in the list; 0 begins.
pub async fn object_list(
    conn: &mut PgConnection,
    filter: &ObjectFilter,
    after: i64,
    count: i64,
) -> Result<Vec<ObjectRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select number as "number!", kind as "kind!", project as "project!",
               address as "address!", id as "id!", owner as "owner!", spec as "spec!",
               declared, deleted as "deleted!", file, line
           from (
               select row_number() over (order by r.id) - 1000000000 as number,
                   'webhook' as kind, p.name as project, r.address, r.id, 'declared' as owner,
                   s.bytes as spec, null::bytea as declared, false as deleted, m.file, m.line,
                   false as drifted
               from receivers r
               join projects p on p.id = r.project_id
               join specs s on s.id = r.spec_id
               left join memberships m on m.project_id = r.project_id and m.kind = 'webhook'
                   and m.address = r.address and m.to_gen is null
               where r.deleted_at is null and r.address is not null
               union all
               select c.check_no, 'check', p.name, c.address, c.id, c.owner, s.bytes, d.bytes,
                   c.deleted_at is not null, m.file, m.line,
                   c.deleted_at is not null or c.live_spec_id is distinct from c.declared_spec_id
               from checks c
               join projects p on p.id = c.project_id
               join specs s on s.id = c.live_spec_id
               left join specs d on d.id = c.declared_spec_id
                   and c.declared_spec_id <> c.live_spec_id
               left join memberships m on m.project_id = c.project_id and m.kind = 'check'
                   and m.address = c.address and m.to_gen is null
               where c.deleted_at is null or $5 and m.object = c.id
                   and exists (select 1 from drifts f where f.check_id = c.id)) o
           where ($1::bigint = 0 or number > $1)
               and ($2::text is null or project = $2)
               and ($3::text is null or owner = $3)
               and ($4::text is null or address = $4)
               and (not $5 or drifted and owner = 'declared')
           order by number limit $6"#,
        after,
        filter.project.as_deref(),
        filter.owner.map(Owner::name),
        filter.address.as_deref(),
        filter.drifted,
        count,
    )
    .fetch_all(conn)
    .await
    .doing("list what is live")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(ObjectRow {
                number: row.number,
                kind: Kind::from_name(&row.kind)?,
                project: row.project,
                address: row.address,
                id: row.id,
                owner: row.owner,
                spec: row.spec,
                declared: row.declared,
                deleted: row.deleted,
                source: SourceLine {
                    file: row.file.unwrap_or_default(),
                    line: row.line.and_then(|l| u32::try_from(l).ok()).unwrap_or(0),
                },
            })
        })
        .collect())
}
