//! Tables for a terminal, and checks as one. Pure: `now` is given.

use std::collections::BTreeSet;

use prost_types::Timestamp;
use time::OffsetDateTime;

use crate::model::observation::ErrorClass;
use crate::proto::lokahi::Check;
use crate::proto::lokahi::check::State;
use crate::proto::lokahi::checks_page::Result as Row;

/// One line a check, with a heading; ends with a line break.
pub(super) fn checks(rows: &[Row], status: bool, now: OffsetDateTime) -> String {
    let projects = rows.iter().filter_map(|row| row.check.as_ref());
    let projects: BTreeSet<&str> = projects.map(|check| check.project.as_str()).collect();
    let several = projects.len() > 1;
    let mut heading = vec!["ID", "NAME"];
    if several {
        heading.push("PROJECT");
    }
    heading.extend(["STATE", "SINCE", "EVERY"]);
    if status {
        heading.extend(["LAST PROBE", "LATENCY", "P95", "STATUS"]);
    }
    heading.push("URL");
    if status {
        heading.push("REASON");
    }
    let mut table: Vec<Vec<String>> = vec![heading.into_iter().map(str::to_owned).collect()];
    for row in rows {
        let check = row.check.clone().unwrap_or_default();
        let mut cells = vec![check.id.clone(), or_dash(&check.name)];
        if several {
            cells.push(or_dash(&check.project));
        }
        cells.push(state(&check));
        cells.push(age(check.since, now));
        cells.push(format!("{}s", check.every));
        if status {
            let p95 = row.histogram_data.map_or(0.0, |h| h.p95_nanoseconds);
            let seen = match (row.resp_status_code, row.error_class.as_str()) {
                (0, "") => or_dash(""),
                (code, "") => code.to_string(),
                // What there was of an answer does not matter then.
                (_, class) => class.to_owned(),
            };
            cells.push(age(check.last_probe, now));
            cells.push(latency(row.last_response_time_nanoseconds));
            cells.push(latency(p95 as i64));
            cells.push(seen);
        }
        let reason = reason(&check, &row.error_class);
        cells.push(check.url);
        if status {
            cells.push(reason);
        }
        table.push(cells);
    }
    layout(&table)
}

/// Rows below a heading, in columns; ends with a line break.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut all: Vec<Vec<String>> = vec![heading.iter().map(|it| (*it).to_owned()).collect()];
    all.extend_from_slice(rows);
    layout(&all)
}

pub(super) fn layout(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = table.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in table {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, &width)| format!("{:width$}", printable(cell)))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

/// What a server sends must not move the cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Why it is not up; the class stands in a column of its own.
fn reason(check: &Check, class: &str) -> String {
    let detail = check.reason.strip_prefix(class);
    detail
        .and_then(|detail| detail.strip_prefix(": "))
        .unwrap_or(&check.reason)
        .to_owned()
}

/// The state, whether it is old, and what is set on it. Of what nobody probes there is none.
fn state(check: &Check) -> String {
    if check.disabled {
        return "DISABLED".to_owned();
    }
    if check.paused.is_some() {
        return "PAUSED".to_owned();
    }
    let name = check.state().as_str_name();
    let is_suppressed = check.suppressed.is_some() && (check.degraded || is_down(check));
    // What is stale was not looked at since.
    let is_unknown = !check.unknown.is_empty() && !check.stale;
    let is_unbelieved = is_unknown && check.unknown == ErrorClass::ProberImpaired.name();
    let aspects = [
        (check.stale, "stale"),
        (is_unknown && !is_unbelieved, "unknown"),
        (is_unbelieved, "unbelieved"),
        (check.degraded && !check.stale, "degraded"),
        (check.flapping && !check.stale, "flapping"),
        (check.maintenance.is_some(), "maintenance"),
        (is_suppressed, "suppressed"),
        (check.suspect.is_some() && is_down(check), "suspect"),
        (check.muted.is_some(), "muted"),
        (check.acknowledged.is_some(), "acknowledged"),
    ];
    let aspects = aspects.iter().filter(|(holds, _)| *holds);
    let aspects: Vec<&str> = aspects.map(|(_, word)| *word).collect();
    match aspects.is_empty() {
        true => name.to_owned(),
        false => format!("{name} ({})", aspects.join(", ")),
    }
}

fn is_down(check: &Check) -> bool {
    matches!(check.state(), State::Down | State::Error)
}

pub(super) fn age(at: Option<Timestamp>, now: OffsetDateTime) -> String {
    let Some(at) = at else {
        return "-".to_owned();
    };
    match now.unix_timestamp().saturating_sub(at.seconds).max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A latency for people; a dash where there is none.
pub(super) fn latency(nanoseconds: i64) -> String {
    match nanoseconds {
        0 => "-".to_owned(),
        1..10_000_000 => format!("{:.2}ms", nanoseconds as f64 / 1e6),
        10_000_000..1_000_000_000 => format!("{:.0}ms", nanoseconds as f64 / 1e6),
        _ => format!("{:.2}s", nanoseconds as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::proto::lokahi::{HistogramData, Overlay};

    #[test]
    fn what_nobody_probes_has_no_state() {
        let check = Check {
            state: State::Down.into(),
            stale: true,
            disabled: true,
            ..Check::default()
        };
        assert_eq!(state(&check), "DISABLED");
        let check = Check {
            disabled: false,
            paused: Some(Overlay::default()),
            ..check
        };
        assert_eq!(state(&check), "PAUSED");
    }

    #[test]
    fn a_state_says_what_is_set_on_it() {
        let check = Check {
            state: State::Down.into(),
            muted: Some(Overlay::default()),
            acknowledged: Some(Overlay::default()),
            ..Check::default()
        };
        assert_eq!(state(&check), "DOWN (muted, acknowledged)");
    }

    #[test]
    fn a_table() {
        let now = datetime!(2026-11-22 10:00 UTC);
        let ago = |seconds: i64| {
            Some(Timestamp {
                seconds: now.unix_timestamp() - seconds,
                nanos: 0,
            })
        };
        let row = |name: &str, state: State, seconds: i64| Row {
            check: Some(Check {
                id: "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d".into(),
                name: name.into(),
                url: "http://site.example.com/\u{1b}[2J".into(),
                every: 60,
                state: state.into(),
                since: ago(seconds),
                last_probe: ago(7),
                stale: state == State::Down,
                reason: match state {
                    State::Down => "status 200 is not 404".into(),
                    _ => String::new(),
                },
                ..Check::default()
            }),
            histogram_data: Some(HistogramData {
                p95_nanoseconds: 2_500_000.0,
                ..HistogramData::default()
            }),
            last_response_time_nanoseconds: 1_234_567_890,
            resp_status_code: 200,
            ..Row::default()
        };
        let rows = [row("shop", State::Up, 5), row("", State::Down, 7300)];
        insta::assert_snapshot!(checks(&rows, true, now), @r"
        ID                                    NAME  STATE         SINCE  EVERY  LAST PROBE  LATENCY  P95     STATUS  URL                           REASON
        0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d  shop  UP            5s     60s    7s          1.23s    2.50ms  200     http://site.example.com/?[2J
        0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d  -     DOWN (stale)  2h     60s    7s          1.23s    2.50ms  200     http://site.example.com/?[2J  status 200 is not 404
        ");
    }
}
