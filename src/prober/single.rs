//! A single probe in the original's form: a `Check` in, a `Health` out.

use crate::model::check::CheckSpec;
use crate::model::observation::{Observation, Outcome};
use crate::proto::{admin, lokahi};
use crate::runtime::chain::chain;

use super::failure::Failure;
use super::prepare::Prepared;

/// The check that is asked for, with every default.
pub(super) fn prepare(check: &lokahi::Check) -> Result<Prepared, Failure> {
    let url = check
        .url
        .parse()
        .map_err(|error| Failure::internal(chain(&error)))?;
    Prepared::new(&CheckSpec::new(url))
}

pub(super) fn health(url: String, observation: &Observation) -> admin::Health {
    let healthy = observation.outcome == Outcome::Up;
    let nanoseconds = observation.phases.total.as_nanos();
    let error = match (healthy, observation.class) {
        (true, _) => String::new(),
        (false, Some(class)) => format!("{}: {}", class.name(), observation.detail),
        (false, None) => observation.detail.clone(),
    };
    admin::Health {
        url,
        response_time_nanoseconds: i64::try_from(nanoseconds).unwrap_or(i64::MAX),
        status_code: observation.status.into(),
        error,
        healthy,
        ..admin::Health::default()
    }
}
