//! Time zones by their names, from a table that this program has with it: what a window means
//! must not hang on the machine.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use time::{Date, OffsetDateTime};

use crate::model::quoted::Quoted;
use crate::model::value::InvalidValue;

/// A zone of the IANA table, e.g. `Europe/Berlin` or `UTC`.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The longest name, in bytes.
    const MAX: usize = 64;

    /// The name as the table writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The day that it is there at a moment.
    pub fn date(&self, at: OffsetDateTime) -> Option<Date> {
        let at = jiff::Timestamp::from_second(at.unix_timestamp()).ok()?;
        let there = self.rules.to_datetime(at).date();
        let month = u8::try_from(there.month()).ok()?;
        let day = u8::try_from(there.day()).ok()?;
        let month = time::Month::try_from(month).ok()?;
        Date::from_calendar_date(there.year().into(), month, day).ok()
    }

    /// The moment at which it is this time there. One that a clock change leaves out is as long
    /// after it as it would have been; of one that comes twice it is the first.
    pub fn moment(&self, date: Date, hour: u8, minute: u8) -> Option<OffsetDateTime> {
        let (year, month, day) = date.to_calendar_date();
        let month = i8::try_from(u8::from(month)).ok()?;
        let (day, hour) = (i8::try_from(day).ok()?, i8::try_from(hour).ok()?);
        let minute = i8::try_from(minute).ok()?;
        let there = civil::DateTime::new(year.try_into().ok()?, month, day, hour, minute, 0, 0);
        let there = self.rules.to_ambiguous_timestamp(there.ok()?);
        let at = there.compatible().ok()?;
        OffsetDateTime::from_unix_timestamp(at.as_second()).ok()
    }
}

impl FromStr for Zone {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let unknown = || {
            let why = format!(
                "{} is no time zone: write a name of the IANA table, \"Europe/Berlin\" or \"UTC\"",
                Quoted(text)
            );
            InvalidValue::Other(why)
        };
        if text.len() > Self::MAX {
            return Err(unknown());
        }
        let rules = TimeZone::get(text).map_err(|_| unknown())?;
        let name = rules.iana_name().unwrap_or(text).to_owned();
        Ok(Self { name, rules })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(&other.name)
    }
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn a_time_that_is_left_out_or_comes_twice_is_one_moment() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        for (date, hour, minute, expected) in [
            (date!(2026 - 01 - 05), 3, 0, datetime!(2026-01-05 02:00 UTC)),
            (date!(2026 - 07 - 05), 3, 0, datetime!(2026-07-05 01:00 UTC)),
            // 02:30 is left out: it is 03:30 in summer time.
            (
                date!(2026 - 03 - 29),
                2,
                30,
                datetime!(2026-03-29 01:30 UTC),
            ),
            // 02:30 comes twice.
            (
                date!(2026 - 10 - 25),
                2,
                30,
                datetime!(2026-10-25 00:30 UTC),
            ),
        ] {
            assert_eq!(berlin.moment(date, hour, minute), Some(expected), "{date}");
        }
        let late = datetime!(2026-01-05 23:30 UTC);
        assert_eq!(berlin.date(late), Some(date!(2026 - 01 - 06)));
    }

    #[test]
    fn what_is_no_zone() {
        for bad in ["", "CEST Summer", "Europe/Atlantis", "+02:00"] {
            assert!(bad.parse::<Zone>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "europe/berlin".parse::<Zone>().unwrap().name(),
            "Europe/Berlin"
        );
        assert_eq!("UTC".parse::<Zone>().unwrap().name(), "UTC");
    }
}
