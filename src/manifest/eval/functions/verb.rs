//! One verb of `format`: a value as it asks for it, as Go writes it.

use crate::manifest::eval::functions::text::Text;
use crate::manifest::eval::functions::{Failure, coerce, json};
use crate::manifest::eval::value::Value;

/// What stands behind a `%`.
#[derive(Default)]
pub(super) struct Verb {
    pub(super) space: bool,
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) zero: bool,
    pub(super) sharp: bool,
    /// In characters, at least.
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
    pub(super) mode: char,
}

impl Verb {
    pub(super) fn write(&self, value: &Value, text: &mut Text) -> Result<(), Failure> {
        if let Value::Secret(_) = value {
            return self.secret(value, text);
        }
        match (self.mode, value) {
            ('v', Value::String(_) | Value::Integer(_) | Value::Float(_)) if !self.sharp => {
                let shown = coerce::string(value).unwrap_or_default();
                self.pad("", &shown, text)
            }
            ('v', _) => match of_json(value)? {
                Value::String(json) => self.pad("", &json, text),
                // There is a secret within, so how long it is nobody knows.
                secret => {
                    self.unmeasured()?;
                    text.value(&secret)
                }
            },
            (_, Value::Null) => Err(Failure::new("there is no text for null")),
            ('s' | 'q', _) => {
                let Some(whole) = coerce::string(value) else {
                    return Err(unlike(value, "a string"));
                };
                let most = self
                    .precision
                    .filter(|most| *most > 0)
                    .unwrap_or(usize::MAX);
                let part: String = whole.chars().take(most).collect();
                match self.mode {
                    's' => self.pad("", &part, text),
                    _ => self.write_quoted(&part, text),
                }
            }
            ('t', _) => match coerce::bool(value) {
                Some(bool) => self.pad("", if bool { "true" } else { "false" }, text),
                None => Err(unlike(value, "a bool")),
            },
            _ => match coerce::number(value) {
                Some(number) => self.number(&number, text),
                None => Err(unlike(value, "a number")),
            },
        }
    }

    /// A text with secrets in it, which can be put somewhere but not measured.
    fn secret(&self, value: &Value, text: &mut Text) -> Result<(), Failure> {
        self.unmeasured()?;
        match self.mode {
            'q' => text.value(&of_json(value)?),
            'v' if self.sharp => text.value(&of_json(value)?),
            's' | 'v' => text.value(value),
            _ => Err(Failure::new("the value of a secret is not known here")),
        }
    }

    fn unmeasured(&self) -> Result<(), Failure> {
        if self.width > 0 || self.precision.is_some() {
            return Err(Failure::new("how long a secret is, is not known here"));
        }
        Ok(())
    }

    fn write_quoted(&self, part: &str, text: &mut Text) -> Result<(), Failure> {
        match of_json(&Value::string(part))? {
            Value::String(quoted) => self.pad("", &quoted, text),
            _ => Ok(()),
        }
    }

    fn number(&self, number: &Value, text: &mut Text) -> Result<(), Failure> {
        let (negative, body) = match (self.mode, number) {
            ('b' | 'd' | 'o' | 'x' | 'X', Value::Integer(whole)) => {
                (*whole < 0, self.whole(whole.unsigned_abs()))
            }
            ('b' | 'd' | 'o' | 'x' | 'X', _) => return Err(unlike(number, "a whole number")),
            // Exact also where a float would not be.
            ('f', Value::Integer(whole)) => {
                let places = self.precision.unwrap_or(6);
                let point = if places > 0 { "." } else { "" };
                let zeros = "0".repeat(places);
                (
                    *whole < 0,
                    format!("{}{point}{zeros}", whole.unsigned_abs()),
                )
            }
            (_, Value::Integer(whole)) => (*whole < 0, self.float((*whole as f64).abs())),
            (_, Value::Float(float)) => (float.is_sign_negative(), self.float(float.abs())),
            _ => return Err(unlike(number, "a number")),
        };
        let sign = match negative {
            true => "-",
            false if self.plus => "+",
            false if self.space => " ",
            false => "",
        };
        // Zeros that fill up stand behind what names the base.
        let base = match self.mode {
            'b' if self.sharp => "0b",
            'o' if self.sharp => "0",
            'x' if self.sharp => "0x",
            'X' if self.sharp => "0X",
            _ => "",
        };
        self.pad(&format!("{sign}{base}"), &body, text)
    }

    fn whole(&self, number: u64) -> String {
        let digits = match self.mode {
            'b' => format!("{number:b}"),
            'o' => format!("{number:o}"),
            'x' => format!("{number:x}"),
            'X' => format!("{number:X}"),
            _ => number.to_string(),
        };
        let missing = self.precision.unwrap_or(0).saturating_sub(digits.len());
        format!("{}{digits}", "0".repeat(missing))
    }

    fn float(&self, number: f64) -> String {
        let places = self.precision.unwrap_or(6);
        match self.mode {
            'f' => format!("{number:.places$}"),
            'e' => scientific(&format!("{number:.places$e}")),
            'E' => scientific(&format!("{number:.places$e}")).to_uppercase(),
            'G' => general(number, self.precision).to_uppercase(),
            _ => general(number, self.precision),
        }
    }

    fn pad(&self, sign: &str, body: &str, text: &mut Text) -> Result<(), Failure> {
        let length = sign.chars().count() + body.chars().count();
        let missing = self.width.saturating_sub(length);
        let (before, zeros, after) = match (self.minus, self.zero) {
            (true, _) => (0, 0, missing),
            (false, true) => (0, missing, 0),
            (false, false) => (missing, 0, 0),
        };
        text.repeat(' ', before)?;
        text.push(sign)?;
        text.repeat('0', zeros)?;
        text.push(body)?;
        text.repeat(' ', after)
    }
}

fn of_json(value: &Value) -> Result<Value, Failure> {
    let mut text = Text::default();
    json::encode(value, &mut text)?;
    Ok(text.finish())
}

fn unlike(value: &Value, wanted: &str) -> Failure {
    Failure::new(format!("the value must be {wanted}, not {}", value.kind()))
}

/// Rust's `1.5e3` as Go's `1.5e+03`.
fn scientific(number: &str) -> String {
    let Some((mantissa, exponent)) = number.split_once('e') else {
        return number.to_owned();
    };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// With an exponent if that is less than -4, or not less than the precision.
fn general(number: f64, precision: Option<usize>) -> String {
    let shortest = match precision {
        None => format!("{number:e}"),
        Some(digits) => format!("{number:.*e}", digits.max(1) - 1),
    };
    let Some((mantissa, exponent)) = shortest.split_once('e') else {
        return shortest;
    };
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let most = match precision.map(|most| i64::try_from(most.max(1)).unwrap_or(i64::MAX)) {
        // Go decides by 6 where it writes as many digits as it takes.
        None => 6,
        Some(most) if most > count && count > exponent => count,
        Some(most) => most,
    };
    if exponent < -4 || exponent >= most {
        let mut digits = digits.chars();
        let first: String = digits.by_ref().take(1).collect();
        let rest = digits.as_str();
        let point = if rest.is_empty() { "" } else { "." };
        return scientific(&format!("{first}{point}{rest}e{exponent}"));
    }
    let after = usize::try_from((count - 1 - exponent).max(0)).unwrap_or(0);
    format!("{number:.after$}")
}
