//! When what was seen is believed, as bytes. What nobody asked for is not written.

use std::time::Duration;

use super::check::{milliseconds, within};
use super::{InField as _, SpecError};
use crate::model::check::{Confirm, Every};
use crate::model::value::InvalidValue;
use crate::proto::internal;

pub(super) fn encode(confirm: &Confirm) -> internal::Confirm {
    internal::Confirm {
        failures: confirm.failures.into(),
        successes: confirm.successes.into(),
        retry_milliseconds: milliseconds(confirm.retry),
        of: match confirm.of {
            of if of == confirm.failures => 0,
            of => of.into(),
        },
        distinct: match confirm.distinct {
            1 => 0,
            distinct => distinct.into(),
        },
        within_milliseconds: confirm.within.map_or(0, milliseconds),
    }
}

/// What is asked of a check that is probed from so many locations.
pub(super) fn decode(wire: internal::Confirm, locations: usize) -> Result<Confirm, SpecError> {
    let failures = within(wire.failures, Confirm::MAX).in_field("confirm.failures")?;
    let successes = within(wire.successes, Confirm::MAX).in_field("confirm.successes")?;
    let retry = Duration::from_millis(wire.retry_milliseconds.max(1).into());
    let mut confirm = Confirm::in_a_row(failures, successes, retry);
    if wire.of != 0 {
        confirm.of = within(wire.of, Confirm::MAX_OF).in_field("confirm.of")?;
    }
    if confirm.of < failures {
        return Err(InvalidValue::Other("is less than failures".into())).in_field("confirm.of");
    }
    if wire.distinct != 0 {
        let most = failures.min(u8::try_from(locations.max(1)).unwrap_or(u8::MAX));
        confirm.distinct = within(wire.distinct, most).in_field("confirm.distinct")?;
    }
    if wire.within_milliseconds != 0 {
        let most = u64::from(Every::MAX) * 1000;
        let time = u64::from(wire.within_milliseconds).min(most);
        confirm.within = Some(Duration::from_millis(time));
    }
    Ok(confirm)
}
