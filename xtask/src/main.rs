//! The chores of this workspace, as `cargo xtask …`. It links nothing of the library, so that
//! it runs when the library does not compile.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a person at a terminal"
)]

mod bench;
mod build;
mod chance;
mod chaos;
mod codegen;
mod compare;
mod fetch;
mod figures;
mod http;
mod namespace;
mod peers;
mod port;
mod postgres;
mod processes;
mod sqlx;
mod stage;
mod strangers;
mod table;
mod test;
mod tidy;
mod up;
mod view;
mod watched;
mod wheels;
mod wish;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Set everything up, run lokahi on this machine, and show what its checks see
    Up(up::Arguments),
    /// Run every test, against private servers
    Test(test::Arguments),
    /// Measure what lokahi costs, as release programs beside servers and a target of their own
    Bench(bench::Arguments),
    /// Break everything at random moments, and prove that no alert is lost
    Chaos(chaos::Arguments),
    /// Ask lokahi and blackbox_exporter about the same sites, and write docs/comparison.md
    Compare,
    /// Make sure that Postgres and nats-server can be found, fetching them if need be
    Peers,
    /// Check the rules of the source tree: layers, doors, sizes
    Tidy,
    /// Compile proto/ into src/proto/gen/
    Codegen(codegen::Arguments),
    /// Chores of the committed query metadata
    #[command(subcommand)]
    Sqlx(sqlx::Chore),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().chore {
        Chore::Up(arguments) => up::run(&arguments),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Chaos(arguments) => chaos::run(&arguments),
        Chore::Compare => compare::run(),
        Chore::Peers => peers::run(),
        Chore::Tidy => tidy::run(),
        Chore::Codegen(arguments) => codegen::run(&arguments),
        Chore::Sqlx(chore) => sqlx::run(&chore),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
