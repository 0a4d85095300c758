//! `lateness`: does what hangs make anything else late? Seen by the site: when a page was asked
//! for, and when Postgres says that it was due.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Bench;
use super::fleet::{Fleet, Site};
use super::network;
use crate::figures::{Figures, megabytes, quantile};
use crate::stage::{Answer, Asked, Stage};
use crate::workspace::{Scratch, epoch};

const EVERY: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Until each check was probed, and those that fail are down and no longer tried again.
const WARM_UP: Duration = Duration::from_secs(90);
/// After it everything that was due was recorded.
const SETTLE: Duration = Duration::from_secs(15);
/// How far from its time a probe may begin and be still the one.
const NEAR: f64 = 15.0;
/// No address, and nobody says so.
const NAMED: &str = "bench.test";

pub(super) fn measure(bench: &Bench<'_>, checks: u32, window: Duration) -> Result<Figures> {
    let mut figures = Figures::default();
    some_hang(bench, checks, window, &mut figures)?;
    all_hang(bench, (checks / 10).max(1), window, &mut figures)?;
    names_are_dead(bench, checks, window, &mut figures)?;
    Ok(figures)
}

/// One site of a hundred hangs until the timeout.
fn some_hang(
    bench: &Bench<'_>,
    checks: u32,
    window: Duration,
    figures: &mut Figures,
) -> Result<()> {
    let hangs = |page: u32| page.is_multiple_of(100);
    let answer = move |page| {
        if hangs(page) {
            Answer::Hang
        } else {
            Answer::Well
        }
    };
    let seen = watch(bench, checks, window, answer, |site, n| {
        format!("{site}/{n}")
    })?;
    let others = seen.lateness(|page| !hangs(page));
    let name = format!("1 % of {checks} hang, the others");
    late(figures, &name, &others, "< 100 ms");
    seen.counts(figures, "1 % hang");
    let all: u64 = seen.memory.iter().map(|(_, bytes)| bytes).sum();
    for (name, bytes) in &seen.memory {
        figures.add(&format!("resident, {name}"), *bytes, megabytes(*bytes));
    }
    let name = format!("resident, all but Postgres, {checks} checks");
    figures.add_with_bar(&name, all, megabytes(all), "< 256 MB at 10,000");
    Ok(())
}

/// All hang, and keep their period all the same.
fn all_hang(bench: &Bench<'_>, checks: u32, window: Duration, figures: &mut Figures) -> Result<()> {
    let seen = watch(
        bench,
        checks,
        window,
        |_| Answer::Hang,
        |site, n| format!("{site}/{n}"),
    )?;
    let mut off: Vec<f64> = seen.gaps().map(|gap| gap - EVERY.as_secs_f64()).collect();
    off.iter_mut().for_each(|seconds| *seconds = seconds.abs());
    off.sort_by(f64::total_cmp);
    late(figures, "all time out, off their period by", &off, "");
    seen.counts(figures, "all time out");
    Ok(())
}

/// Half of the sites have names, and no name server answers.
fn names_are_dead(
    bench: &Bench<'_>,
    checks: u32,
    window: Duration,
    figures: &mut Figures,
) -> Result<()> {
    let folder = Scratch::within(&std::env::temp_dir())?;
    network::silence_names(folder.path())?;
    let named = |page: u32| page.is_multiple_of(2);
    let url = move |site: &str, n| match named(n) {
        true => format!("http://c{n}.{NAMED}/{n}"),
        false => format!("{site}/{n}"),
    };
    let seen = watch(bench, checks, window, |_| Answer::Well, url)?;
    let asked = network::hits()?;
    figures.add("questions that nobody answered", asked, asked.to_string());
    let literal = seen.lateness(|page| !named(page));
    late(
        figures,
        "names are dead, literal addresses",
        &literal,
        "< 100 ms",
    );
    seen.counts(figures, "names are dead");
    Ok(())
}

/// What was due and what came, in a window.
struct Seen {
    /// By page: when its probes were due, in seconds since 1970.
    due: BTreeMap<u32, Vec<f64>>,
    asked: BTreeMap<u32, Vec<f64>>,
    /// As many as there should have been.
    wanted: f64,
    /// `lokahi_probes_..._total`, in the window and a little more.
    counted: Vec<(&'static str, f64)>,
    /// Of our processes, in bytes.
    memory: Vec<(String, u64)>,
}

/// Runs so many checks, each of a page, and watches a window.
fn watch(
    bench: &Bench<'_>,
    checks: u32,
    window: Duration,
    answer: impl Fn(u32) -> Answer + Send + Sync + 'static,
    url: impl Fn(&str, u32) -> String,
) -> Result<Seen> {
    bench.with_fleet(Site::Target, |fleet| {
        watch_fleet(fleet, checks, window, answer, url)
    })
}

fn watch_fleet(
    fleet: &mut Fleet<'_>,
    checks: u32,
    window: Duration,
    answer: impl Fn(u32) -> Answer + Send + Sync + 'static,
    url: impl Fn(&str, u32) -> String,
) -> Result<Seen> {
    let stage = Stage::start(answer)?;
    let site = format!("http://127.0.0.1:{}", stage.port);
    fleet.apply(&files(checks, |n| url(&site, n))?)?;
    fleet.sleep(WARM_UP)?;
    fleet.postgres().query("vacuum (analyze)")?;
    let before = fleet.page()?;
    fleet.sleep(Duration::from_secs(2))?;
    let from = epoch()?;
    fleet.sleep(window)?;
    let memory = fleet.memory()?;
    fleet.sleep(SETTLE)?;
    let page = fleet.page()?.since(&before);
    let until = from + window.as_secs_f64();
    let rows = fleet.postgres().query(&format!(
        "select substr(address, 2), extract(epoch from at) from observations \
         join checks using (check_no) \
         where at >= to_timestamp({from}) and at < to_timestamp({until})"
    ))?;
    let mut due: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for row in rows.lines() {
        let (page, at) = row.split_once('|').context("two columns")?;
        due.entry(page.parse()?).or_default().push(at.parse()?);
    }
    Ok(Seen {
        due,
        asked: by_page(&stage.asked(), from, until),
        wanted: f64::from(checks) * window.as_secs_f64() / EVERY.as_secs_f64(),
        counted: ["scheduled", "recorded", "skipped", "lost"]
            .map(|name| (name, page.get(&format!("lokahi_probes_{name}_total"))))
            .into(),
        memory: memory
            .into_iter()
            .filter(|(name, _)| name != "postgres")
            .collect(),
    })
}

fn files(checks: u32, url: impl Fn(u32) -> String) -> Result<Vec<(String, String)>> {
    let mut text = format!(
        "lokahi {{\n  project = \"bench\"\n}}\n\
         defaults {{\n  every = \"{}s\"\n  timeout = \"{}s\"\n}}\n",
        EVERY.as_secs(),
        TIMEOUT.as_secs()
    );
    for n in 0..checks {
        writeln!(
            text,
            "# lokahi-ignore: LK0906 nobody listens\n\
             check \"c{n}\" {{\n  url = \"{}\"\n}}",
            url(n)
        )?;
    }
    Ok(vec![("lokahi.hcl".to_owned(), text)])
}

/// What came in a window and around it, so that what was due at its edges is found.
fn by_page(asked: &Asked, from: f64, until: f64) -> BTreeMap<u32, Vec<f64>> {
    let mut found: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (page, at) in asked {
        if (from - NEAR..until + NEAR).contains(at) {
            found.entry(*page).or_default().push(*at);
        }
    }
    found
}

impl Seen {
    /// How late each probe of these pages was, in seconds, sorted. One that came too early is not
    /// late, and one of which nothing was seen is as late as can be.
    fn lateness(&self, wanted: impl Fn(u32) -> bool) -> Vec<f64> {
        let pages = self.due.iter().filter(|(page, _)| wanted(**page));
        let mut found: Vec<f64> = pages
            .flat_map(|(page, due)| {
                let asked = self.asked.get(page).map(Vec::as_slice).unwrap_or_default();
                due.iter().map(|due| nearest(asked, *due))
            })
            .collect();
        found.sort_by(f64::total_cmp);
        found
    }

    /// The times between two probes of one page, in seconds.
    fn gaps(&self) -> impl Iterator<Item = f64> {
        let pairs = self.asked.values().flat_map(|asked| asked.windows(2));
        pairs.filter_map(|pair| Some(pair.last()? - pair.first()?))
    }

    fn counts(&self, figures: &mut Figures, name: &str) {
        let recorded: usize = self.due.values().map(Vec::len).sum();
        figures.add_with_bar(
            &format!("{name}, observations in Postgres"),
            recorded,
            recorded.to_string(),
            &format!("{:.0}, as many as were due", self.wanted),
        );
        for (what, count) in &self.counted {
            let name = format!("{name}, {what} between two scrapes");
            figures.add(&name, *count, format!("{count:.0}"));
        }
    }
}

/// How long after it was due the nearest probe came.
fn nearest(asked: &[f64], due: f64) -> f64 {
    let off = asked.iter().map(|at| at - due);
    let nearest = off.min_by(|one, other| one.abs().total_cmp(&other.abs()));
    match nearest {
        Some(late) if late.abs() <= NEAR => late.max(0.0),
        _ => NEAR,
    }
}

fn late(figures: &mut Figures, name: &str, sorted: &[f64], bar: &str) {
    figures.add(
        &format!("{name}: probes"),
        sorted.len(),
        sorted.len().to_string(),
    );
    for (part, label) in [(0.5, "p50"), (0.99, "p99"), (1.0, "max")] {
        let found = quantile(sorted, part);
        let bar = if label == "p99" { bar } else { "" };
        let text = format!("{:.1} ms", found * 1000.0);
        figures.add_with_bar(&format!("{name}: {label}"), found, text, bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_late_by_what_the_site_saw_of_it() {
        let seen = Seen {
            due: [(1, vec![100.0, 130.0, 160.0]), (2, vec![100.0])].into(),
            asked: [(1, vec![99.99, 130.25]), (2, vec![101.0])].into(),
            wanted: 4.0,
            counted: Vec::new(),
            memory: Vec::new(),
        };
        assert_eq!(seen.lateness(|page| page == 1), [0.0, 0.25, NEAR]);
        assert_eq!(seen.lateness(|_| true).len(), 4);
        let gaps: Vec<f64> = seen.gaps().collect();
        assert!((gaps[0] - 30.26).abs() < 1e-9 && gaps.len() == 1);
    }
}
