//! Projects that have the same checks: one that was given another name in its files is a new one
//! beside the old one.

use sqlx::PgConnection;

use super::error::{Doing as _, StoreError};
use crate::model::desired::API_PROJECT;
use crate::spec::Digest;

/// As many are named.
const MOST: i64 = 3;

/// A project that has most of its checks in common with another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Twin {
    pub name: String,
    /// How many live checks it has.
    pub checks: i64,
    /// How many of them have the same address and spec there.
    pub same: i64,
}

/// The projects but `name` that came from this repository and folder, and more than half of
/// whose live checks are among these.
pub async fn project_twins(
    conn: &mut PgConnection,
    name: &str,
    (remote, path): (&str, &str),
    checks: &[(&str, Digest)],
) -> Result<Vec<Twin>, StoreError> {
    let addresses: Vec<String> = checks
        .iter()
        .map(|(address, _)| (*address).to_owned())
        .collect();
    let digests: Vec<Vec<u8>> = checks.iter().map(|(_, digest)| digest.0.to_vec()).collect();
    sqlx::query_as!(
        Twin,
        r#"select p.name, count(*) as "checks!", count(w.address) as "same!"
           from projects p
           join checks c on c.project_id = p.id and c.owner = 'declared' and c.deleted_at is null
           join specs s on s.id = c.live_spec_id
           left join unnest($5::text[], $6::bytea[]) as w (address, digest)
               on w.address = c.address and w.digest = s.digest
           where p.name <> $1 and p.name <> $2 and p.source_remote = $3 and p.source_path = $4
           group by p.name having count(w.address) * 2 > count(*)
           order by p.name limit $7"#,
        API_PROJECT,
        name,
        remote,
        path,
        &addresses,
        &digests,
        MOST,
    )
    .fetch_all(conn)
    .await
    .doing("find projects with the same checks")
}
