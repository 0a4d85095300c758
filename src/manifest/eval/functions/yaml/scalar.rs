//! Scalars of YAML, as Terraform reads them (zclconf/go-cty-yaml, resolve.go): bools have the words
//! of YAML 1.1, dates become texts in the form of RFC 3339, numbers are decimal.

use time::{Date, Month, Time};
use yaml_rust2::parser::Tag;
use yaml_rust2::scanner::TScalarStyle;

use crate::manifest::eval::functions::{Failure, coerce};
use crate::manifest::eval::value::Value;
use crate::model::quoted::Quoted;

/// The value of a scalar. `!!str` and quotes make a string of everything.
pub(super) fn value(text: String, style: TScalarStyle, tag: Option<Tag>) -> Result<Value, Failure> {
    let named = |tag: &Tag| tag.handle == "tag:yaml.org,2002:" || tag.handle == "!!";
    let tag = tag
        .as_ref()
        .filter(|tag| named(tag))
        .map(|tag| tag.suffix.as_str());
    let wrong = |kind: &str| Failure::new(format!("{} is no {kind}", Quoted(&cut(&text))));
    match tag {
        Some("str") => Ok(Value::string(text)),
        Some("bool") => truth(&text).map(Value::Bool).ok_or_else(|| wrong("bool")),
        Some("int" | "float") => number(&text)?
            .or_else(|| based(&text))
            .ok_or_else(|| wrong("number")),
        Some("null") => Ok(Value::Null),
        Some("timestamp") => timestamp(&text)
            .map(Value::string)
            .ok_or_else(|| wrong("date")),
        Some(other) => Err(Failure::new(format!("the tag !!{other} is not read"))),
        None if style == TScalarStyle::Plain => plain(text),
        None => Ok(Value::string(text)),
    }
}

fn plain(text: String) -> Result<Value, Failure> {
    if let Some(truth) = truth(&text) {
        return Ok(Value::Bool(truth));
    }
    if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Ok(Value::Null);
    }
    if let Some(date) = timestamp(&text) {
        return Ok(Value::string(date));
    }
    Ok(number(&text)?.unwrap_or_else(|| Value::string(text)))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(false)
        }
        _ => None,
    }
}

/// A decimal number, in which `_` may group digits.
fn number(text: &str) -> Result<Option<Value>, Failure> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if matches!(
        unsigned,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    ) {
        return Err(Failure::new(format!("{text} is no finite number")));
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(None);
    }
    let digits = text.replace('_', "");
    let decimal = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match coerce::parse_number(&digits) {
        None if decimal && digits.parse::<f64>().is_ok() => {
            Err(Failure::new(format!("{} is no finite number", cut(text))))
        }
        found => Ok(found),
    }
}

/// A whole number of another base, which a tag has to name.
fn based(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    let (sign, rest) = match digits.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, digits.as_str()),
    };
    let base = match rest.get(..2)? {
        "0x" | "0X" => 16,
        "0o" | "0O" => 8,
        "0b" | "0B" => 2,
        _ => return None,
    };
    let number = i64::from_str_radix(rest.get(2..)?, base).ok()?;
    Some(Value::Integer(sign * number))
}

/// A date, or a date and a time, in the form of RFC 3339: without a zone in UTC, and without
/// fractions of seconds.
fn timestamp(text: &str) -> Option<String> {
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => text.split_at_checked(at)?,
        None => (text, ""),
    };
    let mut fields = date.split('-');
    let (year, month, day) = (fields.next()?, fields.next()?, fields.next()?);
    if year.len() != 4 || fields.next().is_some() {
        return None;
    }
    let month = Month::try_from(few(month)?).ok()?;
    let year = year
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| year.parse().ok())??;
    let date = Date::from_calendar_date(year, month, few(day)?).ok()?;
    let (time, zone) = match rest.split_at_checked(1) {
        None => (Time::MIDNIGHT, "Z".to_owned()),
        Some((sign, rest)) => {
            let at = match sign {
                " " => rest.len(),
                _ => rest.find(['Z', '+', '-'])?,
            };
            let (time, zone) = rest.split_at_checked(at)?;
            (clock(time)?, offset(zone)?)
        }
    };
    let (hour, minute, second) = time.as_hms();
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{zone}"))
}

fn clock(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut fields = whole.split(':').map(few);
    let (hour, minute, second) = (fields.next()??, fields.next()??, fields.next()??);
    if fields.next().is_some() {
        return None;
    }
    Time::from_hms(hour, minute, second).ok()
}

fn offset(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("Z".to_owned());
    }
    match text.split_at_checked(1)? {
        ("Z", "") => Some("Z".to_owned()),
        ("+" | "-", rest) => {
            let (hours, minutes) = rest.split_once(':')?;
            let good =
                hours.len() == 2 && minutes.len() == 2 && few(hours)? < 24 && few(minutes)? < 60;
            let none = hours == "00" && minutes == "00";
            good.then(|| if none { "Z" } else { text }.to_owned())
        }
        _ => None,
    }
}

/// A number of one or two digits.
fn few(text: &str) -> Option<u8> {
    let good = matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

/// At most this much of a text, for messages.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}
