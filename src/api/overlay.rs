//! `Checks/Pause`, `Mute` and `Acknowledge`: what people set on checks while these run. No file
//! says any of it, and no apply changes it: it has an actor, a reason, and an end.

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};

use super::checks::{audited, check_id, unknown, whole_microseconds};
use super::error::ApiError;
use super::force::reason_fits;
use super::{Call, convert};
use crate::clock;
use crate::model::id::CheckId;
use crate::model::overlay::{Mark, OverlayKind};
use crate::proto::lokahi::{OverlayOpts, OverlayResult};
use crate::proto::twirp::{Code, TwirpError};
use crate::store::Transaction;
use crate::store::audit::{AuditEntry, audit_write};
use crate::store::change::change_note;
use crate::store::check::{StoredCheck, check_find, check_lock_all};
use crate::store::hold::{hold_waiting, hold_wake};
use crate::store::overlay::{incident_acknowledge, overlay_end, overlay_set};

/// How many checks one call may name.
const MOST: usize = 1000;
/// How long something may last that ends by itself.
const LONGEST: Duration = Duration::days(366);

pub(super) async fn pause(call: Call, opts: OverlayOpts) -> Result<OverlayResult, ApiError> {
    let mut change = Change::begin(&call, opts).await?;
    let changed = change.set(OverlayKind::Paused).await?;
    change_note(&mut change.tx, &changed).await?;
    let result = change.finish(&changed).await?;
    call.state.announce().await;
    Ok(result)
}

pub(super) async fn mute(call: Call, opts: OverlayOpts) -> Result<OverlayResult, ApiError> {
    let mut change = Change::begin(&call, opts).await?;
    let changed = change.set(OverlayKind::Muted).await?;
    hold_wake(&mut change.tx, &changed, change.now).await?;
    if !change.opts.end {
        hold_waiting(&mut change.tx, &changed, change.now).await?;
    }
    change.finish(&changed).await
}

pub(super) async fn acknowledge(call: Call, opts: OverlayOpts) -> Result<OverlayResult, ApiError> {
    if opts.for_seconds != 0 {
        let why = "an acknowledgement lasts as long as its incident";
        return Err(TwirpError::argument("for_seconds", why).into());
    }
    let mut change = Change::begin(&call, opts).await?;
    let mark = (!change.opts.end).then(|| change.mark(&call));
    let ids = change.ids.clone();
    let changed = incident_acknowledge(&mut change.tx, &ids, mark.as_ref()).await?;
    if let Some(well) = change.ids.iter().find(|id| !changed.contains(id))
        && !change.opts.end
    {
        let text = format!(
            "the check {well} has no open incident: there is nothing to acknowledge, and nothing was \
             changed"
        );
        let error = TwirpError::new(Code::FailedPrecondition, text).with("reason", "no_incident");
        return Err(error.into());
    }
    change.finish(&changed).await
}

/// One call, in one transaction.
struct Change<'a> {
    call: &'a Call,
    tx: Transaction,
    opts: OverlayOpts,
    ids: Vec<CheckId>,
    now: OffsetDateTime,
}

impl<'a> Change<'a> {
    /// Looks over what is asked, and locks the checks.
    async fn begin(call: &'a Call, opts: OverlayOpts) -> Result<Self, ApiError> {
        if !(1..=MOST).contains(&opts.ids.len()) {
            let why = format!("1 to {MOST} can be named, not {}", opts.ids.len());
            return Err(TwirpError::argument("ids", why).into());
        }
        let lasts = Duration::seconds(opts.for_seconds);
        if lasts.is_negative() || lasts > LONGEST {
            let why = format!("must be 0 to {}", LONGEST.whole_seconds());
            return Err(TwirpError::argument("for_seconds", why).into());
        }
        reason_fits("reason", &opts.reason)?;
        let ids = opts.ids.iter().map(|id| check_id(id));
        let mut ids: Vec<CheckId> = ids.collect::<Result<_, _>>()?;
        let mut tx = call.state.store.begin().await?;
        let there = check_lock_all(&mut tx, &ids).await?;
        if let Some(missing) = ids.iter().find(|id| !there.contains(id)) {
            return Err(unknown(*missing).into());
        }
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(*id));
        Ok(Self {
            call,
            tx,
            opts,
            ids,
            now: whole_microseconds(clock::now()),
        })
    }

    fn mark(&self, call: &Call) -> Mark {
        let lasts = Some(self.opts.for_seconds).filter(|seconds| *seconds > 0);
        Mark {
            since: self.now,
            until: lasts.map(|seconds| self.now + Duration::seconds(seconds)),
            by: call.principal.name.clone(),
            reason: self.opts.reason.clone(),
        }
    }

    /// Sets or ends it; returns the checks that are not as they were.
    async fn set(&mut self, kind: OverlayKind) -> Result<Vec<CheckId>, ApiError> {
        if self.opts.end {
            return Ok(overlay_end(&mut self.tx, kind, &self.ids, self.now).await?);
        }
        let mark = self.mark(self.call);
        overlay_set(&mut self.tx, kind, &self.ids, &mark).await?;
        Ok(self.ids.clone())
    }

    /// Writes it down, and commits.
    async fn finish(mut self, changed: &[CheckId]) -> Result<OverlayResult, ApiError> {
        let checks = check_find(&mut self.tx, &self.ids).await?;
        let by_id: HashMap<CheckId, StoredCheck> =
            checks.into_iter().map(|check| (check.id, check)).collect();
        let until = self.mark(self.call).until;
        let lasts = match (self.opts.end, until) {
            (true, _) => "ended: ".to_owned(),
            (false, Some(_)) => format!("for {} s: ", self.opts.for_seconds),
            (false, None) => String::new(),
        };
        let reason = format!("{lasts}{}", self.opts.reason);
        for id in changed {
            let Some(check) = by_id.get(id) else { continue };
            let subject = audited(*id, check.name().unwrap_or_default());
            let entry = AuditEntry {
                project: &check.project,
                reason: &reason,
                ..self.call.entry(self.now, &subject)
            };
            audit_write(&mut self.tx, &entry).await?;
        }
        let in_order = self.ids.iter().filter_map(|id| by_id.get(id));
        let checks = in_order.map(|check| convert::check(check, self.now));
        let result = OverlayResult {
            checks: checks.collect(),
            changed: i32::try_from(changed.len()).unwrap_or(i32::MAX),
        };
        self.call.commit(self.tx, "set something on checks").await?;
        Ok(result)
    }
}
