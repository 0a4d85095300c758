//! What `cargo xtask up` shows: each check's state, latency and last change, and the last
//! events of the webhook. Strings in, strings out; `up` does the rest.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

const EVENTS: usize = 10;
/// Lines of a terminal that does not say how many it has.
pub(crate) const LINES: usize = 24;
const WIDEST_NAME: usize = 48;

/// A check as `lokahictl list --status --output json` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    id: String,
    name: String,
    state: State,
    latency: Option<Duration>,
}

/// The numbers of the public API's enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Init,
    Up,
    Down,
    Error,
}

impl State {
    fn new(number: u64) -> Self {
        match number {
            1 => Self::Up,
            2 => Self::Down,
            3 => Self::Error,
            _ => Self::Init,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Error => "ERROR",
        }
    }

    /// The word in its colour, padded to the width of its column.
    fn painted(self) -> String {
        let colour = match self {
            Self::Init => 33,
            Self::Up => 32,
            Self::Down | Self::Error => 31,
        };
        format!("\x1b[{colour}m{:<5}\x1b[0m", self.word())
    }
}

/// Reads the list. Zero values are left out of it.
pub(crate) fn parse(text: &str) -> Result<Vec<Check>> {
    let page: Value = serde_json::from_str(text).context("lokahictl list printed no JSON")?;
    let empty = Vec::new();
    let results = page.get("results").and_then(Value::as_array);
    Ok(results
        .unwrap_or(&empty)
        .iter()
        .map(|result| {
            let text = |pointer| result.pointer(pointer).and_then(Value::as_str);
            let number = |pointer| result.pointer(pointer).and_then(Value::as_u64);
            let name = text("/check/name").filter(|name| !name.is_empty());
            Check {
                id: text("/check/id").unwrap_or_default().to_owned(),
                name: name.or(text("/check/url")).unwrap_or_default().to_owned(),
                state: State::new(number("/check/state").unwrap_or(0)),
                latency: number("/last_response_time_nanoseconds").map(Duration::from_nanos),
            }
        })
        .collect())
}

/// Everything that is shown, and since when.
#[derive(Debug)]
pub(crate) struct View {
    port: u16,
    checks: Vec<Check>,
    /// When a check's state was seen to change, by id.
    changed: BTreeMap<String, Instant>,
    events: VecDeque<String>,
    trouble: Option<String>,
}

impl View {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            checks: Vec::new(),
            changed: BTreeMap::new(),
            events: VecDeque::new(),
            trouble: None,
        }
    }

    /// Takes a new list and returns a line for each check that is new or has changed.
    pub(crate) fn update(&mut self, checks: Vec<Check>, now: Instant) -> Vec<String> {
        self.trouble = None;
        let mut lines = Vec::new();
        for check in &checks {
            let before = self.checks.iter().find(|before| before.id == check.id);
            let line = match before {
                Some(before) if before.state == check.state => continue,
                Some(before) => format!(
                    "{}: {} -> {}{}",
                    check.name,
                    before.state.word(),
                    check.state.word(),
                    check
                        .latency
                        .map(|it| format!(" in {}", milliseconds(it)))
                        .unwrap_or_default()
                ),
                None => format!("{}: {}", check.name, check.state.word()),
            };
            if before.is_some() {
                self.changed.insert(check.id.clone(), now);
            }
            lines.push(line);
        }
        let there = |id: &String| checks.iter().any(|check| check.id == *id);
        self.changed.retain(|id, _| there(id));
        self.checks = checks;
        lines
    }

    pub(crate) fn add_events(&mut self, lines: &[String]) {
        self.events.extend(lines.iter().cloned());
        let surplus = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..surplus);
    }

    /// Says in the table why the list is old, until the next update.
    pub(crate) fn trouble(&mut self, what: String) {
        self.trouble = Some(what);
    }

    /// The whole screen.
    ///
    /// It fits on so many lines: what is not up comes first, and what there is no room for
    /// is counted.
    pub(crate) fn table(&self, now: Instant, lines: usize) -> String {
        let events = self.events.len().min((lines / 3).clamp(3, EVENTS));
        // The headings, the lines between, and the trouble.
        let around = 5 + events + if self.trouble.is_some() { 2 } else { 0 };
        let room = lines.saturating_sub(around + 1).max(3);
        let mut checks: Vec<&Check> = self.checks.iter().collect();
        checks.sort_by_key(|check| match check.state {
            State::Down | State::Error => 0,
            State::Init => 1,
            State::Up => 2,
        });
        let shown = if checks.len() > room {
            room - 1
        } else {
            checks.len()
        };
        let hidden = checks.split_off(shown);
        let names = checks.iter().map(|check| check.name.chars().count());
        let width = names.max().unwrap_or(0).clamp(5, WIDEST_NAME);
        let mut lines = vec![
            format!(
                "lokahi on http://127.0.0.1:{}   (Ctrl-C stops everything)",
                self.port
            ),
            String::new(),
            format!(
                "\x1b[1m{:<width$}  {:<5}  {:>9}  LAST CHANGE\x1b[0m",
                "CHECK", "STATE", "LATENCY"
            ),
        ];
        for check in checks {
            let name: String = check.name.chars().take(width).collect();
            let latency = check.latency.map(milliseconds).unwrap_or_default();
            let changed = self.changed.get(&check.id).map_or_else(
                || "-".to_owned(),
                |at| format!("{} s ago", now.duration_since(*at).as_secs()),
            );
            let state = check.state.painted();
            lines.push(format!("{name:<width$}  {state}  {latency:>9}  {changed}"));
        }
        if !hidden.is_empty() {
            let up = hidden.iter().filter(|check| check.state == State::Up);
            lines.push(format!(
                "... and {} more, {} of them UP",
                hidden.len(),
                up.count()
            ));
        }
        lines.push(String::new());
        lines.push("\x1b[1mEVENTS of the webhook\x1b[0m".to_owned());
        lines.extend(
            self.events
                .iter()
                .skip(self.events.len() - events)
                .map(|line| self.named(line)),
        );
        if let Some(trouble) = &self.trouble {
            lines.push(String::new());
            lines.push(format!("\x1b[31m{trouble}\x1b[0m"));
        }
        let mut text = String::new();
        for line in lines {
            // Writing into a String cannot fail.
            if writeln!(text, "{line}").is_err() {
                break;
            }
        }
        text
    }
}

impl View {
    /// The line of sample_hook with the check's name in place of its id.
    fn named(&self, line: &str) -> String {
        let after = line.strip_prefix("check id: ");
        let Some((id, rest)) = after.and_then(|after| after.split_once(", ")) else {
            return line.to_owned();
        };
        let check = self.checks.iter().find(|check| check.id == id);
        match check {
            Some(check) => format!("{}: {rest}", check.name),
            None => line.to_owned(),
        }
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::monotonic;

    fn list(state: &str) -> Vec<Check> {
        parse(&format!(
            r#"{{"results":[
                {{"check":{{"id":"1","name":"duke","url":"http://127.0.0.1:24254/"{state}}},"last_response_time_nanoseconds":1234567}},
                {{"check":{{"id":"2","url":"http://127.0.0.1:1/"}}}}
            ]}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_change_is_told_once() {
        let now = monotonic();
        let mut view = View::new(24253);
        assert_eq!(
            view.update(list(""), now),
            ["duke: INIT", "http://127.0.0.1:1/: INIT"]
        );
        assert_eq!(view.update(list(""), now), [""; 0]);
        assert_eq!(
            view.update(list(r#","state":2"#), now),
            ["duke: INIT -> DOWN in 1.2 ms"]
        );
        assert_eq!(view.update(list(r#","state":2"#), now), [""; 0]);
    }

    #[test]
    fn the_table_shows_state_latency_change_and_events() {
        let now = monotonic();
        let mut view = View::new(24253);
        view.update(list(""), now);
        view.update(list(r#","state":1"#), now);
        let lines: Vec<_> = (0..12).map(|n| format!("event {n}")).collect();
        view.add_events(&lines);
        let table = view.table(now + Duration::from_secs(7), 60);
        let duke = table.lines().find(|line| line.starts_with("duke")).unwrap();
        assert_eq!(
            duke,
            "duke                 \x1b[32mUP   \x1b[0m     1.2 ms  7 s ago"
        );
        assert!(!table.contains("event 1\n") && table.contains("event 2\n"));
        assert!(table.contains("event 11\n"));
        view.add_events(&["check id: 1, state: DOWN".to_owned()]);
        assert!(view.table(now, 60).contains("\nduke: state: DOWN\n"));
    }

    #[test]
    fn what_does_not_fit_is_counted_and_what_is_down_comes_first() {
        let check = |n: u64| {
            let state = if n == 97 { 2 } else { 1 };
            format!(r#"{{"check":{{"id":"{n}","name":"check-{n}","state":{state}}}}}"#)
        };
        let checks: Vec<_> = (0..100).map(check).collect();
        let list = format!(r#"{{"results":[{}]}}"#, checks.join(","));
        let now = monotonic();
        let mut view = View::new(24253);
        view.update(parse(&list).unwrap(), now);
        let lines: Vec<_> = (0..12).map(|n| format!("event {n}")).collect();
        view.add_events(&lines);
        view.trouble("no answer".to_owned());
        let table = view.table(now, 24);
        assert!(table.lines().count() <= 24, "{table}");
        let first = table.lines().nth(3).unwrap();
        assert!(first.starts_with("check-97"), "{table}");
        assert!(table.contains("... and 93 more, 93 of them UP"), "{table}");
        assert!(table.contains("event 11"), "{table}");
    }

    #[test]
    fn an_empty_list_is_an_empty_object() {
        assert_eq!(parse("{}").unwrap(), []);
        assert!(parse("error").is_err());
    }
}
