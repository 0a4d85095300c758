//! Who did what, and who was denied it: written in the transaction of what it
//! tells, never changed (a trigger holds that). No secret may stand in an entry.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::error::{Doing as _, StoreError};
use crate::spec::Digest;

/// How long the same denial is not written again: whoever is denied may try
/// without end.
const QUIET: Duration = Duration::minutes(1);
/// The longest text of an entry, in characters; the rest is cut off.
const LONGEST: usize = 300;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct AuditEntry<'a> {
    pub at: OffsetDateTime,
    /// As `Principal` names it, e.g. `token:ci`.
    pub principal: &'a str,
    /// The call, e.g. `Checks/Put`, or what lokahid did by itself.
    pub action: &'a str,
    /// What it was done to, for people, e.g. `check front 0198...`.
    pub subject: &'a str,
    /// The project; empty where it concerns none.
    pub project: &'a str,
    /// Of the spec, where there was one.
    pub before: Option<Digest>,
    /// Of the spec, where there is one now.
    pub after: Option<Digest>,
    /// Whether it went over a rule that would have refused it.
    pub forced: bool,
    /// Why, as the caller says, or what else there is to know, e.g. which scope
    /// was missing.
    pub reason: &'a str,
    pub denied: bool,
    /// Address and program of the caller; empty for lokahid itself.
    pub remote: &'a str,
}

/// An entry as it was written.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Grows with each entry; the order of the list.
    pub id: i64,
    pub at: OffsetDateTime,
    pub principal: String,
    pub action: String,
    pub subject: String,
    pub project: String,
    pub before: Option<Vec<u8>>,
    pub after: Option<Vec<u8>>,
    pub forced: bool,
    pub reason: String,
    pub outcome: String,
    pub remote: String,
}

/// Which entries to list. All given filters must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditFilter<'a> {
    pub project: Option<&'a str>,
    pub principal: Option<&'a str>,
    pub action: Option<&'a str>,
    /// Only entries with a smaller id.
    pub older_than: Option<i64>,
}

/// Writes an entry, in the transaction of what it tells.
pub async fn audit_write(
    conn: &mut PgConnection,
    entry: &AuditEntry<'_>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (at, principal, action, subject, project, before_digest,
             after_digest, forced, reason, outcome, remote)
         select $1::timestamptz, $2::text, $3::text, $4::text, $5::text, $6, $7, $8, $9,
             $10::text, $11
         where $10 = 'done' or not exists (
             select from audit where principal = $2 and action = $3 and subject = $4
                 and project = $5 and outcome = 'denied' and at > $12)",
        entry.at,
        short(entry.principal),
        short(entry.action),
        short(entry.subject),
        short(entry.project),
        entry.before.as_ref().map(|digest| digest.0.as_slice()),
        entry.after.as_ref().map(|digest| digest.0.as_slice()),
        entry.forced,
        short(entry.reason),
        if entry.denied { "denied" } else { "done" },
        short(entry.remote),
        entry.at - QUIET,
    )
    .execute(conn)
    .await
    .doing("write the audit")?;
    Ok(())
}

/// A page of entries, newest first.
pub async fn audit_list(
    conn: &mut PgConnection,
    filter: &AuditFilter<'_>,
    count: i64,
) -> Result<Vec<StoredEntry>, StoreError> {
    sqlx::query_as!(
        StoredEntry,
        "select id, at, principal, action, subject, project, before_digest as before,
             after_digest as after, forced, reason, outcome, remote
         from audit
         where ($1::text is null or project = $1)
             and ($2::text is null or principal = $2)
             and ($3::text is null or action = $3)
             and ($4::bigint is null or id < $4)
         order by id desc limit $5",
        filter.project,
        filter.principal,
        filter.action,
        filter.older_than,
        count,
    )
    .fetch_all(conn)
    .await
    .doing("list the audit")
}

/// What Postgres can store of a text, and not more than anybody reads.
fn short(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(LONGEST).collect()
}
