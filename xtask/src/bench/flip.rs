//! `flip`: from the moment at which duke-of-york answers differently to sample_hook's line.

use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::fleet::Fleet;
use crate::figures::{Figures, quantile};
use crate::{http, workspace};

/// Not a whole number of seconds: with one, every flip would come at the same moment between
/// two probes. 50 flips walk over the second in equal steps.
pub(super) const PERIOD: Duration = Duration::from_millis(3_020);

/// How long before a flip is expected duke is watched.
const AHEAD: Duration = Duration::from_millis(40);
const POLL: Duration = Duration::from_millis(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Up,
    Down,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

pub(super) fn measure(fleet: &mut Fleet<'_>, flips: u32) -> Result<Figures> {
    let (url, hook) = (fleet.site_url(), fleet.hook_url());
    let text = format!(
        "lokahi {{\n  project = \"bench\"\n}}\n\
         webhook \"hook\" {{\n  url = \"{hook}\"\n  format = \"protobuf\"\n}}\n\
         check \"duke\" {{\n  url = \"{url}\"\n  every = \"1s\"\n\
         confirm {{\n  failures = 1\n  successes = 1\n  }}\n\
         notify {{\n  webhooks = [webhook.hook]\n  }}\n}}\n"
    );
    let heard = listen(fleet.heard()?);
    fleet.apply(&[("duke.hcl".to_owned(), text)])?;
    // The first outage and its end are not measured: the worker meets the site for the first
    // time, and its first state is told of or not.
    let mut flip = next_flip(fleet, None)?;
    flip = next_flip(fleet, Some(flip))?;
    fleet.sleep_until(flip.0 + PERIOD - Duration::from_millis(500))?;
    let early = heard.try_iter().count();

    let mut took = Vec::new();
    for number in 1..=flips {
        flip = next_flip(fleet, Some(flip))?;
        let (moment, side) = line(&heard).with_context(|| format!("flip {number}"))?;
        ensure!(
            side == flip.1,
            "flip {number}: to {:?}, told of {side:?}",
            flip.1
        );
        took.push(moment.saturating_duration_since(flip.0).as_secs_f64());
    }
    took.sort_by(f64::total_cmp);

    let mut figures = Figures::default();
    figures.add("flips", flips, flips.to_string());
    figures.add("lines before them", early, early.to_string());
    for (name, part, bar) in [
        ("p50", 0.5, ""),
        ("p95", 0.95, ""),
        ("p99", 0.99, "< 1.3 s"),
        ("max", 1.0, ""),
    ] {
        let found = quantile(&took, part);
        figures.add_with_bar(name, found, format!("{:.0} ms", found * 1000.0), bar);
    }
    let doubled = heard.try_iter().count();
    figures.add("lines after them", doubled, doubled.to_string());
    Ok(figures)
}

/// The next flip: when duke answered the old way for the last time, and what it is now. So
/// the flip is dated some milliseconds too early, never too late.
fn next_flip(fleet: &mut Fleet<'_>, last: Option<(Instant, Side)>) -> Result<(Instant, Side)> {
    let before = match last {
        Some((moment, side)) => {
            fleet.sleep_until(moment + PERIOD - AHEAD)?;
            side
        }
        None => side(fleet)?,
    };
    let since = workspace::monotonic();
    let mut moment = since;
    loop {
        let asked = workspace::monotonic();
        if side(fleet)? != before {
            return Ok((moment, before.other()));
        }
        moment = asked;
        ensure!(since.elapsed() < PERIOD * 2, "duke-of-york does not flip");
        thread::sleep(POLL);
    }
}

fn side(fleet: &Fleet<'_>) -> Result<Side> {
    let answer = http::get(fleet.site_port(), "/")?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(Side::Up)
    } else {
        Ok(Side::Down)
    }
}

/// The moments of sample_hook's lines, and what they told of.
fn listen(stdout: ChildStdout) -> Receiver<(Instant, Side)> {
    let (moments, heard) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            let moment = workspace::monotonic();
            let side = if line.contains("state: UP") {
                Side::Up
            } else {
                Side::Down
            };
            if moments.send((moment, side)).is_err() {
                return;
            }
        }
    });
    heard
}

fn line(heard: &Receiver<(Instant, Side)>) -> Result<(Instant, Side)> {
    match heard.recv_timeout(PERIOD - AHEAD * 3) {
        Ok(heard) => Ok(heard),
        Err(RecvTimeoutError::Timeout) => bail!("sample_hook printed nothing before the next one"),
        Err(RecvTimeoutError::Disconnected) => bail!("sample_hook is gone"),
    }
}
