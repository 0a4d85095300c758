//! The processor time of a delivery without its request: its row, measured by how much more a
//! change costs that is told to eleven receivers instead of one; and its attempt, of which the
//! address policy ends each before a socket is opened. Claim, body, the attempt's row and its end
//! are as ever.

use std::time::Duration;

use anyhow::Result;

use super::{Pages, Told, declare, every, files, pile_up, receivers};
use crate::bench::Bench;
use crate::bench::fleet::{Fleet, Site};
use crate::bench::usage::Seconds;
use crate::figures::Figures;
use crate::workspace;

/// A host that gives no answer is sent two at a time: so many together get all that a worker sends
/// at once.
const HOSTS: usize = 256;
/// More receivers than one.
const MORE: usize = 10;
/// After each check was probed everything is stored.
const SETTLE: Duration = Duration::from_secs(5);
/// How long it is watched what the worker's start costs, and what goes on beside it.
const IDLE: f64 = 15.0;
/// After so many seconds it is too slow to be measured.
const PATIENCE: f64 = 180.0;
const LOOK: Duration = Duration::from_millis(500);
const DENIED: [(&str, &str); 1] = [("WEBHOOK_DENY", "127.0.0.0/8")];
/// Of all, in microseconds.
const BAR: &str = "<= 60";

pub(super) fn measure(bench: &Bench<'_>, checks: u32, figures: &mut Figures) -> Result<()> {
    println!("the cost of an attempt:");
    let (quiet, one, tried) = bench.with_fleet(Site::Target, |fleet| {
        let site = set_up(fleet, checks, HOSTS, Told::One)?;
        let idle = watch(fleet, |_, seconds| seconds >= IDLE)?;
        fleet.stop_worker()?;
        let quiet = spent(fleet, checks)?;
        let one = flip(fleet, &site, checks, 1)?;
        Ok((quiet, one, attempts(fleet, &idle)?))
    })?;
    println!("the cost of a row:");
    let many = bench.with_fleet(Site::Target, |fleet| {
        let site = set_up(fleet, checks, MORE + 1, Told::All)?;
        flip(fleet, &site, checks, MORE + 1)
    })?;
    // Lokahid writes down together what comes while it writes: with more rows it writes less often,
    // which is in the difference, too. So both are shown.
    for (told, used) in [("one", &one), ("eleven", &many)] {
        for (who, name) in [("lokahid", "lokahid"), ("Postgres", "postgres")] {
            let change = (of(used, name) - of(&quiet, name)) / f64::from(checks);
            microseconds(
                figures,
                &format!("change told to {told}, {who}"),
                change,
                "",
            );
        }
    }
    let change = ["lokahid", "postgres"].map(|name| of(&many, name) - of(&quiet, name));
    let at_most = change.iter().sum::<f64>() / f64::from(checks) / (MORE + 1) as f64;
    microseconds(
        figures,
        "row at most, a change told to eleven by its rows",
        at_most,
        "",
    );
    let rows = f64::from(checks) * MORE as f64;
    let made = tried.made.max(1.0);
    figures.add("attempts without a request", made, format!("{made:.0}"));
    let row = |name| (of(&many, name) - of(&one, name)) / rows;
    let parts = [
        ("delivery, its row, lokahid", row("lokahid")),
        ("delivery, its row, Postgres", row("postgres")),
        (
            "delivery, its attempt, webhookworker",
            tried.used.worker / made,
        ),
        (
            "delivery, its attempt, Postgres",
            tried.used.postgres / made,
        ),
    ];
    let all = parts.iter().map(|(_, seconds)| seconds).sum();
    for (name, seconds) in parts {
        microseconds(figures, name, seconds, "");
    }
    microseconds(figures, "delivery, all", all, BAR);
    Ok(())
}

fn microseconds(figures: &mut Figures, name: &str, seconds: f64, bar: &str) {
    let each = seconds * 1e6;
    let name = format!("CPU us a {name}");
    figures.add_with_bar(&name, each, format!("{each:.1}"), bar);
}

/// What processes whose names begin so have used, in seconds.
fn of(used: &Seconds, name: &str) -> f64 {
    let those = used.iter().filter(|(known, _)| known.starts_with(name));
    those.map(|(_, seconds)| seconds).sum()
}

/// Checks that are up, and nobody who sends.
fn set_up(fleet: &mut Fleet<'_>, checks: u32, hosts: usize, told: Told) -> Result<Pages> {
    let (site, told_to) = (Pages::start()?, receivers(hosts)?);
    let files = files((checks, every(checks)), site.port, &told_to, told)?;
    declare(fleet, checks, &files)?;
    fleet.stop_worker()?;
    Ok(site)
}

/// All pages change, and each is told to so many: what is used meanwhile.
fn flip(fleet: &mut Fleet<'_>, site: &Pages, checks: u32, each: usize) -> Result<Seconds> {
    site.flip();
    let used = spent(fleet, checks)?;
    pile_up(fleet, checks * each as u32)?;
    Ok(used)
}

/// What is used in the time in which each check is probed, which is always the same.
fn spent(fleet: &mut Fleet<'_>, checks: u32) -> Result<Seconds> {
    let before = fleet.processor()?;
    fleet.sleep(Duration::from_secs(every(checks).into()) + SETTLE)?;
    let mut used = fleet.processor()?;
    for (name, seconds) in &mut used {
        *seconds -= before.get(name).copied().unwrap_or_default();
    }
    Ok(used)
}

/// What was used since the worker's start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Used {
    /// Since then, in seconds.
    after: f64,
    /// Processor time, in seconds.
    worker: f64,
    postgres: f64,
}

/// The first attempts, and those that followed while they were made.
struct Tried {
    made: f64,
    used: Used,
}

/// Lets the worker try each delivery once; `idle` is what it and Postgres use without any.
fn attempts(fleet: &mut Fleet<'_>, idle: &[Used]) -> Result<Tried> {
    let samples = watch(fleet, |untried, seconds| untried == 0 || seconds > PATIENCE)?;
    let made = "select count(*) from attempts where finished_at is not null";
    let made = fleet.postgres().query(made)?.parse()?;
    let used = samples.last().copied().unwrap_or_default();
    println!("{made} attempts within {:.1} s", used.after);
    fleet.stop_worker()?;
    let idle = idle_for(idle, used.after);
    let used = Used {
        after: used.after,
        worker: used.worker - idle.worker,
        postgres: used.postgres - idle.postgres,
    };
    Ok(Tried { made, used })
}

/// Starts the worker, and looks again and again, which costs something, too, until `is_over` by how
/// many deliveries were never tried and how many seconds have passed.
fn watch(fleet: &mut Fleet<'_>, is_over: impl Fn(u64, f64) -> bool) -> Result<Vec<Used>> {
    let before = of(&fleet.processor()?, "postgres");
    let since = workspace::monotonic();
    fleet.start_worker(&DENIED)?;
    let mut samples = vec![Used::default()];
    loop {
        fleet.sleep(LOOK)?;
        let untried = "select count(*) from deliveries where state = 'pending' and attempts = 0";
        let untried = fleet.postgres().query(untried)?.parse()?;
        let used = fleet.processor()?;
        let after = since.elapsed().as_secs_f64();
        samples.push(Used {
            after,
            worker: of(&used, "webhookworker"),
            postgres: of(&used, "postgres") - before,
        });
        if is_over(untried, after) {
            return Ok(samples);
        }
    }
}

/// What was used so long after the start, between two samples in proportion, and after the last as
/// fast as in the second half.
fn idle_for(samples: &[Used], seconds: f64) -> Used {
    let next = samples.iter().position(|it| it.after >= seconds);
    let (from, to) = match next {
        Some(next) => (next.saturating_sub(1), next),
        None => (samples.len() / 2, samples.len().saturating_sub(1)),
    };
    let (Some(from), Some(to)) = (samples.get(from), samples.get(to)) else {
        return Used::default();
    };
    let part = (seconds - from.after) / (to.after - from.after).max(f64::EPSILON);
    let between = |of: fn(&Used) -> f64| of(from) + (of(to) - of(from)) * part;
    Used {
        after: seconds,
        worker: between(|it| it.worker),
        postgres: between(|it| it.postgres),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(after: f64, worker: f64, postgres: f64) -> Used {
        Used {
            after,
            worker,
            postgres,
        }
    }

    #[test]
    fn what_goes_on_anyway_is_known_for_every_length() {
        let samples = [
            used(0.0, 0.0, 0.0),
            used(1.0, 10.0, 2.0),
            used(2.0, 10.0, 4.0),
            used(4.0, 11.0, 8.0),
        ];
        let found = [0.0, 0.5, 1.5, 4.0, 6.0].map(|seconds| idle_for(&samples, seconds));
        let expected = [
            used(0.0, 0.0, 0.0),
            used(0.5, 5.0, 1.0),
            used(1.5, 10.0, 3.0),
            used(4.0, 11.0, 8.0),
            used(6.0, 12.0, 12.0),
        ];
        assert_eq!(found, expected);
        assert_eq!(idle_for(&[], 1.0), Used::default());
    }

    #[test]
    fn processes_of_one_name_count_together() {
        let used = [
            ("postgres: backends", 1.0),
            ("postgres: walwriter", 2.0),
            ("lokahid", 4.0),
        ];
        let used: Seconds = used
            .map(|(name, seconds)| (name.to_owned(), seconds))
            .into();
        assert_eq!(of(&used, "postgres"), 3.0);
        assert_eq!(of(&used, "lokahid"), 4.0);
    }
}
