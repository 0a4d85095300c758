//! `projects`: how long plans and applies of many check files take, from files to the answer,
//! and how much memory lokahid needs for them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::files::{self, PER_FILE};
use super::fleet::Fleet;
use crate::figures::{Figures, megabytes};
use crate::workspace;

/// How often a plan without changes is asked for.
const TIMES: u32 = 3;
/// How many checks are changed among all.
const CHANGED: u32 = 1_000;

pub(super) fn measure(fleet: &mut Fleet<'_>, results: &Path, checks: u32) -> Result<Figures> {
    let root = results.join("projects");
    let site = fleet.site_url();
    files::write(&root, checks, &|n| format!("{site}?site={n}"))?;
    let mut figures = Figures::default();
    let mut took = |name: &str, bar: &str, fleet: &mut Fleet<'_>, words: &[&str]| {
        let since = workspace::monotonic();
        let mut command = fleet.lokahictl()?;
        workspace::output(command.args(words).arg(&root))?;
        let seconds = since.elapsed().as_secs_f64();
        figures.add_with_bar(name, seconds, format!("{seconds:.2} s"), bar);
        fleet.check()
    };
    let apply = ["apply", "--auto-approve", "--allow-changes", "1000"];
    let first = format!("first apply of {checks}");
    took(&first, "< 10 s", fleet, &apply)?;
    // The first probes of what is new are not what is measured.
    fleet.wait_until("select count(*) = 0 from check_states where last_at is null")?;
    for time in 1..=TIMES {
        let name = format!("plan without changes {time}");
        took(&name, "< 3 s", fleet, &["plan"])?;
    }
    let changed = CHANGED.min(checks);
    for file in 0..changed.div_ceil(PER_FILE) {
        let path = root.join(format!("checks_{file:05}.hcl"));
        let text = fs::read_to_string(&path)?;
        fs::write(&path, text.replace("\"5s\"", "\"6s\""))?;
    }
    let name = format!("apply of {changed} changes");
    took(&name, "< 2 s", fleet, &apply)?;
    let peak = fleet.peak("lokahid").context("lokahid is gone")?;
    figures.add_with_bar("lokahid, most memory", peak, megabytes(peak), "< 300 MB");
    let stored = fleet
        .postgres()
        .query("select generation from projects where name = 'bench'")?;
    figures.add("generation", stored.as_str(), stored.clone());
    fs::remove_dir_all(&root)?;
    Ok(figures)
}
