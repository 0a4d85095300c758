//! The service `github.xe.lokahi.Audit`: what was written is read, page by page.

use super::Call;
use super::error::ApiError;
use super::permit::Needs;
use super::twirp::Methods;
use crate::proto::lokahi::{AuditEntry, AuditPage, ListAuditOpts};
use crate::proto::moment::timestamp;
use crate::proto::twirp::TwirpError;
use crate::spec::hex;
use crate::store::audit::{AuditFilter, StoredEntry, audit_list};

const DEFAULT_COUNT: i64 = 30;
const MOST_COUNT: i64 = 1000;

pub(super) fn add(methods: Methods) -> Methods {
    methods.with("github.xe.lokahi.Audit/List", Needs::Operate, list)
}

async fn list(call: Call, opts: ListAuditOpts) -> Result<AuditPage, ApiError> {
    let count = match i64::from(opts.count) {
        0 => DEFAULT_COUNT,
        count @ 1..=MOST_COUNT => count,
        count => {
            let why = format!("{count} is not between 1 and {MOST_COUNT}");
            return Err(TwirpError::argument("count", why).into());
        }
    };
    fn given(text: &str) -> Option<&str> {
        Some(text).filter(|text| !text.is_empty())
    }
    let filter = AuditFilter {
        project: given(&opts.project),
        principal: given(&opts.principal),
        action: given(&opts.action),
        older_than: Some(opts.older_than).filter(|id| *id != 0),
    };
    let mut conn = call.state.store.acquire().await?;
    let stored = audit_list(&mut conn, &filter, count).await?;
    let entries = stored.into_iter().map(entry).collect();
    Ok(AuditPage { entries })
}

fn entry(stored: StoredEntry) -> AuditEntry {
    AuditEntry {
        id: stored.id,
        at: Some(timestamp(stored.at)),
        principal: stored.principal,
        action: stored.action,
        subject: stored.subject,
        project: stored.project,
        before: hex(&stored.before.unwrap_or_default()),
        after: hex(&stored.after.unwrap_or_default()),
        forced: stored.forced,
        reason: stored.reason,
        outcome: stored.outcome,
        remote: stored.remote,
    }
}
