//! `webhook deliveries`: what was to be sent, and what became of it.

use std::time::Duration;

use clap::{Args, ValueEnum};
use time::OffsetDateTime;

use super::answer;
use super::receivers::{self, Called, called};
use crate::cli::arguments::ListOutput;
use crate::cli::arguments::overlay::lasting;
use crate::cli::checks::{chosen, untold};
use crate::cli::exit::{Exit, Failure};
use crate::cli::naming;
use crate::cli::output::Console;
use crate::cli::table::{age, printable, table};
use crate::client::Client;
use crate::clock;
use crate::proto::lokahi::{DeliveriesOpts, DeliveriesPage, Delivery, DeliveryAttempt};
use crate::proto::moment::{time_of, timestamp};

/// How many one call gives.
const PAGE: u32 = 1_000;
/// How many characters of an answer a line shows.
const CELL: usize = 100;

#[derive(Debug, Args)]
pub(in crate::cli) struct Deliveries {
    /// Show these, with each attempt: deliveries by their ids, or events by theirs
    #[arg(
        value_name = "ID",
        conflicts_with_all = ["state", "receiver", "project", "check", "since", "count"]
    )]
    ids: Vec<String>,
    /// Only those in this state
    #[arg(long)]
    state: Option<StateName>,
    /// Only those to this receiver, by its name, PROJECT/NAME, or its id
    #[arg(long, value_name = "NAME")]
    receiver: Option<Called>,
    /// Only those to the receivers of this project
    #[arg(long)]
    project: Option<String>,
    /// Only those of this check, by its id, its name, or PROJECT/NAME
    #[arg(long)]
    check: Option<String>,
    /// Only those that were made since so long ago, as 90m, 24h, 7d
    #[arg(long, value_name = "DURATION", value_parser = lasting)]
    since: Option<Duration>,
    /// How many at most
    #[arg(short, long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Only what is older than this delivery: what a list that is cut off ends with
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// How to print it
    #[arg(long, value_name = "FORMAT")]
    output: Option<ListOutput>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateName {
    /// It waits, or is being sent
    Pending,
    /// Something holds it back: a mute, for one
    Held,
    /// The receiver took it
    Delivered,
    /// Another event told it, or nobody was to hear of it any more
    Superseded,
    /// It was given up
    Dead,
}

impl StateName {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Superseded => "superseded",
            Self::Dead => "dead",
        }
    }
}

pub(super) async fn deliveries(
    client: &Client,
    what: Deliveries,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let output = chosen(what.output, console);
    if !what.ids.is_empty() {
        return named(client, what, output, console).await;
    }
    let page = filtered(client, what).await?;
    if output == ListOutput::Json {
        console.json(&page)?;
        return Ok(Exit::Ok);
    }
    untold(&page.untold, console)?;
    if page.deliveries.is_empty() {
        writeln!(console.words, "No delivery fits.")?;
        return Ok(Exit::Ok);
    }
    let text = text(&page.deliveries, clock::now());
    console.out.write_all(text.as_bytes())?;
    say_more(&page, console)
}

/// As many as were asked for, of as many pages as that takes.
async fn filtered(client: &Client, what: Deliveries) -> Result<DeliveriesPage, Failure> {
    let (project, receiver) = called(what.receiver, what.project)?;
    let mut asked = DeliveriesOpts {
        state: what.state.map_or("", StateName::name).to_owned(),
        project,
        receiver,
        check_id: match &what.check {
            Some(check) => naming::id(client, check).await?,
            None => String::new(),
        },
        since: what.since.map(|ago| timestamp(clock::now() - ago)),
        before: what.before.unwrap_or_default(),
        ..DeliveriesOpts::default()
    };
    let mut all = DeliveriesPage::default();
    let mut wanted = what.count;
    while wanted > 0 {
        let count = wanted.min(PAGE);
        asked.count = i32::try_from(count).unwrap_or(i32::MAX);
        let page = client.deliveries(&asked).await?;
        all.deliveries.extend(page.deliveries);
        all.next.clone_from(&page.next);
        all.untold = page.untold;
        wanted = match page.next.is_empty() {
            true => 0,
            false => wanted.saturating_sub(count),
        };
        asked.before = page.next;
    }
    Ok(all)
}

fn say_more(page: &DeliveriesPage, console: &mut Console<'_>) -> Result<Exit, Failure> {
    if !page.next.is_empty() {
        writeln!(console.words, "There are more: --before {}", page.next)?;
    }
    Ok(Exit::Ok)
}

async fn named(
    client: &Client,
    what: Deliveries,
    output: ListOutput,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let is_rest = what.before.is_some();
    let asked = DeliveriesOpts {
        ids: what.ids,
        before: what.before.unwrap_or_default(),
        attempts: true,
        ..DeliveriesOpts::default()
    };
    let page = client.deliveries(&asked).await?;
    if page.deliveries.is_empty() && !is_rest {
        let message = "not_found: there is no delivery and no event of this id";
        let hint = "lokahictl webhook deliveries shows the newest";
        return Err(Failure::new(Exit::Refused, message).hint(hint));
    }
    if output == ListOutput::Json {
        console.json(&page)?;
        return Ok(Exit::Ok);
    }
    let now = clock::now();
    let texts: Vec<String> = page.deliveries.iter().map(|it| whole(it, now)).collect();
    console.out.write_all(texts.join("\n").as_bytes())?;
    say_more(&page, console)
}

fn text(deliveries: &[Delivery], now: OffsetDateTime) -> String {
    let heading = [
        "ID", "AGE", "EVENT", "CHECK", "RECEIVER", "STATE", "ATTEMPTS", "ANSWER", "REASON",
    ];
    let rows = deliveries.iter().map(|it| {
        vec![
            it.id.clone(),
            age(it.created_at, now),
            event(it),
            check(it),
            receivers::receiver(&it.project, &it.receiver),
            state(it, now),
            it.attempts.to_string(),
            cut(&answer(it.status, &it.error)),
            reason(it),
        ]
    });
    table(&heading, &rows.collect::<Vec<_>>())
}

/// `check.degraded (resolved)`.
fn event(it: &Delivery) -> String {
    let resolved = if it.resolved { " (resolved)" } else { "" };
    format!("{}{resolved}", it.r#type)
}

fn check(it: &Delivery) -> String {
    match (it.check.as_str(), it.check_id.as_str()) {
        ("", "") => "-".to_owned(),
        ("", id) => id.to_owned(),
        (name, _) => format!("{}/{name}", it.check_project),
    }
}

/// `pending, in 30s`.
fn state(it: &Delivery, now: OffsetDateTime) -> String {
    let mut text = it.state.clone();
    if it.sending {
        text.push_str(", being sent");
    } else if !it.after.is_empty() {
        text.push_str(", not its turn");
    } else if let Some(next) = &it.next_at {
        let seconds = (time_of(next) - now).whole_seconds();
        match seconds.max(0) {
            0 => text.push_str(", due"),
            seconds => text.push_str(&format!(", in {seconds}s")),
        }
    }
    if it.replay > 0 && it.r#type != "test" {
        text.push_str(", sent again");
    }
    text
}

fn reason(it: &Delivery) -> String {
    match it.superseded_by.as_str() {
        _ if !it.after.is_empty() => format!("it goes after {}", it.after),
        "" if it.reason.is_empty() => "-".to_owned(),
        "" if !it.again.is_empty() => format!("{}; sent again: {}", it.reason, it.again),
        "" => it.reason.clone(),
        event => format!("{}: {event}, {}", it.reason, it.superseded_state),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CELL) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// One delivery and each of its attempts.
fn whole(it: &Delivery, now: OffsetDateTime) -> String {
    let mut lines = vec![format!("{} {}", it.id, event(it))];
    let mut say = |name: &str, text: String| {
        if !text.is_empty() && text != "-" {
            lines.push(format!("  {name:<9} {}", printable(&text)));
        }
    };
    let removed = if it.receiver_removed {
        ", removed since"
    } else {
        ""
    };
    let signed = if it.signed { ", signed" } else { "" };
    say("event", it.event_id.clone());
    say("check", check(it));
    let receiver = receivers::receiver(&it.project, &it.receiver);
    say(
        "receiver",
        format!("{receiver} at {}{signed}{removed}", it.host),
    );
    say("state", state(it, now));
    say("reason", reason(it));
    let created = it.created_at.as_ref().map(time_of).map(super::moment);
    say("made", created.unwrap_or_default());
    for attempt in &it.tried {
        lines.push(format!("  {}", printable(&tried(attempt))));
        let excerpt = cut(&printable(&attempt.excerpt));
        if !excerpt.trim().is_empty() {
            lines.push(format!("    {excerpt}"));
        }
    }
    lines.join("\n") + "\n"
}

/// `attempt 2 at 2026-11-22 10:00:05 UTC: it answered 503 after 12 ms`.
fn tried(attempt: &DeliveryAttempt) -> String {
    let started = attempt.started_at.as_ref().map(time_of);
    let at = started.map(super::moment).unwrap_or_default();
    let ended = match (&started, &attempt.finished_at) {
        (Some(started), Some(finished)) => {
            let took = (time_of(finished) - *started).whole_milliseconds();
            let answer = answer(attempt.status, &attempt.error);
            format!("{answer}, after {took} ms")
        }
        _ => "no end is known: it is being sent, or its worker died".to_owned(),
    };
    format!("attempt {} at {at}: {ended}", attempt.number)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_list_and_one_with_its_attempts() {
        let now = datetime!(2026-11-22 10:00 UTC);
        let ago = |seconds| Some(timestamp(now - time::Duration::seconds(seconds)));
        let dead = Delivery {
            id: "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d".into(),
            event_id: "0198c3d2-7a54-7cc0-b1d2-000000000001".into(),
            r#type: "check.down".into(),
            check_id: "0198c3d2-7a54-7cc0-b1d2-000000000002".into(),
            check: "front".into(),
            check_project: "shop".into(),
            project: "shop".into(),
            receiver: "oncall".into(),
            host: "hooks.example.com".into(),
            signed: true,
            state: "dead".into(),
            reason: "the receiver refused it with 400, three times".into(),
            attempts: 3,
            status: 400,
            created_at: ago(125),
            tried: vec![
                DeliveryAttempt {
                    number: 1,
                    started_at: ago(5),
                    finished_at: ago(3),
                    status: 400,
                    excerpt: "what is\u{1b}[2J this?".into(),
                    ..DeliveryAttempt::default()
                },
                DeliveryAttempt {
                    number: 2,
                    started_at: ago(2),
                    ..DeliveryAttempt::default()
                },
            ],
            ..Delivery::default()
        };
        let waits = Delivery {
            id: "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4e".into(),
            r#type: "project.held".into(),
            resolved: true,
            project: "api".into(),
            state: "pending".into(),
            attempts: 1,
            replay: 1,
            error: "connection refused".into(),
            next_at: ago(-30),
            ..Delivery::default()
        };
        let behind = Delivery {
            replay: 0,
            after: dead.event_id.clone(),
            next_at: ago(0),
            error: String::new(),
            ..waits.clone()
        };
        insta::assert_snapshot!(text(&[dead.clone(), waits, behind], now), @r"
        ID                                    AGE  EVENT                    CHECK       RECEIVER     STATE                        ATTEMPTS  ANSWER              REASON
        0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d  2m   check.down               shop/front  shop/oncall  dead                         3         it answered 400     the receiver refused it with 400, three times
        0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4e  -    project.held (resolved)  -           api/-        pending, in 30s, sent again  1         connection refused  -
        0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4e  -    project.held (resolved)  -           api/-        pending, not its turn        1         -                   it goes after 0198c3d2-7a54-7cc0-b1d2-000000000001
        ");
        insta::assert_snapshot!(whole(&dead, now), @r"
        0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d check.down
          event     0198c3d2-7a54-7cc0-b1d2-000000000001
          check     shop/front
          receiver  shop/oncall at hooks.example.com, signed
          state     dead
          reason    the receiver refused it with 400, three times
          made      2026-11-22 09:57:55 UTC
          attempt 1 at 2026-11-22 09:59:55 UTC: it answered 400, after 2000 ms
            what is?[2J this?
          attempt 2 at 2026-11-22 09:59:58 UTC: no end is known: it is being sent, or its worker died
        ");
    }
}
