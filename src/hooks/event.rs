//! Events as one line for people.

use crate::proto::lokahi::{Check, CheckStatus};

/// What the lines say of an event.
pub(super) struct Told<'a> {
    pub(super) check: &'a Check,
    pub(super) latency: String,
    pub(super) status: i32,
}

impl<'a> Told<'a> {
    pub(super) fn new(event: &'a CheckStatus, check: &'a Check) -> Self {
        Self {
            check,
            latency: go_duration(event.last_response_time_nanoseconds),
            status: event.resp_status_code,
        }
    }

    /// The line of the original's sample_hook.
    pub(super) fn line(&self) -> String {
        format!(
            "check id: {}, state: {}, latency: {}, status code: {}, playbook url: {}",
            printable(&self.check.id),
            self.check.state().as_str_name(),
            self.latency,
            self.status,
            printable(&self.check.playbook_url)
        )
    }

    /// The same as a message in a chat.
    pub(super) fn message(&self) -> String {
        let mut text = format!(
            "{} is {} (status code {}, latency {})",
            printable(&self.check.url),
            self.check.state().as_str_name(),
            self.status,
            self.latency,
        );
        if !self.check.playbook_url.is_empty() {
            text.push_str(", playbook: ");
            text.push_str(&printable(&self.check.playbook_url));
        }
        text
    }
}

/// One event is one line.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A duration as Go writes it: `2.265561ms`, `1m30s`.
fn go_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let n = nanoseconds.unsigned_abs();
    let part = |unit: u64, name: &str, n: u64| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", n % unit);
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{}{dot}{fraction}{name}", n / unit)
    };
    let text = match n {
        0 => "0s".to_owned(),
        1..1_000 => format!("{n}ns"),
        1_000..1_000_000 => part(1_000, "µs", n),
        1_000_000..1_000_000_000 => part(1_000_000, "ms", n),
        _ => {
            let minutes = n / 60_000_000_000;
            let seconds = part(1_000_000_000, "s", n % 60_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_265_561, "2.265561ms"),
            (2_000_000, "2ms"),
            (1_050_000_000, "1.05s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000, "-1.5ms"),
        ] {
            assert_eq!(go_duration(nanoseconds), text);
        }
    }

    #[test]
    fn an_event_is_one_line() {
        let event = CheckStatus {
            check: Some(Check {
                id: "x".into(),
                url: "http://a/".into(),
                state: crate::proto::lokahi::check::State::Down.into(),
                playbook_url: "http://p/\n".into(),
                ..Check::default()
            }),
            last_response_time_nanoseconds: 2_265_561,
            resp_status_code: 500,
            ..CheckStatus::default()
        };
        let told = Told::new(&event, event.check.as_ref().unwrap());
        insta::assert_snapshot!(told.line(), @"check id: x, state: DOWN, latency: 2.265561ms, status code: 500, playbook url: http://p/");
        insta::assert_snapshot!(told.message(), @"http://a/ is DOWN (status code 500, latency 2.265561ms), playbook: http://p/");
    }
}
