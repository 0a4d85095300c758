//! `token` and `audit`: credentials of programs, and who did what.

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use time::OffsetDateTime;
use time::macros::format_description;

use super::arguments::ListOutput;
use super::exit::{Exit, Failure};
use super::output::Console;
use super::table;
use crate::client::Client;
use crate::proto::lokahi::{
    AuditEntry, AuditPage, CreateTokenOpts, ListAuditOpts, ListTokensOpts, Token, TokensPage,
};

/// How many entries one call gives.
const PAGE: i32 = 1000;
/// How many characters of an entry's texts a table shows.
const CELL: usize = 80;

/// Who may call: tokens with scopes
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token, and print it: it is shown this once
    #[command(after_help = "\
Examples:
  lokahictl token create pull-requests --scope plan --expires 90d
  lokahictl token create deploy --scope apply:shop | gh secret set LOKAHI_TOKEN
  lokahictl token create oncall --scope operate --output json

Scopes: read; plan, with read; apply:PROJECT, with plan and read (the project api is
what `create` and `put` make); operate, with read: run checks, read the audit; admin.")]
    Create(Create),
    /// List tokens, newest first: a table on a terminal, else JSON
    #[command(after_help = "\
Examples:
  lokahictl token list
  lokahictl token list --all --output json")]
    List(ListTokens),
    /// End a token at once, and print what it was
    #[command(after_help = "\
Examples:
  lokahictl token revoke deploy
  lokahictl token revoke 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d")]
    Revoke {
        /// The token, by its name or its id
        #[arg(value_name = "TOKEN")]
        token: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name, unique among the tokens that can be used
    name: String,
    /// What it may do: read, plan, apply:PROJECT, operate, admin
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        required = true,
        value_delimiter = ','
    )]
    scopes: Vec<String>,
    /// When it ends, from now: 12h, 90d. Without it: never
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    expires: Option<i64>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TokenOutput,
}

/// How a new token is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum TokenOutput {
    /// The token alone
    #[default]
    #[value(alias = "human")]
    Text,
    /// The token with its name, scopes and times
    Json,
}

#[derive(Debug, Args)]
pub(super) struct ListTokens {
    /// Also those that expired or were revoked
    #[arg(long)]
    all: bool,
    /// How to print it
    #[arg(long, value_name = "FORMAT")]
    output: Option<ListOutput>,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Only what concerns this project
    #[arg(long, default_value = "", hide_default_value = true)]
    project: String,
    /// Only what this one did: a user, or token:NAME
    #[arg(
        long,
        value_name = "WHO",
        default_value = "",
        hide_default_value = true
    )]
    principal: String,
    /// Only this call, e.g. Checks/Put
    #[arg(
        long,
        value_name = "CALL",
        default_value = "",
        hide_default_value = true
    )]
    action: String,
    /// How many at most
    #[arg(short, long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How to print it
    #[arg(long, value_name = "FORMAT")]
    output: Option<ListOutput>,
}

pub(super) async fn token(
    client: &Client,
    what: TokenCommand,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    match what {
        TokenCommand::Create(what) => create(client, what, console).await,
        TokenCommand::List(what) => list(client, &what, console).await,
        TokenCommand::Revoke { token } => {
            console.json(&client.token_revoke(&token).await?)?;
            Ok(Exit::Ok)
        }
    }
}

async fn create(client: &Client, what: Create, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let made = client
        .token_create(&CreateTokenOpts {
            name: what.name,
            scopes: what.scopes,
            expires_in_seconds: what.expires,
        })
        .await?;
    match what.output {
        TokenOutput::Text => writeln!(console.out, "{}", made.text)?,
        TokenOutput::Json => console.json(&made)?,
    }
    let token = made.token.unwrap_or_default();
    let end = match token.expires_at {
        Some(at) => format!("until {}", moment(Some(at))),
        None => "until it is revoked".to_owned(),
    };
    writeln!(
        console.words,
        "{} can {} {end}. The token is shown this once: keep it, e.g. as LOKAHI_TOKEN.",
        token.name,
        token.scopes.join(", ")
    )?;
    Ok(Exit::Ok)
}

async fn list(
    client: &Client,
    what: &ListTokens,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let include_ended = what.all;
    let page: TokensPage = client.token_list(&ListTokensOpts { include_ended }).await?;
    if json(what.output, console) {
        console.json(&page)?;
    } else {
        console
            .out
            .write_all(tokens_table(&page.tokens).as_bytes())?;
    }
    Ok(Exit::Ok)
}

/// As many entries as were asked for, of as many pages as that takes.
pub(super) async fn audit(
    client: &Client,
    what: Audit,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let mut opts = ListAuditOpts {
        project: what.project,
        principal: what.principal,
        action: what.action,
        ..ListAuditOpts::default()
    };
    let mut all = AuditPage::default();
    let mut wanted = what.count;
    while wanted > 0 {
        opts.count = i32::try_from(wanted).unwrap_or(PAGE).min(PAGE);
        let page = client.audit_list(&opts).await?;
        let whole = i32::try_from(page.entries.len()) == Ok(opts.count);
        opts.older_than = page.entries.last().map_or(0, |entry| entry.id);
        all.entries.extend(page.entries);
        wanted = match whole {
            true => wanted.saturating_sub(opts.count.unsigned_abs()),
            false => 0,
        };
    }
    if json(what.output, console) {
        console.json(&all)?;
    } else {
        console
            .out
            .write_all(audit_table(&all.entries).as_bytes())?;
    }
    Ok(Exit::Ok)
}

fn json(output: Option<ListOutput>, console: &Console<'_>) -> bool {
    match output {
        Some(output) => output == ListOutput::Json,
        None => !console.out_is_terminal,
    }
}

fn tokens_table(tokens: &[Token]) -> String {
    let heading = [
        "NAME",
        "SCOPES",
        "CREATED",
        "BY",
        "EXPIRES",
        "REVOKED",
        "LAST USED",
        "ID",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(|token| {
        vec![
            token.name.clone(),
            token.scopes.join(","),
            moment(token.created_at),
            token.created_by.clone(),
            moment(token.expires_at),
            moment(token.revoked_at),
            moment(token.last_used_at),
            token.id.clone(),
        ]
    }));
    table::layout(&rows)
}

fn audit_table(entries: &[AuditEntry]) -> String {
    let heading = [
        "AT",
        "PRINCIPAL",
        "ACTION",
        "PROJECT",
        "OUTCOME",
        "SUBJECT",
        "REASON",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(entries.iter().map(|entry| {
        let forced = if entry.forced { ", forced" } else { "" };
        vec![
            moment(entry.at),
            cell(&entry.principal),
            entry.action.clone(),
            cell(&entry.project),
            format!("{}{forced}", entry.outcome),
            cell(&entry.subject),
            cell(&entry.reason),
        ]
    }));
    table::layout(&rows)
}

fn cell(text: &str) -> String {
    match text {
        "" => "-".to_owned(),
        text => text.chars().take(CELL).collect(),
    }
}

/// To the second, in UTC.
fn moment(at: Option<Timestamp>) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.and_then(|at| OffsetDateTime::from_unix_timestamp(at.seconds).ok())
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| "-".to_owned())
}

/// Seconds of a duration with a unit: without one, nobody knows whether 90 are
/// seconds or days.
fn lifetime(text: &str) -> Result<i64, String> {
    let units = [
        ("s", 1),
        ("m", 60),
        ("h", 3600),
        ("d", 86_400),
        ("w", 604_800),
    ];
    units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))
        .and_then(|(number, seconds)| number.parse::<u32>().ok().map(|n| i64::from(n) * seconds))
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "write a whole number with a unit: 12h, 90d, 4w".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        for (text, wanted) in [("30s", 30), ("12h", 43_200), ("90d", 7_776_000)] {
            assert_eq!(lifetime(text), Ok(wanted));
        }
        for bad in ["", "90", "d", "0d", "-1d", "1.5d", "1y", "9 d"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tables() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 5 });
        let token = Token {
            id: "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d".into(),
            name: "ci".into(),
            scopes: vec!["plan".into(), "apply:shop".into()],
            created_at: at(1_795_337_425),
            created_by: "ada".into(),
            expires_at: at(1_795_337_485),
            ..Token::default()
        };
        insta::assert_snapshot!(tokens_table(&[token]), @r"
        NAME  SCOPES           CREATED               BY   EXPIRES               REVOKED  LAST USED  ID
        ci    plan,apply:shop  2026-11-22T08:50:25Z  ada  2026-11-22T08:51:25Z  -        -          0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d
        ");
        let entry = AuditEntry {
            at: at(1_795_337_425),
            principal: "token:ci\u{1b}[2J".into(),
            action: "Checks/Put".into(),
            project: "api".into(),
            reason: "needs apply:api, has read".into(),
            outcome: "denied".into(),
            ..AuditEntry::default()
        };
        insta::assert_snapshot!(audit_table(&[entry]), @r"
        AT                    PRINCIPAL     ACTION      PROJECT  OUTCOME  SUBJECT  REASON
        2026-11-22T08:50:25Z  token:ci?[2J  Checks/Put  api      denied   -        needs apply:api, has read
        ");
    }
}
