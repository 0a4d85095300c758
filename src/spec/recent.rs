//! What a suspect check that looks back has seen, as bytes.

use prost::Message as _;
use time::OffsetDateTime;

use super::SpecError;
use crate::model::health::Recent;
use crate::model::probe::LocationKey;
use crate::proto::internal;

/// The bytes of these probes; none for none.
pub fn encode(recent: &[Recent]) -> Option<Vec<u8>> {
    let probes = recent.iter().map(|probe| internal::RecentProbe {
        at_unix_microseconds: i64::try_from(probe.at.unix_timestamp_nanos() / 1000)
            .unwrap_or_default(),
        location: probe.location.0,
        failed: probe.failed,
    });
    let probes: Vec<_> = probes.collect();
    (!probes.is_empty()).then(|| internal::RecentProbes { probes }.encode_to_vec())
}

/// The probes of these bytes. A time that no clock shows is left out.
pub fn decode(bytes: &[u8]) -> Result<Vec<Recent>, SpecError> {
    let wire = internal::RecentProbes::decode(bytes).map_err(SpecError::Encoding)?;
    let probe = |probe: internal::RecentProbe| {
        let nanos = i128::from(probe.at_unix_microseconds) * 1000;
        Some(Recent {
            at: OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?,
            location: LocationKey(probe.location),
            failed: probe.failed,
        })
    };
    Ok(wire.probes.into_iter().filter_map(probe).collect())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn there_and_back() {
        let recent = [true, false].map(|failed| Recent {
            at: datetime!(2026-01-01 00:00:00.000001 UTC),
            location: LocationKey::of("eu-1"),
            failed,
        });
        assert_eq!(decode(&encode(&recent).unwrap()).unwrap(), recent);
        assert_eq!(encode(&[]), None);
        assert_eq!(LocationKey::of("eu-1"), LocationKey(3577395479));
    }
}
