//! How durations are written: `30s`, `1h30m`.

/// `(\d+(ms|s|m|h|d|w))+` in milliseconds.
pub fn milliseconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, next) = after.split_at_checked(letters)?;
        let unit = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        let part = number.parse::<i64>().ok()?.checked_mul(unit)?;
        total = total.checked_add(part)?;
        rest = next;
    }
    Some(total)
}

/// Whole seconds as well: `90`, as the programs have always taken them.
pub fn or_seconds(text: &str) -> Option<i64> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<i64>().ok()?.checked_mul(1_000),
        false => milliseconds(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("60s", Some(60_000)),
            ("1m30s", Some(90_000)),
            ("1h30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("1w", Some(604_800_000)),
            ("", None),
            ("60", None),
            ("s", None),
            ("1 s", None),
            ("1.5s", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("9223372036854775807w", None),
        ] {
            assert_eq!(milliseconds(text), ms, "{text:?}");
        }
    }
}
