//! What is told of a project as a whole, and the hint that something waits to be sent.

use prost::Message as _;
use time::OffsetDateTime;
use tracing::debug;
use uuid::Uuid;

use crate::bus::Bus;
use crate::model::id::EventId;
use crate::proto::lokahi::{CheckStatus, ProjectEvent};
use crate::proto::moment::timestamp;
use crate::store::Connection;
use crate::store::error::StoreError;
use crate::store::project::ProjectId;
use crate::store::transition::{NewEvent, event_insert};

/// An event that is about no single check.
#[derive(Debug)]
pub(super) struct OfProject {
    pub(super) kind: &'static str,
    /// That it is about; 0: about none.
    pub(super) generation: i64,
    /// It ends what an event of the same type began.
    pub(super) resolved: bool,
    pub(super) event: ProjectEvent,
}

impl OfProject {
    /// Writes it for these declared receivers of the project; returns its id, and how many of
    /// them get it.
    pub(super) async fn write(
        self,
        conn: &mut Connection,
        project: ProjectId,
        receivers: &[String],
        now: OffsetDateTime,
    ) -> Result<(EventId, u64), StoreError> {
        let id = EventId(Uuid::now_v7());
        let revision = self.event.revision.clone();
        let event = CheckStatus {
            r#type: self.kind.to_owned(),
            event_id: id.to_string(),
            at: Some(timestamp(now)),
            generation: self.generation,
            revision: revision.clone(),
            resolved: self.resolved,
            project: Some(self.event),
            ..CheckStatus::default()
        };
        let new = NewEvent {
            id,
            kind: self.kind,
            generation: self.generation,
            revision: &revision,
            payload: &event.encode_to_vec(),
            at: now,
        };
        let owed = event_insert(conn, project, receivers, &new).await?;
        Ok((id, owed))
    }
}

/// Lets the workers know of events that were written. If none could be, says so; whoever looks
/// does it again.
pub(super) async fn hint(bus: &Bus, written: Result<Vec<EventId>, StoreError>, failed: &str) {
    match written {
        Ok(events) if events.is_empty() => {}
        // A hint: workers look by themselves, too.
        Ok(events) => bus.hint_publish(&events).await.unwrap_or_default(),
        Err(error) => debug!(
            error = &error as &dyn std::error::Error,
            "{failed}; trying again"
        ),
    }
}
