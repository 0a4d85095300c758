//! The locations from which reports have ever come.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::{Doing as _, StoreError};
use crate::model::id::LocationId;

/// Notes that reports came from these locations; returns their ids, in that order.
pub async fn location_note(
    conn: &mut PgConnection,
    names: &[String],
    now: OffsetDateTime,
) -> Result<Vec<LocationId>, StoreError> {
    // Whoever writes several does it in the order of their names.
    let rows = sqlx::query!(
        "insert into locations (name, first_seen, last_seen)
         select name, $2, $2 from unnest($1::text[]) as n (name) order by name
         on conflict (name) do update set last_seen = greatest(locations.last_seen, $2)
         returning id, name",
        names,
        now,
    )
    .fetch_all(conn)
    .await
    .doing("note locations")?;
    let id = |name: &String| rows.iter().find(|row| row.name == *name);
    Ok(names
        .iter()
        .filter_map(|name| Some(LocationId(id(name)?.id)))
        .collect())
}

/// When a report came from a location last; a minute late, maybe.
pub async fn location_seen(
    conn: &mut PgConnection,
    name: &str,
) -> Result<Option<OffsetDateTime>, StoreError> {
    sqlx::query_scalar!("select last_seen from locations where name = $1", name)
        .fetch_optional(conn)
        .await
        .doing("read when a location was heard of")
}

/// Those of these locations from which no report has ever come.
pub async fn location_strangers(
    conn: &mut PgConnection,
    names: &[String],
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!(
        r#"select n.name as "name!" from unnest($1::text[]) as n (name)
           where not exists (select from locations l where l.name = n.name)
           order by n.name"#,
        names,
    )
    .fetch_all(conn)
    .await
    .doing("find locations that nobody serves")
}
