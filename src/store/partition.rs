//! Observations are kept by the day: a day is made before it begins and
//! dropped whole when it is too old.

use sqlx::PgConnection;
use time::{Date, Duration, OffsetDateTime};

use super::error::{Doing as _, StoreError};

/// Days of raw observations that are kept.
const KEPT_DAYS: i64 = 3;
/// Days of evidence that are kept: 13 months.
const EVIDENCE_DAYS: i64 = 396;

/// Rows are only added, and go with their day: vacuum has nothing to do there,
/// and a rough idea of the sizes is enough for the one index.
const UNTENDED: &str =
    "autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 5";

/// Makes the partitions of yesterday to the day after tomorrow.
pub async fn partition_prepare(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    for offset in -1..=2 {
        let day = (now + Duration::days(offset)).date();
        let next = day + Duration::days(1);
        // A table's name and bounds cannot be parameters; these are our own digits.
        let statement = format!(
            "create table if not exists {} partition of observations
             for values from ('{day} 00:00+00') to ('{next} 00:00+00') with ({UNTENDED})",
            partition_name(day)
        );
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&mut *conn)
            .await
            .doing("make a partition of observations")?;
    }
    Ok(())
}

/// Drops what is older than it is kept; returns the partitions' names.
pub async fn partition_drop(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<Vec<String>, StoreError> {
    let oldest = partition_name((now - Duration::days(KEPT_DAYS)).date());
    let names = sqlx::query_scalar!(
        r#"select c.relname::text as "name!" from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'observations'::regclass and c.relname::text < $1"#,
        oldest,
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find old partitions")?;
    for name in &names {
        let statement = format!("drop table if exists {name}");
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&mut *conn)
            .await
            .doing("drop an old partition")?;
    }
    sqlx::query!(
        "delete from evidence where at < $1",
        now - Duration::days(EVIDENCE_DAYS)
    )
    .execute(&mut *conn)
    .await
    .doing("drop old evidence")?;
    Ok(names)
}

fn partition_name(day: Date) -> String {
    let (year, month, day) = day.to_calendar_date();
    format!("observations_{year:04}{:02}{day:02}", u8::from(month))
}
