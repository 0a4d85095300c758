//! What a root says of its project, as bytes.

use std::collections::BTreeMap;

use prost::Message as _;

use super::{InField as _, SpecError, VERSION, check_header, maintenance};
use crate::model::desired::{Limits, ProjectSpec};
use crate::model::maintenance::Maintenance;
use crate::model::name::{InvalidName, Name};
use crate::model::value::InvalidValue;
use crate::proto::internal;

/// The bytes of what a root says of its project.
pub fn encode(spec: &ProjectSpec) -> Vec<u8> {
    internal::ProjectSpec {
        spec_version: VERSION,
        operators: spec.operators.iter().map(ToString::to_string).collect(),
        max_deletes: spec.limits.deletes,
        max_silence: spec.limits.silence,
        max_changes: spec.limits.changes,
        maintenances: spec
            .maintenances
            .iter()
            .map(|(name, it)| maintenance::to_wire(name.as_str(), it))
            .collect(),
    }
    .encode_to_vec()
}

/// What these bytes say of a project.
pub fn decode(bytes: &[u8]) -> Result<ProjectSpec, SpecError> {
    let wire = internal::ProjectSpec::decode(bytes).map_err(SpecError::Encoding)?;
    check_header(bytes, wire.spec_version)?;
    let most = ProjectSpec::MAX_OPERATORS;
    if wire.operators.len() > most {
        let length = wire.operators.len();
        return Err(InvalidValue::TooLong { length, max: most }).in_field("operators");
    }
    let most = Maintenance::MOST;
    if wire.maintenances.len() > most {
        let length = wire.maintenances.len();
        return Err(InvalidValue::TooLong { length, max: most }).in_field("maintenance");
    }
    let invalid = |error: InvalidName| InvalidValue::Other(error.to_string());
    let names = wire
        .operators
        .iter()
        .map(|name| name.parse().map_err(invalid));
    let mut maintenances = BTreeMap::new();
    for wire in wire.maintenances {
        let name: Name = wire.name.parse().map_err(invalid).in_field("maintenance")?;
        if maintenances
            .insert(name, maintenance::from_wire(wire)?)
            .is_some()
        {
            let why = "two have the same name".to_owned();
            return Err(InvalidValue::Other(why)).in_field("maintenance");
        }
    }
    Ok(ProjectSpec {
        maintenances,
        operators: names.collect::<Result<_, _>>().in_field("operators")?,
        limits: Limits {
            deletes: limit(wire.max_deletes).in_field("max_deletes")?,
            silence: limit(wire.max_silence).in_field("max_silence")?,
            changes: limit(wire.max_changes).in_field("max_changes")?,
        },
    })
}

fn limit(number: Option<u32>) -> Result<Option<u32>, InvalidValue> {
    match number {
        Some(value) if value > Limits::MAX => Err(InvalidValue::Range {
            what: value.to_string(),
            min: "0".to_owned(),
            max: Limits::MAX.to_string(),
        }),
        within => Ok(within),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_read_back() {
        for operators in [vec![], vec!["a", "platform"]] {
            let spec = ProjectSpec {
                operators: operators.iter().map(|name| name.parse().unwrap()).collect(),
                limits: Limits {
                    deletes: Some(0),
                    silence: None,
                    changes: Some(Limits::MAX),
                },
                maintenances: BTreeMap::new(),
            };
            assert_eq!(decode(&encode(&spec)).unwrap(), spec);
        }
    }
}
