//! Events as one line for people.

use time::{Duration, OffsetDateTime};

use crate::plan::text;
use crate::proto::lokahi::{Check, CheckStatus, ProjectEvent};
use crate::proto::moment::time_of;

/// The longest message of a project, or reason, that stands in a line, in characters.
const LONGEST: usize = 500;
/// The longest message of a group, in characters: Discord takes 2000.
const LONGEST_GROUP: usize = 1800;
/// What is told later than this says when it happened.
const LATE: Duration = Duration::minutes(3);

/// The line of an event, if it is about something that people know; of a group the lines of what
/// it tells.
pub(super) fn line(event: &CheckStatus) -> Option<String> {
    match (&event.check, &event.project) {
        (Some(check), _) => Some(Told::new(event, check).line()),
        (None, Some(project)) => Some(of_project(event, project)),
        (None, None) => {
            let lines: Vec<String> = event.events.iter().filter_map(line).collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
    }
}

/// How a chat is told.
#[derive(Clone, Copy)]
pub(super) struct Chat {
    pub(super) now: OffsetDateTime,
    /// What people and sites wrote, so that it is no markup there. URLs are as they are.
    pub(super) plain: fn(&str) -> String,
}

/// Its message in a chat.
pub(super) fn message(event: &CheckStatus, chat: Chat) -> Option<String> {
    let text = match (&event.check, &event.project) {
        (Some(check), _) => Told::new(event, check).message(chat),
        (None, Some(project)) => (chat.plain)(&of_project(event, project)),
        (None, None) => return of_group(event, chat),
    };
    Some(text + &since(event, chat.now))
}

/// When it happened, where that is not now: it was sent again, or its receiver was away.
fn since(event: &CheckStatus, now: OffsetDateTime) -> String {
    match event.at.as_ref().map(time_of) {
        Some(at) if now - at >= LATE => format!(" (late: it happened at {})", text::moment(at)),
        _ => String::new(),
    }
}

/// A line that says how many there are, and a line for each, as far as a chat takes them.
fn of_group(event: &CheckStatus, chat: Chat) -> Option<String> {
    let lines = event.events.iter().filter_map(|it| message(it, chat));
    let lines: Vec<String> = lines.collect();
    let mut labels: Vec<String> = event
        .group
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    labels.sort();
    let of = match labels.is_empty() {
        true => String::new(),
        false => format!(" ({})", (chat.plain)(&printable(&labels.join(", ")))),
    };
    let mut text = match lines.len() {
        0 => return None,
        many => text::counted(many, "event") + &of,
    };
    for (at, line) in lines.iter().enumerate() {
        let room = LONGEST_GROUP.saturating_sub(text.chars().count());
        if at == 0 && line.chars().count() > room {
            // One at least is told, as far as it goes.
            text.push('\n');
            text.extend(line.chars().take(room.saturating_sub(1)));
            continue;
        }
        if line.chars().count() > room {
            text.push_str(&format!("\nand {} more", lines.len() - at));
            break;
        }
        text.push('\n');
        text.push_str(line);
    }
    Some(text)
}

/// `project.held shop: deletes: 40 of 50 checks would be deleted`.
fn of_project(event: &CheckStatus, project: &ProjectEvent) -> String {
    let ended = if event.resolved { " (resolved)" } else { "" };
    let mut text = format!("{}{ended} {}", event.r#type, project.project);
    for part in [&project.reason, &project.message] {
        let words: Vec<&str> = part.split_whitespace().collect();
        if !words.is_empty() {
            text.push_str(": ");
            text.extend(words.join(" ").chars().take(LONGEST));
        }
    }
    printable(&text)
}

/// What the lines say of an event.
struct Told<'a> {
    check: &'a Check,
    /// What became of it, in capitals.
    state: String,
    latency: String,
    status: i32,
    /// Why it is not up; empty when it is.
    reason: String,
    /// What went before it and did not arrive, in words; empty when there was nothing.
    earlier: String,
}

impl<'a> Told<'a> {
    fn new(event: &'a CheckStatus, check: &'a Check) -> Self {
        let state = check.state().as_str_name();
        Self {
            check,
            state: match (event.r#type.as_str(), event.resolved) {
                ("check.degraded", false) => "DEGRADED".to_owned(),
                ("check.degraded", true) => "NO LONGER DEGRADED".to_owned(),
                ("check.flapping", false) => format!("FLAPPING, {state} NOW"),
                ("check.flapping", true) => format!("NO LONGER FLAPPING, {state}"),
                ("check.reminder", _) => format!("STILL {state}"),
                // Deleted, paused or disabled.
                ("check.deleted", _) => "NO LONGER WATCHED".to_owned(),
                ("test", _) => "TEST".to_owned(),
                _ => state.to_owned(),
            },
            latency: go_duration(event.last_response_time_nanoseconds),
            status: event.resp_status_code,
            // Of one that is up it may say why that is degraded, which is told by itself.
            reason: match event.r#type.as_str() {
                "check.up" => String::new(),
                _ => event
                    .evidence
                    .last()
                    .map(|seen| printable(&seen.reason()))
                    .unwrap_or_default(),
            },
            earlier: earlier(event),
        }
    }

    /// The line of the original's sample_hook, and what it did not know.
    fn line(&self) -> String {
        let mut line = format!(
            "check id: {}, state: {}, latency: {}, status code: {}, playbook url: {}",
            printable(&self.check.id),
            self.state,
            self.latency,
            self.status,
            printable(&self.check.playbook_url)
        );
        if !self.check.name.is_empty() {
            line.push_str(", check: ");
            line.push_str(&self.name());
        }
        if !self.reason.is_empty() {
            line.push_str(", reason: ");
            line.push_str(&self.reason);
        }
        if !self.earlier.is_empty() {
            line.push_str(", earlier: ");
            line.push_str(&self.earlier);
        }
        line
    }

    /// A message in a chat: what is the matter with which, and what to do.
    fn message(&self, chat: Chat) -> String {
        let state = &self.state;
        let url = printable(&self.check.url);
        let named = !self.check.name.is_empty();
        let name = if named {
            (chat.plain)(&self.name())
        } else {
            url.clone()
        };
        let mut text = format!("{state} {name}");
        if !self.reason.is_empty() {
            let reason: String = self.reason.chars().take(LONGEST).collect();
            text.push_str(": ");
            text.push_str(&(chat.plain)(&reason));
        }
        let playbook = printable(&self.check.playbook_url);
        for part in [if named { url } else { String::new() }, playbook] {
            if !part.is_empty() {
                text.push_str(" \u{2013} ");
                text.push_str(&part);
            }
        }
        if !self.earlier.is_empty() {
            text.push_str(&format!(" (before, and not received: {})", self.earlier));
        }
        text
    }

    /// `front (home)`: the check, and its project.
    fn name(&self) -> String {
        let Check { name, project, .. } = self.check;
        if project.is_empty() {
            printable(name)
        } else {
            format!("{} ({})", printable(name), printable(project))
        }
    }
}

/// `DOWN, UP`: the events that this one goes out for, too. Of an end whose beginning did not
/// arrive either: that.
fn earlier(event: &CheckStatus) -> String {
    let states = event.superseded.iter().filter_map(|it| {
        let check = it.check.as_ref()?;
        Some(Told::new(it, check).state)
    });
    match states.collect::<Vec<_>>() {
        none if none.is_empty() && event.unheard => "the beginning of it".to_owned(),
        states => states.join(", "),
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
    use time::macros::datetime;

    use super::*;
    use crate::proto::lokahi::Evidence;

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
    fn an_event_of_a_project_is_one_line_too() {
        let mut event = CheckStatus {
            r#type: "project.held".into(),
            project: Some(ProjectEvent {
                project: "shop".into(),
                reason: "deletes".into(),
                message: "40 of 50 checks\n  would be deleted\n".into(),
                ..ProjectEvent::default()
            }),
            ..CheckStatus::default()
        };
        insta::assert_snapshot!(line(&event).unwrap(), @"project.held shop: deletes: 40 of 50 checks would be deleted");
        event.resolved = true;
        assert!(
            in_chat(&event)
                .unwrap()
                .starts_with("project.held (resolved) shop")
        );
        assert_eq!(line(&CheckStatus::default()), None);
    }

    const HERE: Chat = Chat {
        now: datetime!(2026-11-30 12:00 UTC),
        plain: str::to_owned,
    };

    fn in_chat(event: &CheckStatus) -> Option<String> {
        message(event, HERE)
    }

    #[test]
    fn what_is_late_says_when_it_happened() {
        use crate::proto::lokahi::check::State::Down;
        use crate::proto::moment::timestamp;
        let mut event = of_state(Down);
        event.at = Some(timestamp(HERE.now - Duration::seconds(179)));
        assert_eq!(in_chat(&event).unwrap(), "DOWN front \u{2013} http://a/");
        event.at = Some(timestamp(HERE.now - Duration::hours(2)));
        insta::assert_snapshot!(in_chat(&event).unwrap(), @"DOWN front – http://a/ (late: it happened at 2026-11-30 10:00 UTC)");
        let one = CheckStatus {
            events: vec![event],
            at: Some(timestamp(HERE.now)),
            ..CheckStatus::default()
        };
        insta::assert_snapshot!(in_chat(&one).unwrap(), @r"
        1 event
        DOWN front – http://a/ (late: it happened at 2026-11-30 10:00 UTC)
        ");
    }

    #[test]
    fn who_is_watched_no_more_and_who_is_up_have_no_reason_and_no_state() {
        use crate::proto::lokahi::check::State::{Init, Up};
        let mut event = of_state(Init);
        event.r#type = "check.deleted".into();
        insta::assert_snapshot!(in_chat(&event).unwrap(), @"NO LONGER WATCHED front – http://a/");
        let mut event = of_state(Up);
        event.r#type = "check.up".into();
        event.evidence.push(Evidence {
            outcome: "degraded".into(),
            detail: "status 201 is not 200".into(),
            ..Evidence::default()
        });
        insta::assert_snapshot!(in_chat(&event).unwrap(), @"UP front – http://a/");
    }

    fn of_state(state: crate::proto::lokahi::check::State) -> CheckStatus {
        CheckStatus {
            check: Some(Check {
                name: "front".into(),
                url: "http://a/".into(),
                state: state.into(),
                ..Check::default()
            }),
            ..CheckStatus::default()
        }
    }

    #[test]
    fn what_did_not_arrive_before_is_told() {
        use crate::proto::lokahi::check::State::{Down, Up};
        let mut event = of_state(Up);
        event.unheard = true;
        assert!(
            line(&event)
                .unwrap()
                .ends_with(", earlier: the beginning of it")
        );
        event.superseded = vec![of_state(Down), of_state(Up), of_state(Down)];
        assert!(line(&event).unwrap().ends_with(", earlier: DOWN, UP, DOWN"));
        insta::assert_snapshot!(in_chat(&event).unwrap(), @"UP front – http://a/ (before, and not received: DOWN, UP, DOWN)");
    }

    #[test]
    fn a_test_is_no_state() {
        use crate::proto::lokahi::check::State::Up;
        let mut event = of_state(Up);
        event.r#type = "test".into();
        assert!(line(&event).unwrap().contains("state: TEST,"));
        insta::assert_snapshot!(in_chat(&event).unwrap(), @"TEST front – http://a/");
    }

    #[test]
    fn a_group_is_a_line_for_each_as_far_as_a_chat_takes_them() {
        use crate::proto::lokahi::check::State::{Down, Up};
        let mut event = CheckStatus {
            events: vec![of_state(Down), of_state(Up)],
            group: [("team".to_owned(), "web".to_owned())].into(),
            ..CheckStatus::default()
        };
        assert_eq!(line(&event).unwrap().lines().count(), 2);
        insta::assert_snapshot!(in_chat(&event).unwrap(), @r"
        2 events (team=web)
        DOWN front – http://a/
        UP front – http://a/
        ");
        event.events = vec![of_state(Down); 100];
        let text = in_chat(&event).unwrap();
        assert!(
            text.chars().count() < 2000 && text.ends_with(" more"),
            "{text}"
        );
    }

    #[test]
    fn an_event_is_one_line() {
        let mut event = CheckStatus {
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
        let both = |event: &CheckStatus| {
            let told = Told::new(event, event.check.as_ref().unwrap());
            format!("{}\n{}", told.line(), told.message(HERE))
        };
        insta::assert_snapshot!(both(&event), @r"
        check id: x, state: DOWN, latency: 2.265561ms, status code: 500, playbook url: http://p/
        DOWN http://a/ – http://p/
        ");
        let check = event.check.as_mut().unwrap();
        (check.name, check.project) = ("front".into(), "home".into());
        event.evidence.push(Evidence {
            outcome: "down".into(),
            detail: "body does not contain \"Welcome\"".into(),
            ..Evidence::default()
        });
        insta::assert_snapshot!(both(&event), @r#"
        check id: x, state: DOWN, latency: 2.265561ms, status code: 500, playbook url: http://p/, check: front (home), reason: body does not contain "Welcome"
        DOWN front (home): body does not contain "Welcome" – http://a/ – http://p/
        "#);
    }
}
