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
/// was said `before`: what is over, and what begins. Returns the events that deliveries wait for.
pub(super) async fn say(
    conn: &mut Connection,
    project: &Project,
    before: Option<&Condition>,
    new: &NewCondition<'_>,
    revision: &str,
    now: OffsetDateTime,
) -> Result<Vec<EventId>, StoreError> {
    if before.is_some_and(|before| is_same(before, new)) {
        return Ok(Vec::new());
    }
    condition_set(conn, project.id, new, now).await?;
    let Some((kind, told_while)) = kind(new.aspect) else {
        return Ok(Vec::new());
    };
    let opens = new.status == told_while && is_fault(new.aspect, new.reason);
    let opened = before.filter(|it| it.status == told_while && is_fault(new.aspect, &it.reason));
    let again = opens && opened.is_some_and(|it| it.reason == new.reason);
    let told = again && opened.is_some_and(|it| it.digest.as_deref() == new.digest);
    // Each reason that began ends, also by another one.
    let ends = opened.filter(|_| !again).map(|it| (true, end(it, new)));
    let begins = (opens && !told).then(|| (false, (new.reason.to_owned(), new.message.to_owned())));
    let words: Vec<_> = ends.into_iter().chain(begins).collect();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let operators = project_settings(conn, project.id).await?.operators;
    let operators: Vec<String> = operators.iter().map(ToString::to_string).collect();
    if operators.is_empty() {
        return Ok(Vec::new());
    }
    let mut waiting = Vec::new();
    for (resolved, (reason, message)) in words {
        let id = EventId(Uuid::now_v7());
        let event = CheckStatus {
            r#type: kind.to_owned(),
            event_id: id.to_string(),
            at: Some(timestamp(now)),
            generation: new.observed_generation,
            revision: revision.to_owned(),
            resolved,
            project: Some(ProjectEvent {
                project: project.name.clone(),
                reason,
                message,
                digest: hex(new.digest.filter(|_| !resolved).unwrap_or_default()),
                revision: revision.to_owned(),
                receiver: String::new(),
            }),
            ..CheckStatus::default()
        };
        let event = NewEvent {
            id,
            kind,
            generation: new.observed_generation,
            revision,
            payload: &event.encode_to_vec(),
            at: now,
        };
        if event_insert(conn, project.id, &operators, &event).await? > 0 {
            waiting.push(id);
        }
    }
    Ok(waiting)
}

/// The reason that is over, and what is so now.
fn end(before: &Condition, new: &NewCondition<'_>) -> (String, String) {
    let now = match (new.aspect, new.message) {
        (Aspect::Ready, message) if !new.status && is_failure(new.reason) => {
            format!("it fails for another reason now, {}: {message}", new.reason)
        }
        (_, message) if !message.is_empty() => message.to_owned(),
        (Aspect::Held, _) => "nothing is held any more".to_owned(),
        (Aspect::Drifted, _) => "what is live is what was declared".to_owned(),
        (Aspect::Ready | Aspect::Reconciling, _) => "what is live is what the files say".to_owned(),
    };
    (before.reason.clone(), now)
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
        let over = |reason: &str, now: &str| (reason.to_owned(), now.to_owned());
        let expect = over("deletes", "nothing is held any more");
        assert_eq!(end(&before, &now), expect);
        let before = Condition {
            aspect: "Ready".to_owned(),
            status: false,
            reason: "InvalidFiles".to_owned(),
            ..before
        };
        let now = NewCondition {
            aspect: Aspect::Ready,
            reason: "SourceUnavailable",
            message: "checks.d cannot be read",
            ..now
        };
        let other = "it fails for another reason now, SourceUnavailable: checks.d cannot be read";
        assert_eq!(end(&before, &now), over("InvalidFiles", other));
    }
}
