//! When something recurs: the five fields of cron, read as everybody reads them.

use std::fmt;
use std::str::FromStr;

use time::{Date, Weekday};

use crate::model::quoted::Quoted;
use crate::model::value::InvalidValue;

/// Minute, hour, day of the month, month, day of the week. Where both days are given, either is
/// enough, as in every cron.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0.
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The bounds of a field, and names for its numbers from the least on.
struct Field {
    what: &'static str,
    least: u8,
    most: u8,
    names: &'static [&'static str],
}

impl Cron {
    /// The longest one, in bytes.
    const MAX: usize = 200;

    /// The fields, with one blank between.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it recurs on this day.
    pub fn has_day(&self, date: Date) -> bool {
        let day = self.days >> date.day() & 1 == 1;
        let weekday = match date.weekday() {
            Weekday::Sunday => 0,
            other => other.number_from_monday(),
        };
        let weekday = self.weekdays >> weekday & 1 == 1;
        let fits = match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        fits && self.months >> u8::from(date.month()) & 1 == 1
    }

    /// The times of such a day, hour and minute, in their order.
    pub fn times(&self) -> impl DoubleEndedIterator<Item = (u8, u8)> + use<'_> {
        let minutes = |hour| {
            let minutes = (0..60).filter(|minute| self.minutes >> minute & 1 == 1);
            minutes.map(move |minute| (hour, minute))
        };
        let hours = (0..24).filter(|hour| self.hours >> hour & 1 == 1);
        hours.flat_map(minutes)
    }
}

impl FromStr for Cron {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refused = |why: String| InvalidValue::Other(format!("{} {why}", Quoted(text)));
        if text.len() > Self::MAX {
            return Err(InvalidValue::TooLong {
                length: text.len(),
                max: Self::MAX,
            });
        }
        let fields: Vec<String> = text
            .split_whitespace()
            .map(str::to_ascii_lowercase)
            .collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            let why = "has not five fields: minute, hour, day of the month, month, day of the week";
            return Err(refused(why.to_owned()));
        };
        let read = |text: &str, what, least, most, names| {
            let field = Field {
                what,
                least,
                most,
                names,
            };
            field.read(text).map_err(&refused)
        };
        // 7 is Sunday, too.
        let weekdays = read(weekday, "day of the week", 0, 7, &WEEKDAYS)?;
        let cron = Self {
            minutes: read(minute, "minute", 0, 59, &[])?,
            hours: read(hour, "hour", 0, 23, &[])?,
            days: read(day, "day of the month", 1, 31, &[])?,
            months: read(month, "month", 1, 12, &MONTHS)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            any_day: day.starts_with('*'),
            any_weekday: weekday.starts_with('*'),
            text: fields.join(" "),
        };
        let most = |month: u8| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut months = (1..=12u8).filter(|month| cron.months >> month & 1 == 1);
        let can_be = |month: u8| (1..=most(month)).any(|day| cron.days >> day & 1 == 1);
        if cron.any_weekday && !months.any(can_be) {
            return Err(refused(
                "never comes: no such month has such a day".to_owned(),
            ));
        }
        Ok(cron)
    }
}

impl Field {
    /// A bit for each number.
    fn read(&self, text: &str) -> Result<u64, String> {
        let mut bits = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(self.step(step)?)),
                None => (part, None),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.least, self.most),
                Some((from, to)) => (self.number(from)?, self.number(to)?),
                None => {
                    let one = self.number(range)?;
                    // `5/15`: from 5 on.
                    (one, if step.is_some() { self.most } else { one })
                }
            };
            if from > to {
                return Err(format!("has the {} from {from} to {to}", self.what));
            }
            for number in (from..=to).step_by(step.unwrap_or(1)) {
                bits |= 1 << number;
            }
        }
        Ok(bits)
    }

    fn step(&self, text: &str) -> Result<usize, String> {
        let step = text
            .parse::<usize>()
            .ok()
            .filter(|step| (1..=60).contains(step));
        step.ok_or_else(|| format!("has the {} in steps of {}", self.what, Quoted(text)))
    }

    fn number(&self, text: &str) -> Result<u8, String> {
        let named = self.names.iter().position(|name| *name == text);
        let named = named.and_then(|at| u8::try_from(at).ok());
        let number = match named {
            Some(at) => Some(self.least + at),
            None => text
                .parse::<u8>()
                .ok()
                .filter(|_| text.bytes().all(|b| b.is_ascii_digit())),
        };
        let within = number.filter(|number| (self.least..=self.most).contains(number));
        within.ok_or_else(|| {
            format!(
                "has the {} {}, which is none from {} to {}",
                self.what,
                Quoted(text),
                self.least,
                self.most
            )
        })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn when_it_recurs() {
        // 2026-11-29 is a Sunday, 12-01 a Tuesday.
        for (text, date, on, times) in [
            ("0 3 * * *", date!(2026 - 11 - 29), true, "3:00"),
            ("0 3 * * sun", date!(2026 - 11 - 29), true, "3:00"),
            ("0 3 * * 7", date!(2026 - 11 - 29), true, "3:00"),
            ("0 3 * * 1-5", date!(2026 - 11 - 29), false, "3:00"),
            (
                "*/30 22-23 * * *",
                date!(2026 - 11 - 29),
                true,
                "22:00 22:30 23:00 23:30",
            ),
            (
                "5/20 0 * * *",
                date!(2026 - 11 - 29),
                true,
                "0:05 0:25 0:45",
            ),
            (
                "0,15 1,2 1 * *",
                date!(2026 - 12 - 01),
                true,
                "1:00 1:15 2:00 2:15",
            ),
            ("0 1 1 * *", date!(2026 - 11 - 29), false, "1:00"),
            // Either day is enough.
            ("0 1 1 * sun", date!(2026 - 11 - 29), true, "1:00"),
            ("0 1 1 * sun", date!(2026 - 12 - 01), true, "1:00"),
            ("0 1 * JAN-MAR *", date!(2026 - 12 - 01), false, "1:00"),
            ("0 1 * dec tue", date!(2026 - 12 - 01), true, "1:00"),
        ] {
            let cron: Cron = text.parse().unwrap();
            assert_eq!(cron.has_day(date), on, "{text} {date}");
            let shown: Vec<String> = cron.times().map(|(h, m)| format!("{h}:{m:02}")).collect();
            assert_eq!(shown.join(" "), times, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let of = |text: &str| text.parse::<Cron>().unwrap_err().to_string();
        for (text, words) in [
            ("", "five fields"),
            ("0 3 * *", "five fields"),
            ("0 3 * * * *", "five fields"),
            ("60 3 * * *", "minute \"60\", which is none from 0 to 59"),
            ("0 3-1 * * *", "hour from 3 to 1"),
            ("*/0 3 * * *", "minute in steps of \"0\""),
            ("0 3 0 * *", "day of the month \"0\""),
            ("0 3 * 13 *", "month \"13\""),
            ("0 3 * * 8", "day of the week \"8\""),
            ("0 3 * * +1", "day of the week \"+1\""),
            ("0 3 31 2,4 *", "never comes"),
            ("@daily", "five fields"),
        ] {
            assert!(of(text).contains(words), "{text}: {}", of(text));
        }
        assert!(of(&"0".repeat(300)).contains("200"));
    }
}
