//! `cargo xtask chaos`: the proof that no alert is lost. lokahi's programs run as processes beside
//! servers of this chore's own; sites fail and receivers misbehave by a script, while processes are
//! killed and frozen, connections cut, and the disk of Postgres filled. In the end a judge compares
//! the script, Postgres, and what was received.

mod cast;
mod director;
mod event;
mod facts;
mod fault;
mod hooks;
mod judge;
mod proxy;
mod report;
mod run;
mod script;
mod signature;
mod talk;
mod trap;
mod troupe;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use self::fault::Kind;
use self::run::Run;
use self::script::Script;
use self::troupe::Troupe;
use crate::build::{self, Profile};
use crate::postgres::Disk;
use crate::wish::Wish;
use crate::workspace::{self, epoch};
use crate::{namespace, peers};

/// Within the five minutes of this one everything happens that can happen.
pub(crate) const SEED: u64 = 61;

/// Set inside of a mount namespace of our own.
const INSIDE: &str = "LOKAHI_CHAOS_MOUNTS";
/// The disk of Postgres, in megabytes.
const DISK: u32 = 160;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long the script is; the last minute has no faults
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1440))]
    minutes: u32,
    /// What happens when follows this number [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// Run the programs of this folder instead of building them, e.g. those of a build that is to
    /// be caught
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// Seconds since the beginning, as soon as there is one.
#[derive(Debug, Clone, Default)]
struct Clock(Arc<OnceLock<(Instant, f64)>>);

impl Clock {
    fn begin(&self) -> Result<()> {
        let now = (workspace::monotonic(), epoch()?);
        self.0.get_or_init(|| now);
        Ok(())
    }

    fn now(&self) -> Option<f64> {
        self.0.get().map(|(since, _)| since.elapsed().as_secs_f64())
    }

    /// The beginning, in seconds since 1970.
    fn epoch(&self) -> f64 {
        self.0.get().map_or(0.0, |(_, epoch)| *epoch)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !Path::new("/proc/self/stat").exists() {
        bail!("what runs is found in /proc, which is not here");
    }
    let servers = peers::ensure()?;
    let programs = match &arguments.programs {
        Some(folder) => of_folder(folder)?,
        None => build::programs(Profile::Dev)?,
    };
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => (epoch()? * 1000.0) as u64 % 1_000_000,
    };
    if env::var_os(INSIDE).is_none() {
        // What is mounted in there is gone with us, whatever ends us.
        match namespace::again(&["--mount"]) {
            Some(again) => {
                let mut again = again?;
                again.env(INSIDE, "yes");
                if arguments.seed.is_none() {
                    again.args(["--seed", &seed.to_string()]);
                }
                return Err(again.exec()).context("cannot start unshare");
            }
            None => {
                println!("chaos: the disk of Postgres is not filled: nothing can be mounted here")
            }
        }
    }
    let disk = match env::var_os(INSIDE).is_some() {
        true => Disk::Small(DISK),
        false => Disk::Machine,
    };
    let minutes = arguments.minutes;
    println!("chaos: {minutes} minutes of seed {seed}");
    println!("again: cargo xtask chaos --minutes {minutes} --seed {seed}");
    let lokahid = programs.get("lokahid").context("there is no lokahid")?;
    // Of a build that is cargo's target folder, else that of the programs.
    let above = if arguments.programs.is_some() { 1 } else { 2 };
    let folder = lokahid
        .ancestors()
        .nth(above)
        .context("it is in a folder")?;
    let results = folder.join("chaos");
    let logs = results.join("logs");
    if logs.exists() {
        fs::remove_dir_all(&logs)?;
    }
    fs::create_dir_all(&logs)?;
    let mut script = Script::of(seed, f64::from(minutes) * 60.0);
    if disk == Disk::Machine {
        script.faults.retain(|fault| fault.kind != Kind::FullDisk);
    }
    let wish = Wish::listen()?;
    let troupe = Troupe::start(&servers, &programs, &logs, disk)?;
    let mut run = Run::new(script, troupe, &wish)?;
    let found = run.play();
    match found {
        Err(_) if wish.is_to_stop() => bail!("stopped"),
        Err(error) => Err(error.context(format!("the logs are in {}", logs.display()))),
        Ok(found) => report::finish(&found, seed, &results),
    }
}

fn of_folder(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let names = ["lokahid", "healthworker", "webhookworker", "lokahictl"];
    let mut programs = BTreeMap::new();
    for name in names {
        let program = folder.join(name);
        let program = program.canonicalize();
        let program = program.with_context(|| format!("{name} is not in {}", folder.display()))?;
        programs.insert(name.to_owned(), program);
    }
    Ok(programs)
}
