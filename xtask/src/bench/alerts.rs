//! `alerts`: is what a receiver is told what happened? A thousand checks at every 30 s, of sites
//! whose outages and blips follow a script, while one packet of a hundred is lost on the way; the
//! clock is the machine's. Nobody may be told of a blip or of a lost packet, and of each outage
//! everybody once, and once of its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::faults::{EVERY, Fault, Kind, RETRY, TIMEOUT, confirmed_within, faults};
use super::fleet::Fleet;
use super::network;
use super::receiver::{Event, Receiver};
use crate::figures::{Figures, quantile};
use crate::stage::{Answer, Stage};
use crate::workspace::{self, epoch};

const SEED: u64 = 1;
/// On top of what lokahi needs to confirm an outage: to tell it.
const TELLING: Duration = Duration::from_secs(1);
/// A probe may have begun within an outage, and be confirmed by one that began then, too.
const GRACE: Duration = Duration::from_secs(12);
/// How many of what is wrong are shown.
const SHOWN: usize = 20;

pub(super) fn measure(fleet: &mut Fleet<'_>, checks: u32, length: Duration) -> Result<Figures> {
    let script = Arc::new(faults(SEED, checks, length));
    let begun: Arc<OnceLock<Instant>> = Arc::default();
    let (played, since) = (Arc::clone(&script), Arc::clone(&begun));
    let stage = Stage::start(move |page| match since.get() {
        Some(since) => play(&played, page, since.elapsed()),
        None => Answer::Well,
    })?;
    let receiver = Receiver::start()?;
    let applied = fleet.apply(&files(checks, stage.port, receiver.port)?)?;
    fleet.wait_until(&format!(
        "select count(distinct check_no) >= {checks} from observations"
    ))?;
    let port = stage.port;
    network::filter(&format!(
        "tcp dport {port} numgen random mod 100 < 1 counter name hit drop\n\
         tcp sport {port} numgen random mod 100 < 1 counter name hit drop"
    ))?;
    let before = fleet.page()?;
    let (since, epoch) = (workspace::monotonic(), epoch()?);
    begun.get_or_init(|| since);
    fleet.sleep(length)?;
    // Until the end of the last outage was seen and told.
    fleet.sleep(EVERY + (RETRY + TIMEOUT) * 2 + GRACE)?;
    let page = fleet.page()?.since(&before);
    let lost = network::hits()?;
    let told = receiver.events(since)?;
    let repeated = receiver.count().repeated;
    let verdict = Verdict::of(&script, &told);

    let mut figures = Figures::default();
    let seconds = applied.as_secs_f64();
    figures.add("apply", seconds, format!("{seconds:.1} s"));
    figures.add("checks", checks, checks.to_string());
    let minutes = length.as_secs_f64() / 60.0;
    figures.add("length", length.as_secs(), format!("{minutes:.1} minutes"));
    figures.add("packets lost", lost, lost.to_string());
    for name in ["recorded", "skipped", "lost"] {
        let count = page.get(&format!("lokahi_probes_{name}_total"));
        figures.add(&format!("probes {name}"), count, format!("{count:.0}"));
    }
    let blips = script.iter().flatten().filter(|fault| !fault.is_outage());
    let blips = blips.count();
    figures.add("blips", blips, blips.to_string());
    let met = stage.asked().into_iter().filter(|(page, at)| {
        let now = Duration::try_from_secs_f64(at - epoch).ok();
        let met = now.and_then(|now| fault(&script, *page, now));
        met.is_some_and(|fault| !fault.is_outage())
    });
    let met = met.count();
    figures.add("probes that met one", met, met.to_string());
    let outages = verdict.outages;
    figures.add("outages", outages, outages.to_string());
    let none = |figures: &mut Figures, name: &str, count: usize| {
        figures.add_with_bar(name, count, count.to_string(), "0");
    };
    none(&mut figures, "told of no outage", verdict.false_downs);
    none(&mut figures, "outages not told", verdict.missed);
    none(&mut figures, "outages told twice", verdict.doubled);
    none(&mut figures, "ends not told", verdict.unclosed);
    none(&mut figures, "ends told twice", verdict.closed_twice);
    none(&mut figures, "ends told before they were", verdict.early);
    figures.add("deliveries repeated", repeated, repeated.to_string());
    let bar = confirmed_within() + TELLING;
    quantiles(&mut figures, "detection", &verdict.detection, bar);
    quantiles(&mut figures, "recovery", &verdict.recovery, bar);
    for line in verdict.wrong.iter().take(SHOWN) {
        println!("{line}");
    }
    let wrong: Vec<_> = verdict.wrong.iter().take(SHOWN).collect();
    if !wrong.is_empty() {
        figures.add("what is wrong", json!(wrong), "see above".to_owned());
    }
    Ok(figures)
}

fn files(checks: u32, site: u16, hook: u16) -> Result<Vec<(String, String)>> {
    let mut text = format!(
        "lokahi {{\n  project = \"bench\"\n}}\n\
         webhook \"hook\" {{\n  url = \"http://127.0.0.1:{hook}/\"\n  format = \"json\"\n}}\n\
         defaults {{\n  every = \"{}s\"\n  timeout = \"{}s\"\n  confirm {{\n  retry = \"{}s\"\n  }}\n\
         notify {{\n  webhooks = [webhook.hook]\n  }}\n}}\n",
        EVERY.as_secs(),
        TIMEOUT.as_secs(),
        RETRY.as_secs()
    );
    for n in 0..checks {
        writeln!(
            text,
            "check \"c{n}\" {{\n  url = \"http://127.0.0.1:{site}/{n}\"\n}}"
        )?;
    }
    Ok(vec![("lokahi.hcl".to_owned(), text)])
}

/// What a page does so long after the beginning.
fn play(script: &[Vec<Fault>], page: u32, now: Duration) -> Answer {
    match fault(script, page, now) {
        None => Answer::Well,
        Some(fault) => match fault.kind {
            Kind::Answers500 => Answer::Bad,
            Kind::Closes => Answer::Close,
            Kind::Hangs => Answer::Hang,
        },
    }
}

fn fault(script: &[Vec<Fault>], page: u32, now: Duration) -> Option<&Fault> {
    let mut faults = script.get(page as usize).into_iter().flatten();
    faults.find(|fault| (fault.from..fault.until).contains(&now))
}

/// The script held against what was told.
#[derive(Debug, Default)]
struct Verdict {
    outages: usize,
    false_downs: usize,
    missed: usize,
    doubled: usize,
    unclosed: usize,
    closed_twice: usize,
    early: usize,
    /// In seconds, sorted.
    detection: Vec<f64>,
    recovery: Vec<f64>,
    /// In words.
    wrong: Vec<String>,
}

/// An outage, and how often and when it was told.
struct Outage {
    from: Duration,
    until: Duration,
    opened: Option<Duration>,
    closed: bool,
}

impl Verdict {
    fn of(script: &[Vec<Fault>], told: &[Event]) -> Self {
        let mut verdict = Self::default();
        let mut by_page: BTreeMap<u32, Vec<Event>> = BTreeMap::new();
        for event in told {
            by_page.entry(event.page).or_default().push(*event);
        }
        for (page, faults) in (0..).zip(script) {
            let outages = faults.iter().filter(|fault| fault.is_outage());
            let outages = outages.map(|fault| Outage {
                from: fault.from,
                until: fault.until,
                opened: None,
                closed: false,
            });
            let events = by_page.remove(&page).unwrap_or_default();
            verdict.judge(page, outages.collect(), &events);
        }
        verdict.detection.sort_by(f64::total_cmp);
        verdict.recovery.sort_by(f64::total_cmp);
        verdict
    }

    fn judge(&mut self, page: u32, mut outages: Vec<Outage>, events: &[Event]) {
        self.outages += outages.len();
        for event in events {
            let at = event.at;
            let mut wrong = |what: &str| self.wrong.push(format!("/{page} at {at:.1?}: {what}"));
            if event.opens {
                let mut begun = outages.iter_mut();
                match begun.find(|it| (it.from..it.until + GRACE).contains(&at)) {
                    None => {
                        wrong("down, and it was not");
                        self.false_downs += 1;
                    }
                    Some(outage) if outage.opened.is_some() => {
                        wrong("down, once more");
                        self.doubled += 1;
                    }
                    Some(outage) => {
                        outage.opened = Some(at);
                        self.detection.push((at - outage.from).as_secs_f64());
                    }
                }
                continue;
            }
            // The one that began last.
            match outages.iter_mut().rfind(|it| it.from <= at) {
                // What was told without an outage ends, too.
                Some(outage) if outage.opened.is_some() && at < outage.until => {
                    wrong("up, and it was not");
                    self.early += 1;
                }
                Some(outage) if outage.closed => {
                    wrong("up, once more");
                    self.closed_twice += 1;
                }
                Some(outage) if outage.opened.is_some() => {
                    outage.closed = true;
                    self.recovery.push((at - outage.until).as_secs_f64());
                }
                _ => {}
            }
        }
        for Outage {
            from,
            until,
            opened,
            closed,
        } in outages
        {
            let span = format!("from {from:.1?} to {until:.1?}");
            match (opened, closed) {
                (None, _) => {
                    self.missed += 1;
                    self.wrong.push(format!("/{page} {span}: not told"));
                }
                (Some(_), false) => {
                    self.unclosed += 1;
                    self.wrong
                        .push(format!("/{page} {span}: its end was not told"));
                }
                (Some(_), true) => {}
            }
        }
    }
}

fn quantiles(figures: &mut Figures, name: &str, sorted: &[f64], bar: Duration) {
    for (part, label) in [(0.5, "p50"), (0.99, "p99"), (1.0, "max")] {
        let found = quantile(sorted, part);
        let bar = match label {
            "p50" => String::new(),
            _ => format!("<= {} s", bar.as_secs()),
        };
        let name = format!("{name} {label}");
        figures.add_with_bar(&name, found, format!("{found:.1} s"), &bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn judged(events: &[(u32, bool)]) -> Verdict {
        let outage = |from: u32, until: u32| Fault {
            from: SECOND * from,
            until: SECOND * until,
            kind: Kind::Closes,
        };
        let blip = outage(300, 301);
        let script = vec![vec![outage(100, 200), blip, outage(400, 500)]];
        let event = |(at, opens): &(u32, bool)| Event {
            page: 0,
            at: SECOND * *at,
            opens: *opens,
        };
        let told: Vec<_> = events.iter().map(event).collect();
        Verdict::of(&script, &told)
    }

    #[test]
    fn what_was_told_is_held_against_the_script() {
        let counts = |events: &[(u32, bool)]| {
            let found = judged(events);
            let wrong = [found.false_downs, found.missed, found.doubled];
            let ends = [found.unclosed, found.closed_twice, found.early];
            (wrong, ends)
        };
        let good = [(130, true), (220, false), (440, true), (520, false)];
        assert_eq!(counts(&good), ([0; 3], [0; 3]));
        assert_eq!(judged(&good).detection, [30.0, 40.0]);
        assert_eq!(judged(&good).recovery, [20.0, 20.0]);
        assert_eq!(counts(&[]), ([0, 2, 0], [0; 3]));
        let with = |event: (u32, bool)| {
            let mut events = good.to_vec();
            events.push(event);
            events.sort_unstable();
            counts(&events)
        };
        assert_eq!(with((310, true)), ([1, 0, 0], [0; 3]));
        assert_eq!(with((150, true)), ([0, 0, 1], [0; 3]));
        assert_eq!(with((230, false)), ([0; 3], [0, 1, 0]));
        assert_eq!(with((150, false)), ([0; 3], [0, 0, 1]));
        assert_eq!(counts(&good[..3]), ([0; 3], [1, 0, 0]));
    }
}
