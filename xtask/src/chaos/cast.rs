//! Who takes part: the checks with the pages that they watch, the receivers with what each wants,
//! and who hears of what. All of it is fixed; only what happens to them follows the seed.

use std::fmt::Write as _;

use anyhow::Result;

use super::facts::REMINDER;

pub(super) const EVERY: f64 = 5.0;
pub(super) const TIMEOUT: f64 = 4.0;
pub(super) const RETRY: f64 = 1.0;
/// On a machine that has much else to do everything comes so much later.
const PATIENCE: f64 = 8.0;

/// From the beginning of an outage until it is confirmed, while all is well: the next probe comes,
/// fails at its timeout, and so does the second one. A probe may begin a tenth of its period late.
pub(super) fn detection(check: usize) -> f64 {
    // What the API made has the defaults.
    let retry = if check < DECLARED { RETRY } else { EVERY };
    EVERY * 1.1 + TIMEOUT + retry + TIMEOUT + PATIENCE
}

pub(super) const PROJECT: &str = "chaos";
/// Declared checks, and such that the API makes.
pub(super) const DECLARED: usize = 42;
pub(super) const BY_API: usize = 3;
pub(super) const CHECKS: usize = DECLARED + BY_API;

/// From this one on what is declared is told in groups: one for each of the racks, whose checks
/// fail together.
const RACKED: usize = 36;
const RACKS: usize = 2;
/// How long the first event of a group waits for others, in seconds.
const GROUP_WAIT: u32 = 2;

/// The rack of a check, and the first check of that rack.
pub(super) fn rack(check: usize) -> Option<(usize, usize)> {
    let rack = check.checked_sub(RACKED)? % RACKS;
    (check < DECLARED).then_some((rack, RACKED + rack))
}

/// After so long an outage that goes on is told again, in seconds: the shortest time that there is.
pub(super) const REPEAT: f64 = 60.0;

/// Whether an outage of a check is told again and again. All of these are up in the end, so that
/// nothing happens any more.
pub(super) fn repeats(check: usize) -> bool {
    check < RACKED && check % 4 == 1 && !check.is_multiple_of(3)
}

/// How a receiver behaves when it does not behave well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// 503 with `Retry-After`.
    Busy,
    /// 429 with `Retry-After`.
    TooMany,
    /// 500.
    Broken,
    /// No answer while it lasts.
    Hangs,
    /// An answer after two seconds.
    Slow,
    /// Nobody listens.
    Closed,
    /// 400: it refuses what it gets.
    Refuses,
    /// 410: it is not there any more.
    Gone,
    /// Nobody listens, for longer than a fallback waits.
    Away,
}

/// A receiver, by its place in [`RECEIVERS`].
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) format: &'static str,
    /// Whether the newest event wins.
    pub(super) collapse: bool,
    /// What it knows its sender by: the names of secrets.
    pub(super) secrets: &'static [&'static str],
    /// Who also gets what has not arrived for two minutes, or was given up.
    pub(super) fallback: Option<&'static str>,
    /// What it does at times.
    pub(super) moods: &'static [Mood],
}

pub(super) const RECEIVERS: [Receiver; 10] = [
    Receiver {
        name: "steady",
        path: "/",
        format: "json",
        collapse: true,
        secrets: &[],
        fallback: None,
        moods: &[],
    },
    Receiver {
        name: "proto",
        path: "/",
        format: "protobuf",
        collapse: true,
        secrets: &[],
        fallback: None,
        moods: &[Mood::Busy, Mood::TooMany, Mood::Broken, Mood::Slow],
    },
    Receiver {
        name: "each",
        path: "/",
        format: "json",
        collapse: false,
        secrets: &[],
        fallback: None,
        moods: &[Mood::Closed, Mood::Busy, Mood::Hangs, Mood::Slow],
    },
    Receiver {
        name: "each_proto",
        path: "/",
        format: "protobuf",
        collapse: false,
        secrets: &["chaos-new", "chaos-old"],
        fallback: None,
        moods: &[Mood::Broken, Mood::Closed, Mood::TooMany],
    },
    Receiver {
        name: "refusing",
        path: "/",
        format: "json",
        collapse: true,
        secrets: &[],
        fallback: Some("spare"),
        moods: &[Mood::Busy, Mood::Refuses, Mood::Gone, Mood::Away],
    },
    Receiver {
        name: "twirp",
        path: "/twirp/github.xe.lokahi.Webhook/Handle",
        format: "json",
        collapse: true,
        secrets: &[],
        fallback: None,
        moods: &[Mood::Hangs, Mood::Closed, Mood::Slow],
    },
    Receiver {
        name: "grouped",
        path: "/",
        format: "json",
        collapse: false,
        secrets: &[],
        fallback: None,
        moods: &[
            Mood::Busy,
            Mood::Closed,
            Mood::Refuses,
            Mood::Slow,
            Mood::Hangs,
        ],
    },
    // It is told of nothing but what does not arrive elsewhere.
    Receiver {
        name: "spare",
        path: "/",
        format: "json",
        collapse: false,
        secrets: &[],
        fallback: None,
        moods: &[Mood::Busy, Mood::Slow],
    },
    // Those who run the project.
    Receiver {
        name: "operators",
        path: "/",
        format: "json",
        collapse: true,
        secrets: &[],
        fallback: None,
        moods: &[Mood::Broken, Mood::Closed],
    },
    // That of the checks that the API made: it has no name there.
    Receiver {
        name: "api",
        path: "/",
        format: "json",
        collapse: true,
        secrets: &[],
        fallback: None,
        moods: &[Mood::Closed, Mood::Broken],
    },
];

const API: usize = RECEIVERS.len() - 1;
const PROTO: usize = 1;
/// The receiver of the racks.
pub(super) const GROUPED: usize = 6;
/// Who hears of the project itself.
pub(super) const OPERATORS: usize = 8;

/// The receivers of a check.
pub(super) fn hears(check: usize) -> Vec<usize> {
    if check >= DECLARED {
        return vec![API];
    }
    if rack(check).is_some() {
        // To the other one each goes by itself: its format has no groups.
        return vec![GROUPED, PROTO];
    }
    let named = [(1, 2), (2, 3), (3, 4), (4, 5), (5, 1), (2, 4)];
    let (one, other) = named[check % named.len()];
    vec![0, one, other]
}

/// The same of an event of this type: who wants the oldest form knows no reminders.
pub(super) fn hears_of(check: usize, kind: &str) -> Vec<usize> {
    let mut hears = hears(check);
    let knows = |it: &usize| RECEIVERS.get(*it).is_some_and(|it| it.format != "protobuf");
    hears.retain(|it| kind != REMINDER || knows(it));
    hears
}

/// Whether a receiver may be told of a check: it is one of its own, or the fallback of one.
pub(super) fn may_hear(check: usize, receiver: usize) -> bool {
    let it = RECEIVERS.get(receiver).map(|it| it.name);
    let falls_back = |first: &usize| {
        RECEIVERS
            .get(*first)
            .is_some_and(|first| first.fallback == it)
    };
    let hears = hears(check);
    hears.contains(&receiver) || it.is_some() && hears.iter().any(falls_back)
}

/// Whether a receiver gets only what does not arrive elsewhere.
pub(super) fn is_fallback(receiver: &Receiver) -> bool {
    RECEIVERS
        .iter()
        .any(|it| it.fallback == Some(receiver.name))
}

/// Whether somebody else hears of it when a receiver fails.
pub(super) fn has_operators(receiver: usize) -> bool {
    ![OPERATORS, API].contains(&receiver)
}

/// The receiver of this name.
pub(super) fn of_name(name: &str) -> Option<usize> {
    RECEIVERS.iter().position(|it| it.name == name)
}

/// The name of a check, which ends in the number of its page.
pub(super) fn name(check: usize) -> String {
    match check < DECLARED {
        true => format!("c{check}"),
        false => format!("a{check}"),
    }
}

/// The page that a check of this name watches.
pub(super) fn page(name: &str) -> Option<usize> {
    name.get(1..)?.parse().ok()
}

/// The check files. `hooks` are the ports of the receivers.
pub(super) fn files(site: u16, hooks: &[u16]) -> Result<Vec<(String, String)>> {
    let mut text =
        format!("lokahi {{\n  project = \"{PROJECT}\"\n  operators = [webhook.operators]\n}}\n");
    for (it, port) in RECEIVERS.iter().zip(hooks).take(API) {
        let Receiver {
            name,
            path,
            format,
            collapse,
            fallback,
            secrets,
            ..
        } = it;
        let secrets: Vec<String> = secrets
            .iter()
            .map(|name| format!("secret({name:?})"))
            .collect();
        let secrets = secrets.join(", ");
        let fallback = match fallback {
            Some(name) => format!("  fallback = webhook.{name}\n"),
            None => String::new(),
        };
        writeln!(
            text,
            "webhook \"{name}\" {{\n  url = \"http://127.0.0.1:{port}{path}\"\n  \
             format = \"{format}\"\n  collapse = {collapse}\n  \
             secrets = [{secrets}]\n{fallback}}}"
        )?;
    }
    for check in 0..DECLARED {
        let block = block(check, site);
        let hears: Vec<String> = hears(check)
            .into_iter()
            .map(|to| format!("webhook.{}", RECEIVERS[to].name))
            .collect();
        let hears = hears.join(", ");
        let repeat = match repeats(check) {
            true => format!("    repeat = \"{REPEAT}s\"\n"),
            false => String::new(),
        };
        let (labels, group) = match rack(check) {
            Some((rack, _)) => (
                format!("  labels = {{ rack = \"r{rack}\" }}\n"),
                format!("    group_by = [\"rack\"]\n    group_wait = \"{GROUP_WAIT}s\"\n"),
            ),
            None => (String::new(), String::new()),
        };
        writeln!(
            text,
            "{block}{labels}  notify {{\n    webhooks = [{hears}]\n{repeat}{group}  }}\n}}"
        )?;
    }
    Ok(vec![("lokahi.hcl".to_owned(), text)])
}

/// A check block without its end.
pub(super) fn block(check: usize, site: u16) -> String {
    let name = name(check);
    format!(
        "check \"{name}\" {{\n  url = \"http://127.0.0.1:{site}/{check}\"\n  \
         every = \"{EVERY}s\"\n  timeout = \"{TIMEOUT}s\"\n  \
         confirm {{\n    failures = 2\n    retry = \"{RETRY}s\"\n  }}\n"
    )
}
