//! `cargo xtask bench [SCENARIO]`: what lokahi costs. Its programs, built for release, run
//! beside a Postgres, a nats-server and a target of this chore's own; what all of them used
//! is read from `/proc`, what was done from Postgres. It prints a table and writes
//! `SCENARIO.json` into `bench/` of cargo's target folder. It never fails on time: the bar
//! stands beside the figure.

mod figures;
mod files;
mod fleet;
mod flip;
mod load;
mod page;
mod projects;
mod steady;
mod target;
mod usage;
mod yardstick;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use self::figures::Figures;
use self::fleet::{Fleet, Site};
use crate::build::{self, Profile};
use crate::wish::Wish;
use crate::{peers, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to measure [default: all, one after the other]
    scenario: Option<Scenario>,
    /// How long to measure, where a scenario has a window
    #[arg(long)]
    seconds: Option<u64>,
    /// With how many checks, or flips
    #[arg(long)]
    checks: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Scenario {
    /// `lokahictl create_load` of 1,000 checks
    Load,
    /// 10,000 checks a minute: is each one that was due recorded?
    #[value(name = "10k")]
    TenThousand,
    /// 50,000 checks a minute: how much of a core?
    #[value(name = "50k")]
    FiftyThousand,
    /// From a site's change to the line of the webhook, 50 times
    Flip,
    /// Resident memory over 100,000 probes
    Memory,
    /// `lokahictl validate` of 50,000 checks in 1,000 files
    Files,
    /// `lokahictl plan` and `apply` of them
    Projects,
}

impl Scenario {
    const ALL: [Self; 7] = [
        Self::Load,
        Self::TenThousand,
        Self::FiftyThousand,
        Self::Flip,
        Self::Memory,
        Self::Files,
        Self::Projects,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::TenThousand => "10k",
            Self::FiftyThousand => "50k",
            Self::Flip => "flip",
            Self::Memory => "memory",
            Self::Files => "files",
            Self::Projects => "projects",
        }
    }

    fn measure(self, bench: &Bench<'_>, arguments: &Arguments) -> Result<Figures> {
        let checks = |usual| arguments.checks.unwrap_or(usual);
        if self == Self::Files {
            return files::measure(bench.programs, bench.results, checks(50_000));
        }
        // Each has a database of its own.
        let site = self.site();
        let (servers, programs) = (peers::ensure()?, bench.programs);
        let mut fleet = Fleet::start(&servers, programs, bench.results, site, bench.wish)?;
        let measured = match self {
            Self::Projects => projects::measure(&mut fleet, bench.results, checks(50_000)),
            _ => self.measure_fleet(&mut fleet, arguments),
        };
        match measured {
            Err(error) if !bench.wish.is_to_stop() => {
                Err(error.context(format!("{}: {}", self.name(), fleet.last_words())))
            }
            other => other,
        }
    }

    fn measure_fleet(self, fleet: &mut Fleet<'_>, arguments: &Arguments) -> Result<Figures> {
        let checks = |usual| arguments.checks.unwrap_or(usual);
        let seconds = |usual| Duration::from_secs(arguments.seconds.unwrap_or(usual));
        match self {
            Self::Load => load::measure(fleet, checks(1_000)),
            Self::TenThousand => steady::measure(fleet, checks(10_000), seconds(120), None),
            Self::FiftyThousand => steady::measure(fleet, checks(50_000), seconds(60), Some(10.0)),
            Self::Flip => flip::measure(fleet, checks(50)),
            Self::Memory => steady::memory(fleet, checks(1_000)),
            Self::Files | Self::Projects => bail!("this scenario is measured elsewhere"),
        }
    }

    fn site(self) -> Site {
        match self {
            Self::Flip => Site::Duke(flip::PERIOD),
            _ => Site::Target,
        }
    }
}

/// What all scenarios share.
struct Bench<'a> {
    programs: &'a BTreeMap<String, PathBuf>,
    results: &'a Path,
    wish: &'a Wish,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !Path::new("/proc/self/stat").exists() {
        bail!("what a process uses is read from /proc, which is not here");
    }
    let wish = Wish::listen()?;
    let programs = build::programs(Profile::Release)?;
    let lokahid = programs.get("lokahid").context("cargo built no lokahid")?;
    let target = lokahid.ancestors().nth(2).context("it is in a folder")?;
    let results = target.join("bench");
    std::fs::create_dir_all(&results)?;
    let one = arguments.scenario;
    for scenario in Scenario::ALL {
        if one.is_some_and(|one| one != scenario) {
            continue;
        }
        let name = scenario.name();
        println!("\n{name}: starting");
        let bench = Bench {
            programs: &programs,
            results: &results,
            wish: &wish,
        };
        let figures = match scenario.measure(&bench, arguments) {
            Ok(figures) => figures,
            Err(_) if wish.is_to_stop() => bail!("stopped"),
            Err(error) => return Err(error),
        };
        println!("{}", figures.table());
        let path = results.join(format!("{name}.json"));
        std::fs::write(&path, figures.json(name))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// The moment a program of ours would call now, as Postgres understands it.
fn epoch() -> Result<f64> {
    let since = workspace::wall().duration_since(std::time::UNIX_EPOCH)?;
    Ok(since.as_secs_f64())
}
