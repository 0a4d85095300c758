//! lokahictl. stdout is data, stderr is words; every failure says what to do
//! and has an exit code that scripts can rely on.

mod arguments;
mod exit;
mod output;
mod ask;
mod server;

mod naming;
mod checks;
mod chosen;
mod overlay;
mod maintain;
mod table;
mod history;
mod inputs;
mod render;
mod load;
mod diagnostics;
mod validate;
mod fmt;
mod probing;
mod projects;
mod token;
mod webhook;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _};

use self::arguments::{Arguments, Command};
use self::exit::{Exit, Failure};
use self::output::Console;
use self::webhook::WebhookCommand;
use crate::runtime::arguments::command as command_line;
use crate::runtime::signals;

/// The program: reads its arguments, does what they say, gives the exit code.
pub fn main() -> ExitCode {
    let mut console = Console {
        out: &mut io::stdout().lock(),
        // Not locked: a progress bar writes there too.
        words: &mut io::stderr(),
        out_is_terminal: io::stdout().is_terminal(),
        answers: io::stdin().is_terminal(),
    };
    let exit = match run(std::env::args_os(), &mut console) {
        Ok(exit) => exit,
        Err(failure) => failure.report(console.words),
    };
    exit.into()
}

fn run(
    words: impl IntoIterator<Item = OsString>,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let matches = command_line::<Arguments>().try_get_matches_from(words);
    let given = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(given) => given,
        Err(mut error) => {
            let wrong = error.get(ContextKind::InvalidArg);
            if matches!(wrong, Some(ContextValue::String(wrong)) if wrong == "--fail-on") {
                // What looks alike allows what this would refuse.
                error.remove(ContextKind::SuggestedArg);
                error.remove(ContextKind::Usage);
                let tip = "lokahictl plan --fail-on looks, before an apply of the same files";
                error.insert(
                    ContextKind::Suggested,
                    ContextValue::StyledStrs(vec![tip.into()]),
                );
            }
            // Help goes to stdout, mistakes to stderr.
            error.print()?;
            return Ok(if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        let stop = signals::stop()?;
        tokio::select! {
            done = command(given, console) => done,
            _signal = stop => Ok(Exit::Interrupted),
        }
    });
    // A question that nobody answered still waits for a line.
    runtime.shutdown_background();
    done
}

async fn command(arguments: Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let Arguments {
        server,
        config,
        command,
    } = arguments;
    // The offline commands must work whatever the configuration says.
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "lokahictl", &mut script);
            console.out.write_all(&script)?;
            return Ok(Exit::Ok);
        }
        Command::Validate(what) => return validate::validate(&what, console),
        Command::Render(what) => return render::render(&what, console),
        Command::Fmt(what) => return fmt::fmt(&what, console).await,
        Command::Test(what) => return probing::test::test(&what, console).await,
        Command::Webhook(WebhookCommand::Listen(what)) => {
            return webhook::listen::listen(&what, console).await;
        }
        Command::Webhook(WebhookCommand::Verify(what)) => {
            return webhook::verify::verify(&what, console);
        }
        Command::Probe(what) if what.location.is_none() => {
            return probing::probe::probe(None, &what, console).await;
        }
        _ => {}
    }
    let client = server::client(server, config)?;
    match command {
        Command::Create(what) => checks::create(&client, what, console).await,
        Command::CreateLoad(what) => load::create_load(&client, what, console).await,
        Command::Delete(what) => checks::delete(&client, what, console).await,
        Command::Get { id } => checks::get(&client, &id, console).await,
        Command::List(what) => checks::list(&client, what, console).await,
        Command::Down(what) => checks::down(&client, what, console).await,
        Command::Put(what) => checks::put(&client, what, console).await,
        Command::Run { ids } => checks::run(&client, ids, console).await,
        Command::Pause(what) => overlay::pause(&client, what, console).await,
        Command::Mute(what) => overlay::mute(&client, what, console).await,
        Command::Ack(what) => overlay::ack(&client, what, console).await,
        Command::Maintain(what) => maintain::maintain(&client, what, console).await,
        Command::Runstats => checks::run_stats(&client, console).await,
        Command::Probe(what) => probing::probe::probe(Some(&client), &what, console).await,
        Command::Plan(what) => projects::plan::plan(&client, &what, console).await,
        Command::Apply(what) => projects::apply::apply(&client, &what, console).await,
        Command::Adopt(what) => projects::apply::adopt(&client, &what, console).await,
        Command::Rollback(what) => projects::past::rollback(&client, &what, console).await,
        Command::Restore(what) => projects::past::restore(&client, &what, console).await,
        Command::Status(what) => projects::standing::status(&client, &what, console).await,
        Command::History(what) => projects::standing::history(&client, &what, console).await,
        Command::Suspend(what) => projects::standing::suspend(&client, &what, console).await,
        Command::Resume { project } => projects::standing::resume(&client, project, console).await,
        Command::Approve(what) => projects::standing::approve(&client, &what, console).await,
        Command::Reconcile { project } => {
            projects::standing::reconcile(&client, project, console).await
        }
        Command::Export(what) => projects::export::export(&client, &what, console).await,
        Command::Explain(what) => projects::explain::explain(&client, &what, console).await,
        Command::Watch(what) => projects::watch::watch(&client, &what, console).await,
        Command::Token(what) => token::token(&client, what, console).await,
        Command::Audit(what) => token::audit(&client, what, console).await,
        Command::Webhook(what) => webhook::webhook(&client, what, console).await,
        Command::Completions { .. }
        | Command::Validate(_)
        | Command::Render(_)
        | Command::Fmt(_)
        | Command::Test(_) => Ok(Exit::Ok),
    }
}
