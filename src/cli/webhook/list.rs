//! `webhook list`: the receivers, and how each does.

use clap::Args;
use time::OffsetDateTime;

use super::receivers::{self, Called, called};
use crate::cli::arguments::ListOutput;
use crate::cli::checks::{chosen, untold};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Console;
use crate::cli::table::{age, table};
use crate::client::Client;
use crate::clock;
use crate::model::webhook::WebhookFormat;
use crate::proto::lokahi::{self, Receiver, ReceiversOpts};
use crate::proto::moment::time_of;

/// As many as one call gives.
const MOST: i32 = 10_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only this receiver, by its name, PROJECT/NAME, or its id
    #[arg(value_name = "NAME")]
    name: Option<Called>,
    /// Only those of this project
    #[arg(long)]
    project: Option<String>,
    /// How to print it
    #[arg(long, value_name = "FORMAT")]
    output: Option<ListOutput>,
}

pub(super) async fn list(
    client: &Client,
    what: List,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let named = what.name.is_some();
    let (project, receiver) = called(what.name, what.project)?;
    let asked = ReceiversOpts {
        project,
        receiver,
        count: MOST,
    };
    let page = client.receivers(&asked).await?;
    if named && page.receivers.is_empty() {
        let message = format!("not_found: there is no receiver {:?}", asked.receiver);
        let hint = "lokahictl webhook list shows all of them";
        return Err(Failure::new(Exit::Refused, message).hint(hint));
    }
    if chosen(what.output, console) == ListOutput::Json {
        console.json(&page)?;
        return Ok(Exit::Ok);
    }
    untold(&page.untold, console)?;
    if page.receivers.is_empty() {
        writeln!(console.words, "There are no receivers.")?;
        return Ok(Exit::Ok);
    }
    let text = text(&page.receivers, clock::now());
    console.out.write_all(text.as_bytes())?;
    if page.more {
        writeln!(
            console.words,
            "There are more than {MOST}: --project PROJECT shows those of one."
        )?;
    }
    Ok(Exit::Ok)
}

fn text(receivers: &[Receiver], now: OffsetDateTime) -> String {
    let heading = [
        "ID",
        "RECEIVER",
        "TO",
        "FORMAT",
        "EVENTS",
        "SIGNED",
        "FALLBACK",
        "CHECKS",
        "WAITING",
        "HELD",
        "DEAD (7D)",
        "DELIVERED",
        "FAILING",
    ];
    let rows: Vec<Vec<String>> = receivers.iter().map(|it| row(it, now)).collect();
    table(&heading, &rows)
}

fn row(of: &Receiver, now: OffsetDateTime) -> Vec<String> {
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let mut events = match of.events.is_empty() {
        true => "usual".to_owned(),
        false => of.events.join(","),
    };
    if of.send_each {
        events.push_str(" (each)");
    }
    let number = |n: i64| match n {
        0 => "-".to_owned(),
        n => n.to_string(),
    };
    vec![
        of.id.clone(),
        receivers::receiver(&of.project, &of.name),
        of.host.clone(),
        format_name(of).to_owned(),
        events,
        match of.secrets {
            0 => "no".to_owned(),
            1 => "yes".to_owned(),
            many => format!("{many} secrets"),
        },
        or_dash(&of.fallback),
        number(of.checks.into()),
        number(of.waiting),
        number(of.held),
        number(of.dead),
        age(of.delivered_at, now),
        or_dash(&failing(of, now)),
    ]
}

fn format_name(of: &Receiver) -> &'static str {
    let format = match of.format() {
        lokahi::WebhookFormat::Protobuf => WebhookFormat::Protobuf,
        lokahi::WebhookFormat::Json => WebhookFormat::Json,
        lokahi::WebhookFormat::Alertmanager => WebhookFormat::Alertmanager,
    };
    format.name()
}

/// Since when and how it fails, and until when it wants nothing.
fn failing(of: &Receiver, now: OffsetDateTime) -> String {
    let mut parts = Vec::new();
    if of.failing_since.is_some() {
        let since = age(of.failing_since, now);
        parts.push(format!("for {since}: {}", of.error.trim_end_matches('.')));
    }
    if let Some(until) = &of.slowed_until {
        let seconds = (time_of(until) - now).whole_seconds().max(0);
        parts.push(format!("wants nothing for {seconds}s more"));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::proto::moment::timestamp;

    #[test]
    fn a_table() {
        let now = datetime!(2026-11-22 10:00 UTC);
        let ago = |seconds| Some(timestamp(now - time::Duration::seconds(seconds)));
        let oncall = Receiver {
            id: "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d".into(),
            project: "shop".into(),
            name: "oncall".into(),
            host: "hooks.example.com".into(),
            format: lokahi::WebhookFormat::Json.into(),
            events: vec!["check.down".into(), "check.up".into()],
            secrets: 2,
            send_each: true,
            fallback: "pager".into(),
            checks: 12,
            waiting: 3,
            dead: 1,
            failing_since: ago(300),
            failures: 6,
            error: "it answered 503".into(),
            slowed_until: ago(-59),
            ..Receiver::default()
        };
        let bare = Receiver {
            id: "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4e".into(),
            project: "api".into(),
            host: "127.0.0.1:9001".into(),
            checks: 1,
            delivered_at: ago(7300),
            ..Receiver::default()
        };
        insta::assert_snapshot!(text(&[oncall, bare], now), @r"
        ID                                    RECEIVER     TO                 FORMAT    EVENTS                      SIGNED     FALLBACK  CHECKS  WAITING  HELD  DEAD (7D)  DELIVERED  FAILING
        0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d  shop/oncall  hooks.example.com  json      check.down,check.up (each)  2 secrets  pager     12      3        -     1          -          for 5m: it answered 503; wants nothing for 59s more
        0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4e  api/-        127.0.0.1:9001     protobuf  usual                       no         -         1       -        -     -          2h         -
        ");
    }
}
