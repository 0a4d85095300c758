//! Tells the operators of projects which receivers fail, each hour again while one does, and that
//! it does no more. A receiver is never switched off for it. Each lokahid looks at all of them;
//! rows are locked, so that each is told by one.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::tell::{OfProject, hint};
use crate::bus::Bus;
use crate::clock;
use crate::model::id::EventId;
use crate::plan::text::moment;
use crate::proto::lokahi::ProjectEvent;
use crate::store::error::StoreError;
use crate::store::failing::{Failing, failing_due, failing_told};
use crate::store::project::project_settings;
use crate::store::stale::stale_told;
use crate::store::{Connection, Store, bounded};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);
/// How many are told of in one transaction.
const LOT: i64 = 100;
const KIND: &str = "receiver.failing";

pub(super) async fn run(store: Store, bus: Bus, token: CancellationToken) {
    let look = || token.run_until_cancelled(tokio::time::sleep(LOOK));
    while look().await.is_some() {
        let written = bounded(round(&store)).await;
        hint(&bus, written, "which receivers fail cannot be told").await;
    }
}

async fn round(store: &Store) -> Result<Vec<EventId>, StoreError> {
    let now = clock::now();
    let mut tx = store.begin().await?;
    let due = failing_due(&mut tx, LOT, now).await?;
    let mut events = Vec::new();
    for failing in &due {
        let event = tell(&mut tx, failing, now).await?;
        failing_told(&mut tx, failing, event, now).await?;
        events.extend(event);
    }
    tx.commit().await.map_err(|source| StoreError::Query {
        doing: "commit which receivers fail",
        source,
    })?;
    for failing in &due {
        let project = &failing.project_name;
        match failing.since {
            Some(_) => warn!(project, "{}", words(failing)),
            None => info!(project, "{}", words(failing)),
        }
    }
    Ok(events)
}

/// Tells the operators but for the one that it is about, and of the end whoever heard of it.
async fn tell(
    conn: &mut Connection,
    failing: &Failing,
    now: OffsetDateTime,
) -> Result<Option<EventId>, StoreError> {
    let operators = project_settings(conn, failing.project).await?.operators;
    let operators = operators.iter().map(ToString::to_string);
    let mut receivers: Vec<String> = operators.filter(|name| *name != failing.name).collect();
    if failing.since.is_none() {
        match failing.told_by {
            Some(event) => receivers.extend(stale_told(conn, event).await?),
            // Nobody heard of it.
            None => return Ok(None),
        }
    }
    if receivers.is_empty() {
        return Ok(None);
    }
    let told = OfProject {
        kind: KIND,
        generation: 0,
        resolved: failing.since.is_none(),
        event: ProjectEvent {
            project: failing.project_name.clone(),
            reason: match (failing.since, failing.given_up) {
                (None, _) if failing.removed => "Removed",
                (None, _) => "Delivered",
                (Some(_), 0) => "NotDelivered",
                (Some(_), _) => "GivenUp",
            }
            .to_owned(),
            message: words(failing),
            receiver: failing.name.clone(),
            ..ProjectEvent::default()
        },
    };
    let (event, owed) = told.write(conn, failing.project, &receivers, now).await?;
    Ok((owed > 0).then_some(event))
}

/// What people read of it.
fn words(failing: &Failing) -> String {
    let name = &failing.name;
    let Some(since) = failing.since else {
        return match failing.removed {
            true => format!("the receiver {name} that failed was removed"),
            false => format!("the receiver {name} gets its events again"),
        };
    };
    let since = moment(since);
    let events = |many| match many {
        1 => "1 event".to_owned(),
        many => format!("{many} events"),
    };
    let mut what = Vec::new();
    match failing.waiting {
        0 => {}
        1 => what.push("1 event waits for it".to_owned()),
        many => what.push(format!("{many} events wait for it")),
    }
    if failing.given_up > 0 {
        let were = if failing.given_up == 1 { "was" } else { "were" };
        what.push(format!("{} {were} given up", events(failing.given_up)));
    }
    what.push(format!(
        "lokahictl webhook deliveries --project {} says which",
        failing.project_name
    ));
    format!(
        "the receiver {name} has taken nothing since {since}: {}; {}",
        failing.error.trim_end_matches('.'),
        what.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::model::id::ReceiverId;
    use crate::store::project::ProjectId;

    #[test]
    fn what_people_read() {
        let mut failing = Failing {
            receiver: ReceiverId(Uuid::nil()),
            project: ProjectId(1),
            project_name: "shop".into(),
            name: "oncall".into(),
            since: Some(datetime!(2026-01-01 00:00 UTC)),
            removed: false,
            error: "it answered 503".into(),
            waiting: 1,
            given_up: 0,
            told_by: None,
        };
        assert_eq!(
            words(&failing),
            "the receiver oncall has taken nothing since 2026-01-01 00:00 UTC: it answered 503; \
             1 event waits for it; lokahictl webhook deliveries --project shop says which"
        );
        (failing.waiting, failing.given_up) = (2, 3);
        assert!(words(&failing).contains("; 2 events wait for it; 3 events were given up; "));
        failing.waiting = 0;
        assert!(words(&failing).contains(": it answered 503; 3 events were given up; "));
        failing.since = None;
        assert_eq!(words(&failing), "the receiver oncall gets its events again");
        failing.removed = true;
        assert_eq!(
            words(&failing),
            "the receiver oncall that failed was removed"
        );
    }
}
