//! The command lines of programs, which the environment may stand in for.

use clap::builder::Resettable;
use clap::{Command, CommandFactory};

/// The command line of `S`. Compose files leave empty variables: they are not
/// set.
pub fn command<S: CommandFactory>() -> Command {
    without_empty(S::command())
}

fn without_empty(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let value = argument.get_env().and_then(std::env::var_os);
        match value.is_some_and(|value| value.is_empty()) {
            true => argument.env(Resettable::Reset),
            false => argument,
        }
    });
    command.mut_subcommands(without_empty)
}
