//! `history CHECK`: what the probes of a check came to, as a sparkline, a strip, and words.

use std::time::Duration;

use prost_types::Timestamp;
use time::OffsetDateTime;

use super::arguments::projects::History;
use super::exit::Failure;
use super::output::Console;
use super::overlay::words;
use super::table::{age, latency, printable, table};
use crate::client::Client;
use crate::clock;
use crate::plan::text::moment;
use crate::proto::lokahi::{
    CheckHistory, CheckHistoryOpts, Evidence, HistoryBucket, HistoryIncident,
};
use crate::proto::moment::{time_of, timestamp};

/// How far back it looks.
const USUAL: Duration = Duration::from_secs(24 * 3600);
/// How many probes are listed.
const PROBES: i32 = 10;
/// How many columns the window has at most; half an hour each of a day.
const COLUMNS: i32 = 48;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What a strip shows of one part of the window, and what that means.
const MARKS: [(char, &str); 6] = [
    ('|', "up"),
    ('!', "some failed"),
    ('x', "failed"),
    ('?', "not known"),
    ('~', "maintenance"),
    ('.', "not probed"),
];

/// Asks for the history of a check, and prints it.
pub(super) async fn check(
    client: &Client,
    id: String,
    what: &History,
    as_text: bool,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let now = clock::now();
    let asked = CheckHistoryOpts {
        id,
        since: Some(timestamp(now - what.since.unwrap_or(USUAL))),
        until: None,
        buckets: COLUMNS,
        observations: what.count.unwrap_or(PROBES),
        exact: what.exact,
    };
    let found = client.check_history(&asked).await?;
    if !as_text {
        return console.json(&found);
    }
    console.out.write_all(text(&found, now).as_bytes())?;
    Ok(())
}

fn text(found: &CheckHistory, now: OffsetDateTime) -> String {
    let check = found.check.clone().unwrap_or_default();
    let called = match check.name.as_str() {
        "" => check.id.clone(),
        name => format!("{}/{name}", check.project),
    };
    let mut lines = vec![format!("{called}  {}", check.url)];
    let mut say = |name: &str, text: String| {
        lines.push(
            format!("  {name:<11} {}", printable(&text))
                .trim_end()
                .to_owned(),
        );
    };
    let state = match (check.disabled, &check.paused) {
        (true, _) => "DISABLED".to_owned(),
        (false, Some(_)) => "PAUSED".to_owned(),
        (false, None) => format!(
            "{}, since {}",
            check.state().as_str_name(),
            age(check.since, now)
        ),
    };
    say("state", state);
    for text in words::all(&check, now) {
        say("", text);
    }
    let step = span(found.bucket_seconds);
    say(
        "window",
        format!(
            "{} to {}, {step} a column",
            minute(&found.since),
            minute(&found.until)
        ),
    );
    let total = found.total.unwrap_or_default();
    if total.max_nanoseconds > 0 {
        say("p95", sparkline(&found.buckets));
    }
    say("outcomes", strip(&found.buckets));
    say("", legend(&found.buckets));
    say("uptime", uptime(found, &total));
    if total.max_nanoseconds > 0 {
        say("latency", quantiles(found, &total));
    }
    let incidents = found.incidents.iter().map(|it| incident(it, now));
    say("incidents", incidents_in_all(found));
    incidents.for_each(|text| say("", text));
    if !found.observations.is_empty() {
        let heading = ["PROBE", "OUTCOME", "STATUS", "LATENCY", "CLASS"];
        let rows: Vec<Vec<String>> = found.observations.iter().map(probe).collect();
        lines.push(String::new());
        lines.push(table(&heading, &rows).trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}

/// Bars as high as the 95th percentiles, from nothing to the highest.
fn sparkline(buckets: &[HistoryBucket]) -> String {
    let highest = buckets.iter().map(|bucket| bucket.p95_nanoseconds).max();
    let highest = highest.unwrap_or(0).max(1);
    let bar = |bucket: &HistoryBucket| match bucket.p95_nanoseconds {
        0 => ' ',
        value => {
            let level = (value as f64 / highest as f64 * BARS.len() as f64).ceil() as usize;
            BARS[level.clamp(1, BARS.len()) - 1]
        }
    };
    buckets.iter().map(bar).collect()
}

fn strip(buckets: &[HistoryBucket]) -> String {
    buckets.iter().map(mark).collect()
}

fn mark(bucket: &HistoryBucket) -> char {
    let failed = bucket.down + bucket.error;
    let [up, some, failing, unknown, maintained, nothing] = MARKS.map(|(mark, _)| mark);
    match (bucket.up, failed) {
        (0, 0) if bucket.unknown > 0 => unknown,
        (0, 0) if bucket.maintenance > 0 => maintained,
        (0, 0) => nothing,
        (_, 0) => up,
        (0, _) => failing,
        (_, _) => some,
    }
}

/// What the marks that there are mean.
fn legend(buckets: &[HistoryBucket]) -> String {
    let shown = strip(buckets);
    let known = MARKS.iter().filter(|(mark, _)| shown.contains(*mark));
    let known: Vec<String> = known.map(|(mark, text)| format!("{mark} {text}")).collect();
    known.join("   ")
}

fn uptime(found: &CheckHistory, total: &HistoryBucket) -> String {
    let judged = total.up + total.down + total.error;
    let share = match found.uptime {
        Some(share) => format!("{} of {judged} probes", percent(share)),
        None => "not known: no probe says anything of the site".to_owned(),
    };
    let parts = [
        (total.unknown, "unknown"),
        (total.skipped, "not sent"),
        (total.lost, "lost"),
        (total.maintenance, "in maintenance"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match parts.is_empty() {
        true => share,
        false => format!(
            "{share}; left out: {} of all ({})",
            percent(found.left_out),
            parts.join(", ")
        ),
    }
}

/// Cut, not rounded: what is not all does not read as all.
fn percent(share: f64) -> String {
    let thousandths = (share * 100_000.0 + 1e-6).floor() / 1000.0;
    format!("{thousandths} %")
}

fn quantiles(found: &CheckHistory, total: &HistoryBucket) -> String {
    let all = [
        ("p50", total.p50_nanoseconds),
        ("p95", total.p95_nanoseconds),
        ("p99", total.p99_nanoseconds),
        ("max", total.max_nanoseconds),
    ];
    let all = all.map(|(name, value)| format!("{name} {}", latency(value)));
    let right = if found.exact { "" } else { "  (within 1 %)" };
    format!("{}{right}", all.join("  "))
}

fn incidents_in_all(found: &CheckHistory) -> String {
    let down = span(found.down_nanoseconds / 1_000_000_000);
    match found.incidents.len() {
        0 => "none".to_owned(),
        _ if found.cut => format!("the newest of more; in these {down} down"),
        n => format!("{n}, {down} down"),
    }
}

fn incident(incident: &HistoryIncident, now: OffsetDateTime) -> String {
    let seconds = |at: &Option<Timestamp>| at.as_ref().map(|at| at.seconds);
    let opened = seconds(&incident.opened_at).unwrap_or_default();
    let lasted = match seconds(&incident.closed_at) {
        Some(closed) => span(closed - opened),
        None => format!("{}, and goes on", span(now.unix_timestamp() - opened)),
    };
    let seen = match &incident.acknowledged {
        None => String::new(),
        Some(overlay) => format!(", {}", words::words("acknowledged", overlay, now)),
    };
    format!(
        "{}  {:<5}  {lasted}{seen}",
        minute(&incident.opened_at),
        incident.state().as_str_name()
    )
}

fn probe(probe: &Evidence) -> Vec<String> {
    let at = probe.scheduled_at.as_ref().map(time_of);
    let at = at.map_or(String::new(), |at| {
        let (date, hour, minute, second) = (at.date(), at.hour(), at.minute(), at.second());
        format!("{date} {hour:02}:{minute:02}:{second:02}")
    });
    let phases = probe.phases.unwrap_or_default();
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    vec![
        at,
        probe.outcome.clone(),
        match probe.status_code {
            0 => or_dash(""),
            code => code.to_string(),
        },
        latency(phases.total_nanoseconds),
        or_dash(&probe.error_class),
    ]
}

fn minute(at: &Option<Timestamp>) -> String {
    at.as_ref().map_or(String::new(), |at| moment(time_of(at)))
}

/// A duration in its two greatest units.
fn span(seconds: i64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let mut rest = seconds.max(0);
    let mut parts = Vec::new();
    for (unit, length) in units {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    match parts.is_empty() {
        true => "0s".to_owned(),
        false => parts.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::proto::lokahi::Check;
    use crate::proto::lokahi::check::State;

    const UNTIL: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn bucket(up: i64, down: i64, p95: i64) -> HistoryBucket {
        HistoryBucket {
            up,
            down,
            p95_nanoseconds: p95 * 1_000_000,
            ..HistoryBucket::default()
        }
    }

    #[test]
    fn a_day_of_a_site() {
        let ago = |seconds: i64| Some(timestamp(UNTIL - time::Duration::seconds(seconds)));
        let buckets = vec![
            bucket(60, 0, 80),
            bucket(59, 1, 160),
            bucket(0, 60, 640),
            bucket(0, 0, 0),
            HistoryBucket {
                unknown: 3,
                ..HistoryBucket::default()
            },
            bucket(60, 0, 90),
        ];
        let found = CheckHistory {
            check: Some(Check {
                name: "front".into(),
                project: "shop".into(),
                url: "https://shop.example.com/".into(),
                state: State::Up.into(),
                since: ago(3600),
                ..Check::default()
            }),
            since: ago(10_800),
            until: ago(0),
            buckets,
            bucket_seconds: 1800,
            total: Some(HistoryBucket {
                up: 179,
                down: 61,
                unknown: 3,
                lost: 57,
                p50_nanoseconds: 71_000_000,
                p95_nanoseconds: 610_000_000,
                p99_nanoseconds: 640_000_000,
                max_nanoseconds: 1_200_000_000,
                ..HistoryBucket::default()
            }),
            uptime: Some(179.0 / 240.0),
            left_out: 0.2,
            exact: false,
            incidents: vec![HistoryIncident {
                state: State::Down.into(),
                opened_at: ago(7230),
                closed_at: ago(3600),
                ..HistoryIncident::default()
            }],
            down_nanoseconds: 3_630_000_000_000,
            observations: vec![Evidence {
                scheduled_at: ago(12),
                outcome: "up".into(),
                status_code: 200,
                phases: Some(crate::proto::lokahi::Phases {
                    total_nanoseconds: 81_000_000,
                    ..Default::default()
                }),
                ..Evidence::default()
            }],
            ..CheckHistory::default()
        };
        insta::assert_snapshot!(text(&found, UNTIL), @r"
        shop/front  https://shop.example.com/
          state       UP, since 60m
          window      2026-11-25 09:00 UTC to 2026-11-25 12:00 UTC, 30m a column
          p95         ▁▂█  ▂
          outcomes    |!x.?|
                      | up   ! some failed   x failed   ? not known   . not probed
          uptime      74.583 % of 240 probes; left out: 20 % of all (3 unknown, 57 lost)
          latency     p50 71ms  p95 610ms  p99 640ms  max 1.20s  (within 1 %)
          incidents   1, 1h down
                      2026-11-25 09:59 UTC  DOWN   1h

        PROBE                OUTCOME  STATUS  LATENCY  CLASS
        2026-11-25 11:59:48  up       200     81ms     -
        ");
    }

    #[test]
    fn spans() {
        for (seconds, expected) in [
            (0, "0s"),
            (45, "45s"),
            (252, "4m 12s"),
            (3600, "1h"),
            (3605, "1h"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn what_is_not_all_does_not_read_as_all() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_999), "99.999 %");
        assert_eq!(percent(0.0), "0 %");
    }
}
