//! Observations are kept by the day, rollups by the month: a part is made before it is needed
//! and dropped whole when it is too old, and observations not before they are rolled up.

use sqlx::PgConnection;
use time::{Date, Duration, Month, OffsetDateTime};

use super::error::{Doing as _, StoreError};
use super::observation::STATE_AGE;

/// Days of raw observations that are kept.
const KEPT_DAYS: i64 = 3;
/// Days of evidence and rollups that are kept: 13 months.
pub const HISTORY_DAYS: i64 = 396;

/// Rows are only added, and go with their day: vacuum has nothing to do there,
/// and a rough idea of the sizes is enough for the one index.
const UNTENDED: &str =
    "autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 5";
/// A row of today is written anew each hour: what it leaves behind is to be used again.
const TENDED: &str = "autovacuum_vacuum_scale_factor = 0.02";

/// A day's partition of observations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DayPartition {
    pub day: Date,
    /// On disk, with its index.
    pub bytes: i64,
}

impl DayPartition {
    /// Its first moment.
    pub fn start(&self) -> OffsetDateTime {
        self.day.midnight().assume_utc()
    }

    fn end(&self) -> OffsetDateTime {
        self.start() + Duration::DAY
    }
}

/// Makes the partitions of yesterday to the day after tomorrow.
pub async fn partition_prepare(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    for offset in -1..=2 {
        let day = (now + Duration::days(offset)).date();
        make(conn, "observations", day, day + Duration::DAY, UNTENDED).await?;
    }
    Ok(())
}

/// Makes the partition of rollups that a day is in, unless it is there.
pub async fn partition_rollups(conn: &mut PgConnection, day: Date) -> Result<(), StoreError> {
    let month = first_of_month(day);
    let next = first_of_month(month + Duration::days(31));
    make(conn, "rollups", month, next, TENDED).await
}

async fn make(
    conn: &mut PgConnection,
    table: &str,
    from: Date,
    to: Date,
    options: &str,
) -> Result<(), StoreError> {
    let name = partition_name(table, from);
    let exists = sqlx::query_scalar!(r#"select to_regclass($1) is not null as "it!""#, name)
        .fetch_one(&mut *conn)
        .await
        .doing("look for a partition")?;
    if exists {
        return Ok(());
    }
    // A day of timestamps begins at midnight in UTC, whatever the session's zone.
    let zone = if table == "rollups" { "" } else { " 00:00+00" };
    // A table's name and bounds cannot be parameters; these are our own digits.
    let statement = format!(
        "create table if not exists {name} partition of {table}
         for values from ('{from}{zone}') to ('{to}{zone}') with ({options})"
    );
    let made = sqlx::query(sqlx::AssertSqlSafe(statement))
        .execute(&mut *conn)
        .await;
    match made {
        // Another lokahid has made it at this moment: `if not exists` does not wait for that.
        Err(error) if is_there(&error) => Ok(()),
        made => made.map(drop).doing("make a partition"),
    }
}

/// Whether a table, or its type, was made by somebody else meanwhile.
fn is_there(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["42P07", "42710", "23505"].contains(&&*code))
}

/// The days of which there are observations, or may be, oldest first.
pub async fn partition_days(conn: &mut PgConnection) -> Result<Vec<DayPartition>, StoreError> {
    let rows = sqlx::query!(
        r#"select c.relname::text as "name!", pg_total_relation_size(c.oid) as "bytes!"
           from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'observations'::regclass order by 1"#
    )
    .fetch_all(conn)
    .await
    .doing("list the partitions of observations")?;
    // One that somebody else made is not ours to drop.
    let days = rows.into_iter().filter_map(|row| {
        let day = day_of(&row.name)?;
        Some(DayPartition {
            day,
            bytes: row.bytes,
        })
    });
    Ok(days.collect())
}

/// Drops what is older than it is kept, and, while observations take more than `most_bytes`, the
/// oldest day; returns the partitions' names. No day is dropped before `closed`, until when
/// hours are rolled up, is well past its end: readers of states look back a little.
pub async fn partition_drop(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    closed: Option<OffsetDateTime>,
    most_bytes: u64,
) -> Result<Vec<String>, StoreError> {
    let days = partition_days(conn).await?;
    let mut bytes: u64 = days.iter().map(|day| day.bytes.unsigned_abs()).sum();
    let oldest = (now - Duration::days(KEPT_DAYS)).date();
    let mut dropped = Vec::new();
    for day in days {
        let over = day.day < oldest || bytes > most_bytes;
        let done = closed.is_some_and(|closed| day.end() + STATE_AGE <= closed);
        if !over || !done {
            break;
        }
        bytes -= day.bytes.unsigned_abs();
        let name = partition_name("observations", day.day);
        drop_table(conn, &name).await?;
        dropped.push(name);
    }
    let before = (now - Duration::days(HISTORY_DAYS)).date();
    let last_month = first_of_month(before);
    let months = sqlx::query_scalar!(
        r#"select c.relname::text as "name!" from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'rollups'::regclass and c.relname::text < $1"#,
        partition_name("rollups", last_month),
    )
    .fetch_all(&mut *conn)
    .await
    .doing("find old rollups")?;
    for name in months {
        drop_table(conn, &name).await?;
        dropped.push(name);
    }
    sqlx::query!(
        "delete from evidence where at < $1",
        now - Duration::days(HISTORY_DAYS)
    )
    .execute(&mut *conn)
    .await
    .doing("drop old evidence")?;
    Ok(dropped)
}

async fn drop_table(conn: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    let statement = format!("drop table if exists {name}");
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .execute(conn)
        .await
        .doing("drop an old partition")?;
    Ok(())
}

fn first_of_month(day: Date) -> Date {
    day - Duration::days(i64::from(day.day()) - 1)
}

fn partition_name(table: &str, day: Date) -> String {
    let (year, month, day) = day.to_calendar_date();
    format!("{table}_{year:04}{:02}{day:02}", u8::from(month))
}

fn day_of(name: &str) -> Option<Date> {
    let digits = name.strip_prefix("observations_")?;
    let number: i32 = digits.parse().ok().filter(|_| digits.len() == 8)?;
    let month = Month::try_from(u8::try_from(number / 100 % 100).ok()?).ok()?;
    let day = u8::try_from(number % 100).ok()?;
    Date::from_calendar_date(number / 10_000, month, day).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn a_name_says_the_day() {
        let day = date!(2026 - 02 - 28);
        let name = partition_name("observations", day);
        assert_eq!(name, "observations_20260228");
        assert_eq!(day_of(&name), Some(day));
        assert_eq!(day_of("observations_default"), None);
        assert_eq!(day_of("observations_20261301"), None);
    }

    #[test]
    fn months_follow_one_another() {
        let month = first_of_month(date!(2027 - 01 - 31));
        assert_eq!(month, date!(2027 - 01 - 01));
        let next = first_of_month(month + Duration::days(31));
        assert_eq!(next, date!(2027 - 02 - 01));
    }
}
