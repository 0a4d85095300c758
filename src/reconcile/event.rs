//! What the operators of a project are told: what is held, what failed, what drifted, and the
//! end of each.

use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::id::EventId;
use crate::proto::lokahi::{CheckStatus, ProjectEvent};
use crate::proto::moment::timestamp;
use crate::spec::hex;
use crate::store::Connection;
use crate::store::condition::{Aspect, Condition, NewCondition, condition_set};
use crate::store::error::StoreError;
use crate::store::project::{Project, project_settings};
use crate::store::transition::{NewEvent, event_insert};

/// The type of the event that tells of an aspect, and whether it is told while the aspect
/// holds or while it does not.
fn kind(aspect: Aspect) -> Option<(&'static str, bool)> {
    match aspect {
        Aspect::Ready => Some(("project.failed", false)),
        Aspect::Held => Some(("project.held", true)),
        Aspect::Drifted => Some(("project.drifted", true)),
        Aspect::Reconciling => None,
    }
}

/// Says how an aspect of a project is, and tells its operators when that is news beside what
/// was said `before`. Returns the event that deliveries wait for.
pub(super) async fn say(
    conn: &mut Connection,
    project: &Project,
    before: Option<&Condition>,
    new: &NewCondition<'_>,
    revision: &str,
    now: OffsetDateTime,
) -> Result<Option<EventId>, StoreError> {
    if before.is_some_and(|before| is_same(before, new)) {
        return Ok(None);
    }
    condition_set(conn, project.id, new, now).await?;
    let Some((kind, told_while)) = kind(new.aspect) else {
        return Ok(None);
    };
    let opens = new.status == told_while && is_fault(new.aspect, new.reason);
    let opened =
        before.is_some_and(|it| it.status == told_while && is_fault(new.aspect, &it.reason));
    let told =
        before.is_some_and(|it| it.reason == new.reason && it.digest.as_deref() == new.digest);
    if !opens && !opened || opens && opened && told {
        return Ok(None);
    }
    let operators = project_settings(conn, project.id).await?.operators;
    let operators: Vec<String> = operators.iter().map(ToString::to_string).collect();
    if operators.is_empty() {
        return Ok(None);
    }
    let id = EventId(Uuid::now_v7());
    let (reason, message) = match (opens, before) {
        (false, Some(before)) => end(before, new),
        _ => (new.reason, new.message),
    };
    let event = CheckStatus {
        r#type: kind.to_owned(),
        event_id: id.to_string(),
        at: Some(timestamp(now)),
        generation: new.observed_generation,
        revision: revision.to_owned(),
        resolved: !opens,
        project: Some(ProjectEvent {
            project: project.name.clone(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            digest: hex(new.digest.unwrap_or_default()),
            revision: revision.to_owned(),
        }),
        ..CheckStatus::default()
    };
    let new = NewEvent {
        id,
        kind,
        generation: new.observed_generation,
        revision,
        payload: &event.encode_to_vec(),
        at: now,
    };
    let deliveries = event_insert(conn, project.id, &operators, &new).await?;
    Ok((deliveries > 0).then_some(id))
}

/// The reason that is over, and what is so now.
fn end<'a>(before: &'a Condition, new: &NewCondition<'a>) -> (&'a str, &'a str) {
    let now = match (new.aspect, new.message) {
        (_, message) if !message.is_empty() => message,
        (Aspect::Held, _) => "nothing is held any more",
        (Aspect::Drifted, _) => "what is live is what was declared",
        (Aspect::Ready | Aspect::Reconciling, _) => "what is live is what the files say",
    };
    (&before.reason, now)
}

fn is_same(before: &Condition, new: &NewCondition<'_>) -> bool {
    before.status == new.status
        && before.reason == new.reason
        && before.message == new.message
        && before.observed_generation == new.observed_generation
        && before.digest.as_deref() == new.digest
}

/// What waits or is suspended is not ready either, and nobody's fault.
fn is_fault(aspect: Aspect, reason: &str) -> bool {
    aspect != Aspect::Ready || is_failure(reason)
}

fn is_failure(reason: &str) -> bool {
    !matches!(
        reason,
        "Held" | "Waiting" | "Suspended" | "Observing" | "Applied"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_what_is_over_and_what_is_so_now() {
        let before = Condition {
            aspect: "Held".to_owned(),
            status: true,
            reason: "deletes".to_owned(),
            message: "18 of 21 checks would be deleted".to_owned(),
            observed_generation: 1,
            since: OffsetDateTime::UNIX_EPOCH,
            digest: None,
        };
        let now = NewCondition {
            aspect: Aspect::Held,
            status: false,
            reason: "None",
            message: "",
            observed_generation: 2,
            digest: None,
        };
        assert_eq!(end(&before, &now), ("deletes", "nothing is held any more"));
    }
}
