//! `webhook`: receivers, and what they are sent. `listen` and `verify` ask no server: events are
//! received and verified on this machine.

mod receivers;
mod signing;
mod deliveries;
mod list;
pub(super) mod listen;
mod replay;
mod retry;
mod test;
pub(super) mod verify;

use clap::Subcommand;
use time::OffsetDateTime;
use time::macros::format_description;

use self::deliveries::Deliveries;
use self::list::List;
use self::listen::Listen;
use self::replay::Replay;
use self::retry::Retry;
use self::test::Test;
use self::verify::Verify;
use super::exit::{Exit, Failure};
use super::output::Console;
use crate::client::Client;
use crate::files::private::random_hex;
use crate::model::webhook::answered;

/// Receivers, and what they are sent
#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// List receivers and how each does, those that fail first: a table on a terminal, else JSON
    #[command(after_help = "\
Examples:
  lokahictl webhook list
  lokahictl webhook list --project shop
  lokahictl webhook list shop/oncall --output json

Of a URL its host is shown; a receiver without a name is a bare webhook_url of checks.")]
    List(List),
    /// Send a receiver a test, as any event is sent, and say what it answers
    #[command(after_help = "\
Examples:
  lokahictl webhook test oncall
  lokahictl webhook test shop/oncall --timeout 1m --output json

The event has the type `test`. It is sent by a webhookworker, signed where the receiver has secrets,
and tried once. Exit codes: 0 the receiver took it, 1 it did not, 69 nobody has sent it.")]
    Test(Test),
    /// List what was to be sent and what became of it, newest first: a table on a terminal, else
    /// JSON
    #[command(after_help = "\
Examples:
  lokahictl webhook deliveries --state dead
  lokahictl webhook deliveries --receiver oncall --since 2h --count 100
  lokahictl webhook deliveries --check shop/front --output json
  lokahictl webhook deliveries 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d

An id of an event is the webhook-id that its receivers got. Of what ids name 20 are shown at a time,
newest first.")]
    Deliveries(Deliveries),
    /// Send again what was delivered or given up: the same bytes under the same webhook-id
    #[command(after_help = "\
Examples:
  lokahictl webhook replay 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d
  lokahictl webhook replay --since 2h --state dead --receiver oncall
  lokahictl webhook replay --since 1d --project shop --yes

It goes beside the order of what else is sent: `sequence` says what came after what. With --since
what was sent again counts by how that ended: with --state dead a second time sends only what failed
again, and without it all that arrived, too. More than 100 are asked about.")]
    Replay(Replay),
    /// Send what waits for receivers now, whatever time they asked for
    #[command(after_help = "\
Examples:
  lokahictl webhook retry oncall
  lokahictl webhook retry --all --project shop")]
    Retry(Retry),
    /// Receive events on this machine, check their signatures, and print them
    #[command(after_help = "\
Examples:
  lokahictl webhook listen
  lokahictl webhook listen --port 9002 --secret oncall-signing --secrets-dir secrets
  LOKAHI_SECRET_ONCALL_SIGNING=whsec_... lokahictl webhook listen --secret oncall-signing
  lokahictl webhook listen --answer 503

It takes events of both formats on every path but those of other Twirp services: POST them to the
address that it prints. With --secret an event that none of them signed is answered with 401, which
is tried again as any failure is. A tunnel brings it what a server elsewhere sends.")]
    Listen(Listen),
    /// Say whether a message that was kept is signed with a secret
    #[command(after_help = "\
Examples:
  lokahictl webhook verify body.json --secret oncall-signing --id 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d \\
      --timestamp 1767225660 --signature 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
  lokahictl webhook verify --any-age --secret new --secret old --id ID --timestamp T --signature S < body

The body is the bytes as they came, JSON or protobuf. Exit code 0: it is signed; 1: it is not.")]
    Verify(Verify),
}

/// What asks a server.
pub(super) async fn webhook(
    client: &Client,
    what: WebhookCommand,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    match what {
        WebhookCommand::List(what) => list::list(client, what, console).await,
        WebhookCommand::Test(what) => test::test(client, what, console).await,
        WebhookCommand::Deliveries(what) => deliveries::deliveries(client, what, console).await,
        WebhookCommand::Replay(what) => replay::replay(client, what, console).await,
        WebhookCommand::Retry(what) => retry::retry(client, what, console).await,
        WebhookCommand::Listen(what) => listen::listen(&what, console).await,
        WebhookCommand::Verify(what) => verify::verify(&what, console),
    }
}

/// How an attempt ended, in words.
fn answer(status: i32, error: &str) -> String {
    match (status, error) {
        (0, "") => "-".to_owned(),
        (status, "") => answered(u16::try_from(status).unwrap_or_default()),
        (_, error) => error.trim_end_matches('.').to_owned(),
    }
}

/// To the second.
fn moment(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    at.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

/// What makes a call that is made again the same call.
fn request_id() -> Result<String, Failure> {
    Ok(random_hex(16)?)
}
