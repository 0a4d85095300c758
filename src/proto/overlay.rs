//! What people set on a check, as messages.

use super::lokahi;
use super::moment::timestamp;
use crate::model::overlay::{Mark, Overlay};

impl From<&Mark> for lokahi::Overlay {
    fn from(mark: &Mark) -> Self {
        Self {
            since: Some(timestamp(mark.since)),
            until: mark.until.map(timestamp),
            by: mark.by.clone(),
            reason: mark.reason.clone(),
        }
    }
}

impl lokahi::Check {
    /// The check with what people set on it.
    pub fn with_overlay(self, overlay: &Overlay) -> Self {
        Self {
            paused: overlay.paused.as_ref().map(Into::into),
            muted: overlay.muted.as_ref().map(Into::into),
            acknowledged: overlay.acknowledged.as_ref().map(Into::into),
            suppressed: overlay.suppressed.as_ref().map(Into::into),
            maintenance: overlay.maintenance.as_ref().map(Into::into),
            suspect: overlay.suspect.as_ref().map(Into::into),
            ..self
        }
    }
}
