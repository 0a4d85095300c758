//! `deliveries`: how fast, how independently and how cheaply what is told arrives. Ten thousand
//! pages change at once, for one receiver and for ten of which one hangs; what a delivery costs
//! without its request; how long a change takes to arrive; and how long a page waits for a receiver
//! that restarts.

mod burst;
mod cost;
mod flips;
mod restart;

use std::fmt::Write as _;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::fleet::{Fleet, Site};
use super::receiver::Receiver;
use crate::figures::{Figures, quantile};
use crate::stage::{Answer, Stage};

/// How many checks are probed in a second, at most.
const RATE: u32 = 10_000 / 60;
/// Less often than this a small number of checks is probed, too, in seconds.
const SHORTEST: u32 = 5;
/// In one file.
const FILE: u32 = 1_000;
const RECEIVERS: usize = 10;

pub(super) fn measure(bench: &Bench<'_>, checks: u32, length: Duration) -> Result<Figures> {
    let mut figures = Figures::default();
    figures.add("checks", checks, checks.to_string());
    bench.with_fleet(Site::Target, |fleet| {
        burst::one(fleet, checks, &mut figures)
    })?;
    bench.with_fleet(Site::Target, |fleet| {
        burst::one_hangs(fleet, checks, &mut figures)
    })?;
    cost::measure(bench, checks, &mut figures)?;
    bench.with_fleet(Site::Target, |fleet| {
        flips::measure(fleet, length, &mut figures)
    })?;
    bench.with_fleet(Site::Target, |fleet| restart::measure(fleet, &mut figures))?;
    Ok(figures)
}

/// So many receivers.
fn receivers(count: usize) -> Result<Vec<Receiver>> {
    (0..count).map(|_| Receiver::start()).collect()
}

/// How often so many checks are probed, in seconds.
fn every(checks: u32) -> u32 {
    (checks / RATE).max(SHORTEST)
}

/// Whom a check tells: one of the receivers by turns, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    One,
    All,
}

/// Check files: each check is of a page, down with its first failure and up with its first success.
fn files(
    (checks, every): (u32, u32),
    site: u16,
    receivers: &[Receiver],
    told: Told,
) -> Result<Vec<(String, String)>> {
    let notify = |webhooks: &str| format!("notify {{\n  webhooks = [{webhooks}]\n  }}\n");
    let all: Vec<String> = (0..receivers.len())
        .map(|number| format!("webhook.r{number}"))
        .collect();
    let by_default = match told {
        Told::All => notify(&all.join(", ")),
        Told::One => String::new(),
    };
    let mut text = format!(
        "lokahi {{\n  project = \"bench\"\n}}\n\
         defaults {{\n  every = \"{every}s\"\n  confirm {{\n  failures = 1\n  successes = 1\n  }}\n  \
         {by_default}}}\n"
    );
    for (number, receiver) in receivers.iter().enumerate() {
        writeln!(
            text,
            "webhook \"r{number}\" {{\n  url = \"http://127.0.0.1:{}/\"\n  format = \"json\"\n  \
             collapse = false\n}}",
            receiver.port
        )?;
    }
    let mut files = Vec::new();
    let mut turns = all.iter().cycle();
    for n in 0..checks {
        // A file has a largest size.
        if n > 0 && n.is_multiple_of(FILE) {
            files.push((format!("checks_{n}.hcl"), mem::take(&mut text)));
        }
        let own = match (told, turns.next()) {
            (Told::One, Some(webhook)) => notify(webhook),
            _ => String::new(),
        };
        writeln!(
            text,
            "check \"c{n}\" {{\n  url = \"http://127.0.0.1:{site}/{n}\"\n  {own}}}"
        )?;
    }
    files.push(("lokahi.hcl".to_owned(), text));
    Ok(files)
}

/// A site of which all pages are up, or all down.
#[derive(Debug)]
struct Pages {
    port: u16,
    down: Arc<AtomicBool>,
}

impl Pages {
    fn start() -> Result<Self> {
        let down: Arc<AtomicBool> = Arc::default();
        let is_down = Arc::clone(&down);
        let stage = Stage::start(move |_| match is_down.load(Ordering::Relaxed) {
            true => Answer::Bad,
            false => Answer::Well,
        })?;
        let port = stage.port;
        Ok(Self { port, down })
    }

    fn flip(&self) {
        self.down.fetch_xor(true, Ordering::Relaxed);
    }
}

/// Declares the checks, and waits until each is up.
fn declare(fleet: &mut Fleet<'_>, checks: u32, files: &[(String, String)]) -> Result<()> {
    let took = fleet.apply(files)?.as_secs_f64();
    println!("{checks} checks are applied after {took:.1} s");
    fleet.wait_until(&format!(
        "select count(*) = {checks} from check_states where state = 1"
    ))?;
    // What making them has left to clear up is not what is measured.
    fleet.postgres().query("vacuum (analyze)")?;
    println!("all are up");
    Ok(())
}

/// Waits until so many deliveries wait, which nobody takes.
fn pile_up(fleet: &mut Fleet<'_>, deliveries: u32) -> Result<()> {
    fleet.wait_until(&format!(
        "select count(*) = {deliveries} from deliveries where state = 'pending'"
    ))?;
    println!("{deliveries} deliveries wait");
    Ok(())
}

/// The times of one kind, in seconds and sorted; `bar` is that of their p99.
fn quantiles(figures: &mut Figures, name: &str, sorted: &[f64], bar: &str) {
    for (part, label) in [(0.5, "p50"), (0.99, "p99"), (1.0, "max")] {
        let found = quantile(sorted, part);
        let bar = if label == "p99" { bar } else { "" };
        let text = format!("{:.0} ms", found * 1000.0);
        figures.add_with_bar(&format!("{name}, {label}"), found, text, bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_checks_are_probed_as_often_as_the_machine_carries() {
        assert_eq!([10_000, 1_000, 3].map(every), [60, 6, SHORTEST]);
    }

    #[test]
    fn each_check_names_the_receivers_that_it_tells() {
        let receivers = receivers(2).unwrap();
        let text = |told| {
            let files = files((3, 7), 80, &receivers, told).unwrap();
            let texts: Vec<_> = files.into_iter().map(|(_, text)| text).collect();
            texts.concat()
        };
        let one = text(Told::One);
        assert_eq!(one.matches("[webhook.r0]").count(), 2);
        assert_eq!(one.matches("[webhook.r1]").count(), 1);
        let all = text(Told::All);
        assert_eq!(all.matches("[webhook.r0, webhook.r1]").count(), 1);
        assert!(all.contains("every = \"7s\""), "{all}");
    }
}
