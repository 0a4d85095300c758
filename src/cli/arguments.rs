//! The commands and their flags. Those of the original keep their letters.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::probing::probe::Probe;
use super::probing::test::Test;
use super::token::{Audit, TokenCommand};
use super::webhook::WebhookCommand;
use crate::model::duration;

pub(super) mod files;
pub(super) mod overlay;
pub(super) mod projects;

/// Manages the checks of a lokahi server.
#[derive(Debug, Parser)]
#[command(name = "lokahictl", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// The server, http[s]://user:password@host:port
    #[arg(
        short = 'S',
        long,
        global = true,
        value_name = "URL",
        env = "LOKAHI_SERVER",
        hide_env_values = true,
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(super) server: Option<String>,
    /// A file with `server = "URL"` and `token = "TOKEN"` [default: ~/.lokahictl.hcl]
    #[arg(short = 'C', long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lokahictl create -u https://example.com/ -w http://127.0.0.1:9001/ -e 30
  lokahictl list --state down
  lokahictl apply checks.d

Credentials: LOKAHI_TOKEN, or the token of the file that names the server; else user and
password of the server's URL.

Exit codes: 0 done, 1 invalid files or refused, `run` found a check not up, or
`webhook test` was not taken, 2 changes (`plan --detailed-exitcode`), 3 what
`fmt --check`, `validate --deny-warnings` or `plan --fail-on` looks for is there,
4 held by a guard, 5 changed by somebody else meanwhile, 6 applied and not in force
after --wait, 7 declined, 8 a tested check would be down, 9 somebody else's to
change, 64 usage, 69 server, network, or no worker, 77 not allowed, 130 interrupted.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a check
    #[command(after_help = "\
Examples:
  lokahictl create -u https://example.com/ -e 30 -p https://wiki.example.com/web
  lokahictl create -u https://example.com/ -w http://127.0.0.1:9001/ --webhook-format json
  lokahictl create --file check.hcl")]
    Create(Create),
    /// Create many checks of one site, to see how much the server takes
    #[command(
        name = "create_load",
        visible_alias = "create-load",
        after_help = "\
Examples:
  lokahictl create_load --count 1000 --target http://127.0.0.1:9001/ --every 60"
    )]
    CreateLoad(CreateLoad),
    /// Delete checks, and print them as they were
    #[command(after_help = "\
Examples:
  lokahictl delete 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d
  lokahictl delete shop/front --force --reason 'it floods the pager'")]
    Delete(Delete),
    /// Print a check
    #[command(after_help = "\
Examples:
  lokahictl get 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d
  lokahictl get shop/front")]
    Get {
        /// The check, by its id, its name, or PROJECT/NAME
        #[arg(value_name = "CHECK")]
        id: String,
    },
    /// List checks, oldest first: a table on a terminal, else JSON
    #[command(after_help = "\
Examples:
  lokahictl list --status --label team=web
  lokahictl list -c 100 -o 200 --output json")]
    List(List),
    /// List what is down now
    #[command(after_help = "\
Examples:
  lokahictl down
  lokahictl down --label team=web --output json")]
    Down(Down),
    /// Change a check: what is not given stays as it is
    #[command(after_help = "\
Examples:
  lokahictl put 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d -e 10
  lokahictl put 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d --clear playbook-url
  lokahictl put front --file check.hcl
  lokahictl put shop/front -e 300 --force --reason 'the site is too slow'")]
    Put(Put),
    /// Probe checks now, beside their schedule; fails unless all are up
    #[command(after_help = "\
Examples:
  lokahictl run 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d
  lokahictl run shop/front")]
    Run {
        /// Checks, each by its id, its name, or PROJECT/NAME
        #[arg(required = true, value_name = "CHECK")]
        ids: Vec<String>,
    },
    /// Stop the probing of checks, for a while
    #[command(after_help = "\
Examples:
  lokahictl pause shop/front --for 2h --reason 'moving to the new cluster'
  lokahictl pause -l team=web --for 30m
  lokahictl pause shop/front --end

An incident of such a check ends: who was told of it is told. When the pause is over it is
probed again, and what is wrong then is a new incident.")]
    Pause(overlay::Pause),
    /// Hold back what receivers would be told of checks, for a while; probing goes on
    #[command(after_help = "\
Examples:
  lokahictl mute shop/front --for 2h --reason 'we know, the supplier is at it'
  lokahictl mute 'shop/api_*' --for 30m
  lokahictl mute --project shop --end

Of what was told already the end is told all the same. When it is over, what is still wrong
then is told, with the times at which it began.")]
    Mute(overlay::Mute),
    /// Say that you work on what is down
    #[command(after_help = "\
Examples:
  lokahictl ack shop/front --reason 'looking at it'
  lokahictl ack -l team=web
  lokahictl ack shop/front --end

It lasts as long as the incident, and everybody sees it: list, get, explain, history, events.")]
    Ack(overlay::Ack),
    /// Work on checks: what begins meanwhile is told to nobody, and is in no uptime
    #[command(after_help = "\
Examples:
  lokahictl maintain 'shop/*' --for 2h --reason 'the database moves'
  lokahictl maintain -l team=web --for 30m --reason 'new certificates'
  lokahictl maintain --list
  lokahictl maintain --end 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d

What recurs, or is planned, belongs into a file: a `maintenance` block. Of what was told already
the end is told all the same; what still is when it is over is told then.")]
    Maintain(overlay::Maintain),
    /// Print how long the probes of `run` took
    #[command(after_help = "\
Examples:
  lokahictl runstats")]
    Runstats,
    /// Look for mistakes in check files, without a server
    #[command(after_help = "\
Examples:
  lokahictl validate checks.d
  lokahictl validate --output json")]
    Validate(files::Validate),
    /// Print what the check files come to: every value of every check
    #[command(after_help = "\
Examples:
  lokahictl render checks.d --check shop_api --explain
  lokahictl render checks.d --var env=test --output json")]
    Render(files::Render),
    /// Lay out check files in the one way, as `terraform fmt` does
    #[command(after_help = "\
Examples:
  lokahictl fmt
  lokahictl fmt --check --diff checks.d
  lokahictl fmt - < web.hcl

It prints the files that changed. Only white space changes; a file that cannot be
read as HCL is left as it is. Exit codes: 1 such a file, 3 --check found something.")]
    Fmt(files::Fmt),
    /// Probe every declared check once, from here, without a server
    #[command(after_help = "\
Examples:
  lokahictl test checks.d
  lokahictl test --check shop_api --output json

A secret is used only where SECRETS_BINDING binds it; a check with others is not tested, nor is
one that is disabled. Exit codes: 1 invalid files, or no check at all could be tested; 8 a check would
be down.")]
    Test(Test),
    /// Probe a site once, from here or a worker's location, and show where the time goes
    #[command(after_help = "\
Examples:
  lokahictl probe https://example.com/health
  lokahictl probe shop_api checks.d
  lokahictl probe https://example.com/ --location eu-1

Exit codes: 8 the check would be down, 1 it could not be probed.")]
    Probe(Probe),
    /// Show what an apply would do, and who would be told of what differently
    #[command(after_help = "\
Examples:
  lokahictl plan checks.d
  lokahictl plan --detailed-exitcode --output json
  lokahictl plan --save shop.plan && lokahictl apply --plan shop.plan

Exit codes: 0 done, 1 invalid files, 2 changes (with --detailed-exitcode), 3 --fail-on
found something, 4 held by a guard.")]
    Plan(projects::Plan),
    /// Make the server's checks what the check files say
    #[command(after_help = "\
Examples:
  lokahictl apply checks.d
  lokahictl apply --auto-approve --wait checks.d
  lokahictl apply --allow-deletes 40

It shows the plan, and goes on with the word `yes` only. Exit codes: 0 done, 1 invalid
files, 4 held by a guard, 5 changed by somebody else meanwhile, 6 applied and not in
force after --wait, 7 declined, 9 a reconciler owns the project.")]
    Apply(projects::Apply),
    /// Bring checks that the API made under the check files, with their history
    #[command(after_help = "\
Examples:
  lokahictl adopt homepage=0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d")]
    Adopt(projects::Adopt),
    /// Write what is live as check files
    #[command(after_help = "\
Examples:
  lokahictl export > checks.d/from-the-api.hcl
  lokahictl export --owner shop
  lokahictl export --drift shop")]
    Export(projects::Export),
    /// Show how projects stand
    #[command(after_help = "\
Examples:
  lokahictl status
  lokahictl status shop --output json")]
    Status(projects::Status),
    /// List the generations of a project, or show what the probes of a check came to
    #[command(after_help = "\
Examples:
  lokahictl history shop
  lokahictl history shop/homepage --since 7d
  lokahictl history homepage --since 24h --output json

An id, PROJECT/NAME, and whatever --since or --exact is given for, is a check. Another name is
a project, or, where no project has it, a check.")]
    History(projects::History),
    /// Make a project what it was at an earlier generation
    #[command(after_help = "\
Examples:
  lokahictl rollback shop 41

A reconciler of the project is suspended by that, or it would undo it.")]
    Rollback(projects::Rollback),
    /// Bring back what was deleted within the last seven days
    #[command(after_help = "\
Examples:
  lokahictl restore shop homepage
  lokahictl restore shop homepage --as homepage_old")]
    Restore(projects::Restore),
    /// Stop the reconciler of a project
    #[command(after_help = "\
Examples:
  lokahictl suspend shop --reason \"moving to the new cluster\"")]
    Suspend(projects::Suspend),
    /// Let the reconciler of a project go on
    #[command(after_help = "\
Examples:
  lokahictl resume shop")]
    Resume { project: String },
    /// Let the reconciler do what a guard holds, and nothing else; of a project with a suspect
    /// generation, let the checks that it changed tell what is held
    #[command(after_help = "\
Examples:
  lokahictl status shop
  lokahictl approve shop --digest 3f2c1a9")]
    Approve(projects::Approve),
    /// Make the reconciler look now
    #[command(after_help = "\
Examples:
  lokahictl reconcile shop")]
    Reconcile { project: String },
    /// Tell why a check is in its state, since when, and who was told
    #[command(after_help = "\
Examples:
  lokahictl explain shop/homepage")]
    Explain(projects::Explain),
    /// Validate and plan on each change of the check files
    #[command(after_help = "\
Examples:
  lokahictl watch checks.d")]
    Watch(projects::Watch),
    /// Make, list and revoke tokens: who may call, and what
    #[command(subcommand)]
    Token(TokenCommand),
    /// Receivers: how they do, what they were sent, and sending again; receive events on this
    /// machine, and verify signatures
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// List who did what, and who was denied it: a table on a terminal, else JSON
    #[command(after_help = "\
Examples:
  lokahictl audit --project shop --count 100
  lokahictl audit --principal token:deploy --output json")]
    Audit(Audit),
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  lokahictl completions bash > /etc/bash_completion.d/lokahictl")]
    Completions { shell: Shell },
}

/// How a receiver wants its events written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Protobuf,
    Json,
    Alertmanager,
}

/// What a check has.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// The site to watch
    #[arg(short, long, required_unless_present = "file", default_value = "")]
    pub(super) url: String,
    /// A file with one `check` block, which says all of it; `-` is standard input
    #[arg(
        short,
        long,
        value_name = "FILE",
        conflicts_with_all = ["url", "webhook_url", "every", "playbook_url", "webhook_format", "name"]
    )]
    pub(super) file: Option<PathBuf>,
    /// Where to POST when its state changes
    #[arg(short, long, default_value = "")]
    pub(super) webhook_url: String,
    /// From one probe to the next, in seconds or with a unit: 30, 30s, 5m, 1h
    #[arg(short, long, default_value_t = 60, value_parser = seconds)]
    pub(super) every: i32,
    /// What to do when it is down; sent with each event
    #[arg(short, long, default_value = "")]
    pub(super) playbook_url: String,
    /// How the events are written
    #[arg(long, value_name = "FORMAT")]
    pub(super) webhook_format: Option<Format>,
    /// A name, unique among the checks that the API made
    #[arg(long, default_value = "")]
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct CreateLoad {
    /// How many checks
    #[arg(short = 'c', long, default_value_t = 100)]
    pub(super) count: u32,
    /// The site to watch
    #[arg(short = 't', long, visible_alias = "url", value_name = "URL")]
    pub(super) target: String,
    /// From one probe to the next, in seconds or with a unit: 30, 30s, 5m, 1h
    #[arg(short, long, default_value_t = 60, value_parser = seconds)]
    pub(super) every: i32,
    /// Where to POST when a state changes
    #[arg(short, long, default_value = "")]
    pub(super) webhook_url: String,
    /// What to do when it is down; sent with each event
    #[arg(short, long, default_value = "")]
    pub(super) playbook_url: String,
    /// How many calls at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(super) concurrency: u16,
}

/// What stands beside the id is changed.
#[derive(Debug, Args)]
pub(super) struct Put {
    /// The check, by its id, its name, or PROJECT/NAME
    #[arg(value_name = "CHECK")]
    pub(super) id: String,
    /// The site to watch
    #[arg(short, long)]
    pub(super) url: Option<String>,
    /// Where to POST when its state changes
    #[arg(short, long)]
    pub(super) webhook_url: Option<String>,
    /// From one probe to the next, in seconds or with a unit: 30, 30s, 5m, 1h
    #[arg(short, long, value_parser = seconds)]
    pub(super) every: Option<i32>,
    /// What to do when it is down; sent with each event
    #[arg(short, long)]
    pub(super) playbook_url: Option<String>,
    /// How the events are written
    #[arg(long, value_name = "FORMAT")]
    pub(super) webhook_format: Option<Format>,
    /// A file with one `check` block, which says all of it: of a check that the API made; `-` is
    /// standard input
    #[arg(
        short,
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "url", "webhook_url", "every", "playbook_url", "webhook_format", "clear", "disable",
            "enable", "force",
        ]
    )]
    pub(super) file: Option<PathBuf>,
    /// Take a field away
    #[arg(long, value_name = "FIELD")]
    pub(super) clear: Vec<Clear>,
    /// Probe it no more, and keep it
    #[arg(long, conflicts_with = "enable")]
    pub(super) disable: bool,
    /// Probe it again
    #[arg(long)]
    pub(super) enable: bool,
    /// Refuse unless the check has this version
    #[arg(long, value_name = "VERSION")]
    pub(super) expected_version: Option<i64>,
    #[command(flatten)]
    pub(super) force: Force,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Checks, each by its id, its name, or PROJECT/NAME
    #[arg(required = true, value_name = "CHECK")]
    pub(super) ids: Vec<String>,
    #[command(flatten)]
    pub(super) force: Force,
}

/// How to go past the files.
#[derive(Debug, Args)]
pub(super) struct Force {
    /// Also if check files declare it: it is audited, and the next plan shows it and undoes it
    #[arg(long, requires = "reason")]
    pub(super) force: bool,
    /// Why it cannot wait for the files
    #[arg(long, requires = "force", value_name = "WHY")]
    pub(super) reason: Option<String>,
}

/// What a check can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Clear {
    WebhookUrl,
    PlaybookUrl,
}

/// What is believed of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StateName {
    Init,
    Up,
    Down,
    Error,
}

/// Which checks.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Filter {
    /// Only those with this label
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(super) labels: Vec<(String, String)>,
    /// Only those of this project
    #[arg(long)]
    pub(super) project: Option<String>,
    /// Only those of this owner
    #[arg(long, value_parser = ["api", "declared"])]
    pub(super) owner: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// How many at most [default: 30 as JSON, 10000 in a table]
    #[arg(short, long)]
    pub(super) count: Option<i32>,
    /// How many to pass over
    #[arg(short, long, default_value_t = 0)]
    pub(super) offset: i32,
    /// With the latest probe and percentiles
    #[arg(short, long)]
    pub(super) status: bool,
    /// Only those in this state
    #[arg(long = "state", value_name = "STATE", ignore_case = true)]
    pub(super) states: Vec<StateName>,
    #[command(flatten)]
    pub(super) filter: Filter,
    /// How to print it
    #[arg(long, value_name = "FORMAT")]
    pub(super) output: Option<ListOutput>,
}

#[derive(Debug, Args)]
pub(super) struct Down {
    #[command(flatten)]
    pub(super) filter: Filter,
    /// How to print it
    #[arg(long, value_name = "FORMAT")]
    pub(super) output: Option<ListOutput>,
}

/// How to print a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListOutput {
    #[value(alias = "human")]
    Table,
    Json,
}

/// How to print a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum TextOutput {
    #[default]
    Human,
    Json,
}

/// Seconds, as the original has them, or with units, as check files do.
fn seconds(text: &str) -> Result<i32, String> {
    let wrong = || "write whole seconds, or 30s, 5m, 1h30m, 1d".to_owned();
    let milliseconds = duration::or_seconds(text).ok_or_else(wrong)?;
    if milliseconds % 1_000 != 0 {
        return Err(wrong());
    }
    i32::try_from(milliseconds / 1_000).map_err(|_| "that is too long".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write KEY=VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn periods() {
        for (text, wanted) in [
            ("30", 30),
            ("30s", 30),
            ("5m", 300),
            ("1h", 3600),
            ("1d", 86_400),
            ("1h30m", 5400),
            ("1w", 604_800),
        ] {
            assert_eq!(seconds(text), Ok(wanted));
        }
        for bad in ["", "s", "1.5s", "30 s", "250ms", "99999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_command_can_do_without_its_options() {
        for line in ["list", "down", "runstats", "validate", "fmt", "apply"] {
            let parsed = Arguments::try_parse_from(["lokahictl", line]);
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}
