//! `cargo xtask bench [SCENARIO]`: what lokahi costs. Its programs, built for release, run
//! beside a Postgres, a nats-server and a target of this chore's own; what all of them used
//! is read from `/proc`, what was done from Postgres. It prints a table and writes
//! `SCENARIO.json` into `bench/` of cargo's target folder. It never fails on time: the bar
//! stands beside the figure.

mod alerts;
mod deliveries;
mod faults;
mod files;
mod fleet;
mod flip;
mod lateness;
mod load;
mod network;
mod page;
mod projects;
mod receiver;
mod steady;
mod target;
mod usage;
mod yardstick;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use self::fleet::{Fleet, Site};
use crate::build::{self, Profile};
use crate::figures::Figures;
use crate::peers;
use crate::wish::Wish;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to measure [default: all but the last three, one after the other]
    scenario: Option<Scenario>,
    /// How long to measure, where a scenario has a window
    #[arg(long)]
    seconds: Option<u64>,
    /// With how many checks, or flips
    #[arg(long)]
    checks: Option<u32>,
    /// How long `alerts` follows its script
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// With unoptimised programs, to try a scenario: the figures say nothing
    #[arg(long)]
    dev: bool,
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
    /// 1,000 checks of sites whose outages follow a script, over a network that loses packets: is
    /// what a receiver is told what happened?
    Alerts,
    /// 10,000 checks: does what hangs make anything else late?
    Lateness,
    /// 10,000 changes at once: how fast is each told, what does that cost, and who is held up?
    Deliveries,
}

impl Scenario {
    /// Those that are measured unless one is named. The others take long, or a network.
    const USUAL: [Self; 7] = [
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
            Self::Alerts => "alerts",
            Self::Lateness => "lateness",
            Self::Deliveries => "deliveries",
        }
    }

    /// Whether it runs in a network of its own.
    fn is_networked(self) -> bool {
        matches!(self, Self::Alerts | Self::Lateness)
    }

    fn measure(self, bench: &Bench<'_>, arguments: &Arguments) -> Result<Figures> {
        let checks = |usual| arguments.checks.unwrap_or(usual);
        if self == Self::Files {
            return files::measure(bench.programs, bench.results, checks(50_000));
        }
        if self == Self::Lateness {
            let window = Duration::from_secs(arguments.seconds.unwrap_or(120));
            return lateness::measure(bench, checks(10_000), window);
        }
        if self == Self::Deliveries {
            let length = Duration::from_secs(arguments.seconds.unwrap_or(120));
            return deliveries::measure(bench, checks(10_000), length);
        }
        let measured = bench.with_fleet(self.site(), |fleet| match self {
            Self::Projects => projects::measure(fleet, bench.results, checks(50_000)),
            _ => self.measure_fleet(fleet, arguments),
        });
        measured.with_context(|| self.name())
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
            Self::Alerts => {
                let length = Duration::from_secs(arguments.minutes * 60);
                alerts::measure(fleet, checks(1_000), length)
            }
            Self::Files | Self::Projects | Self::Lateness | Self::Deliveries => {
                bail!("this scenario is measured elsewhere")
            }
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

impl Bench<'_> {
    /// Does something with a fleet of its own, and so a database of its own.
    fn with_fleet<T>(
        &self,
        site: Site,
        play: impl FnOnce(&mut Fleet<'_>) -> Result<T>,
    ) -> Result<T> {
        let servers = peers::ensure()?;
        let mut fleet = Fleet::start(&servers, self.programs, self.results, site, self.wish)?;
        match play(&mut fleet) {
            Err(error) if !self.wish.is_to_stop() => Err(error.context(fleet.last_words())),
            other => other,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !Path::new("/proc/self/stat").exists() {
        bail!("what a process uses is read from /proc, which is not here");
    }
    let profile = match arguments.dev {
        true => Profile::Dev,
        false => Profile::Release,
    };
    if arguments.scenario.is_some_and(Scenario::is_networked) {
        if !network::is_inside() {
            // What has to be fetched or built for it is not there.
            peers::ensure()?;
            build::programs(profile)?;
            return network::enter();
        }
        network::begin()?;
    }
    let wish = Wish::listen()?;
    let programs = build::programs(profile)?;
    let lokahid = programs.get("lokahid").context("cargo built no lokahid")?;
    let target = lokahid.ancestors().nth(2).context("it is in a folder")?;
    let results = target.join("bench");
    std::fs::create_dir_all(&results)?;
    let scenarios = match arguments.scenario {
        Some(one) => vec![one],
        None => Scenario::USUAL.into(),
    };
    for scenario in scenarios {
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
