//! Many checks of a site that is up, in a steady state: `10k`, `50k` and `memory`.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::fleet::Fleet;
use super::page::AtMost;
use super::usage::Memory;
use super::yardstick::Yardstick;
use crate::figures::{Figures, megabytes};
use crate::workspace::epoch;

/// Every check is probed within ten seconds of its making, then by its own phase.
const WARM_UP: Duration = Duration::from_secs(25);
/// After it everything that was due has been recorded.
const SETTLE: Duration = Duration::from_secs(4);
const EVERY: u64 = 60;
/// In one file.
const FILE: u32 = 1_000;
const MEMORY_WARM: u64 = 10_000;
const MEMORY_PROBES: u64 = 100_000;

/// Declares so many checks of the site. The request names each of them, so names are short.
fn declare(fleet: &Fleet<'_>, checks: u32, every: u64) -> Result<Duration> {
    let url = fleet.site_url();
    let mut files = vec![(
        "lokahi.hcl".to_owned(),
        "lokahi {\n  project = \"bench\"\n}\n".to_owned(),
    )];
    for first in (0..checks).step_by(FILE as usize) {
        let mut text = String::new();
        for n in first..checks.min(first + FILE) {
            writeln!(
                text,
                "# lokahi-ignore: LK0906 nobody listens\n\
                 check \"c{n}\" {{\n\
                 \x20 # lokahi-ignore: LK0904 there is one site\n\
                 \x20 url   = \"{url}\"\n  every = \"{every}s\"\n}}"
            )?;
        }
        files.push((format!("{}.hcl", first / FILE), text));
    }
    fleet.apply(&files)
}

/// Runs the checks at once a minute and measures a window. `core` is the bar of the
/// processor time, in percent of one core.
pub(super) fn measure(
    fleet: &mut Fleet<'_>,
    checks: u32,
    window: Duration,
    core: Option<f64>,
) -> Result<Figures> {
    let mut figures = Figures::default();
    let applied = declare(fleet, checks, EVERY)?;
    figures.add(
        "apply",
        applied.as_secs_f64(),
        format!("{:.1} s", applied.as_secs_f64()),
    );
    fleet.sleep(WARM_UP)?;
    // What making the checks has left to clear up is not what running them costs.
    fleet.postgres().query("vacuum (analyze)")?;

    // Whoever looks costs something, and so looks before and after.
    let memory_before = fleet.memory()?;
    let page_before = fleet.page()?;
    let wal_before = wal(fleet)?;
    fleet.sleep(Duration::from_secs(2))?;
    let (used_before, from) = (fleet.processor()?, epoch()?);
    let yardstick = Yardstick::start(fleet.site_port());
    fleet.sleep(window)?;
    let (used_after, seconds) = (fleet.processor()?, epoch()? - from);
    let raw = yardstick.finish()?;
    let wal_bytes = wal(fleet)? - wal_before;
    fleet.sleep(SETTLE)?;
    let page = fleet.page()?.since(&page_before);
    let memory_after = fleet.memory()?;

    // Exactly as long as it was asked for: in whole minutes each check is due as often as any.
    let until = from + window.as_secs_f64();
    let within = format!("at >= to_timestamp({from}) and at < to_timestamp({until})");
    let found = fleet.postgres().query(&format!(
        "select count(*), count(distinct check_no), count(*) filter (where outcome <> 1) \
         from observations where {within}"
    ))?;
    let counts = numbers(&found)?;
    let (recorded, seen, failed) = match counts.as_slice() {
        [recorded, seen, failed] => (*recorded, *seen, *failed),
        _ => anyhow::bail!("Postgres gave {found}"),
    };
    let asked = f64::from(checks) * window.as_secs_f64() / EVERY as f64;
    let rate = recorded / window.as_secs_f64() * 60.0;
    figures.add("checks", checks, checks.to_string());
    figures.add("window", seconds, format!("{seconds:.2} s"));
    figures.add_with_bar(
        "observations in Postgres",
        recorded,
        format!("{recorded:.0}"),
        &format!("{asked:.0}, as many as were due"),
    );
    figures.add("rate a minute", rate, format!("{rate:.0}"));
    figures.add("checks seen", seen, format!("{seen:.0}"));
    figures.add("not up", failed, format!("{failed:.0}"));
    for name in ["scheduled", "recorded", "skipped", "lost"] {
        let count = page.get(&format!("lokahi_probes_{name}_total"));
        figures.add(
            &format!("{name} between two scrapes"),
            count,
            format!("{count:.0}"),
        );
    }

    let mut all = 0.0;
    for (name, after) in &used_after {
        let used = after - used_before.get(name).copied().unwrap_or(0.0);
        all += used;
        let each = used * 1e6 / recorded.max(1.0);
        figures.add(
            &format!("CPU us a check, {name}"),
            each,
            format!("{each:.1}"),
        );
    }
    let each = all * 1e6 / recorded.max(1.0);
    figures.add("CPU us a check, all", each, format!("{each:.1}"));
    figures.add("CPU us a connection, raw client", raw, format!("{raw:.1}"));
    let ratio = each / raw.max(1.0);
    figures.add("all in raw clients", ratio, format!("{ratio:.2}"));
    let percent = all / seconds * 100.0;
    let bar = core.map_or_else(String::new, |core| format!("<= {core} %"));
    figures.add_with_bar("CPU of one core", percent, format!("{percent:.2} %"), &bar);

    for part in [0.5, 0.99, 0.999] {
        let AtMost(milliseconds) = page.lateness(part);
        figures.add(
            &format!("lateness p{}", part * 100.0),
            milliseconds,
            format!("<= {milliseconds} ms"),
        );
    }
    let mean = page.mean_lateness();
    figures.add("lateness mean", mean, format!("{mean:.1} ms"));
    latencies(fleet, &within, &mut figures)?;
    let flushes = page.get("lokahi_flushes_total");
    figures.add(
        "flushes between two scrapes",
        flushes,
        format!("{flushes:.0}"),
    );
    figures.add("WAL a check", wal_bytes / recorded.max(1.0), {
        format!("{:.0} bytes", wal_bytes / recorded.max(1.0))
    });
    resident(&mut figures, &memory_before, &memory_after);
    Ok(figures)
}

/// Once a second each, until so many probes are recorded: does memory grow?
pub(super) fn memory(fleet: &mut Fleet<'_>, checks: u32) -> Result<Figures> {
    declare(fleet, checks, 1)?;
    wait_recorded(fleet, MEMORY_WARM)?;
    let before = fleet.memory()?;
    wait_recorded(fleet, MEMORY_WARM + MEMORY_PROBES)?;
    let after = fleet.memory()?;
    let mut figures = Figures::default();
    let recorded = fleet
        .postgres()
        .query("select count(*) from observations")?;
    figures.add(
        "observations in Postgres",
        recorded.as_str(),
        recorded.clone(),
    );
    resident(&mut figures, &before, &after);
    Ok(figures)
}

fn wait_recorded(fleet: &mut Fleet<'_>, probes: u64) -> Result<()> {
    while fleet.page()?.get("lokahi_probes_recorded_total") < probes as f64 {
        fleet.sleep(Duration::from_secs(1))?;
    }
    Ok(())
}

fn resident(figures: &mut Figures, before: &Memory, after: &Memory) {
    for (name, after) in after {
        let before = before.get(name).copied().unwrap_or(0);
        figures.add(
            &format!("resident, {name}"),
            json!({"before": before, "after": after}),
            format!("{} -> {}", megabytes(before), megabytes(*after)),
        );
    }
}

fn latencies(fleet: &Fleet<'_>, within: &str, figures: &mut Figures) -> Result<()> {
    let found = fleet.postgres().query(&format!(
        "select percentile_disc(0.5) within group (order by total_us), \
         percentile_disc(0.99) within group (order by total_us), max(total_us) \
         from observations where {within}"
    ))?;
    for (name, microseconds) in ["p50", "p99", "max"].iter().zip(numbers(&found)?) {
        figures.add(
            &format!("latency {name}"),
            microseconds,
            format!("{microseconds:.0} us"),
        );
    }
    Ok(())
}

fn wal(fleet: &Fleet<'_>) -> Result<f64> {
    let bytes = fleet
        .postgres()
        .query("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")?;
    bytes.parse().context("a number of bytes")
}

/// The columns of one row.
fn numbers(row: &str) -> Result<Vec<f64>> {
    row.split('|')
        .map(|number| {
            number
                .parse()
                .with_context(|| format!("not numbers: {row}"))
        })
        .collect()
}
