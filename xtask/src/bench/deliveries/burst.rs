//! All pages change, nobody sends, and then the webhookworker starts: when has all arrived?

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Pages, RECEIVERS, Told, declare, every, files, pile_up, receivers};
use crate::bench::fleet::Fleet;
use crate::bench::receiver::{Manner, Receiver};
use crate::figures::Figures;
use crate::workspace;

const BAR: Duration = Duration::from_secs(10);
/// What has not arrived then is missing.
const PATIENCE: Duration = Duration::from_secs(180);
/// What comes twice comes in this time, unless the worker that took it is gone.
const AFTERWARDS: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(100);

/// To one receiver.
pub(super) fn one(fleet: &mut Fleet<'_>, checks: u32, figures: &mut Figures) -> Result<()> {
    println!("one receiver:");
    let (site, told) = (Pages::start()?, receivers(1)?);
    let files = files((checks, every(checks)), site.port, &told, Told::One)?;
    declare(fleet, checks, &files)?;
    let arrived = round(fleet, &site, checks, &told, checks as usize)?;
    let bar = format!("< {} s at 10,000", BAR.as_secs());
    seconds(figures, "one receiver, all arrived", arrived.seconds, &bar);
    arrived.add(figures, "one receiver", checks as usize);
    let left = fleet
        .postgres()
        .query("select count(*) from deliveries where state <> 'delivered'")?;
    figures.add_with_bar(
        "one receiver, not delivered by Postgres",
        left.as_str(),
        left.clone(),
        "0",
    );
    Ok(())
}

/// To ten, of which all answer, and then one hangs.
pub(super) fn one_hangs(fleet: &mut Fleet<'_>, checks: u32, figures: &mut Figures) -> Result<()> {
    println!("ten receivers:");
    let (site, told) = (Pages::start()?, receivers(RECEIVERS)?);
    let files = files((checks, every(checks)), site.port, &told, Told::One)?;
    declare(fleet, checks, &files)?;
    let Some((hanging, others)) = told.split_first() else {
        return Ok(());
    };
    // Check n tells receiver n modulo ten.
    let to_others = checks as usize - (checks as usize).div_ceil(RECEIVERS);
    let answer = round(fleet, &site, checks, others, to_others)?;
    seconds(
        figures,
        "ten receivers, all answer, nine have all",
        answer.seconds,
        "",
    );
    answer.add(figures, "ten receivers, all answer", to_others);
    // The next round begins with nothing left of this one.
    fleet.wait_until("select count(*) = 0 from deliveries where state = 'pending'")?;
    fleet.postgres().query("vacuum (analyze)")?;

    hanging.behave(Manner::Hangs);
    let hang = round(fleet, &site, checks, others, to_others)?;
    seconds(
        figures,
        "ten receivers, one hangs, nine have all",
        hang.seconds,
        "",
    );
    hang.add(figures, "ten receivers, one hangs", to_others);
    let ratio = hang.seconds / answer.seconds.max(f64::EPSILON);
    figures.add_with_bar(
        "one hangs, times as long",
        ratio,
        format!("{ratio:.2}"),
        "about 1",
    );
    Ok(())
}

/// What came in a round.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    /// From the worker's start until the last of it came for the first time.
    seconds: f64,
    events: usize,
    repeated: usize,
}

impl Arrived {
    fn add(&self, figures: &mut Figures, name: &str, wanted: usize) {
        let missing = wanted.saturating_sub(self.events);
        for (what, count) in [("missing", missing), ("doubled", self.repeated)] {
            figures.add_with_bar(&format!("{name}, {what}"), count, count.to_string(), "0");
        }
    }
}

fn seconds(figures: &mut Figures, name: &str, seconds: f64, bar: &str) {
    figures.add_with_bar(name, seconds, format!("{seconds:.2} s"), bar);
}

/// All pages change while nobody sends; then it is waited until these receivers have what is
/// theirs.
fn round(
    fleet: &mut Fleet<'_>,
    site: &Pages,
    checks: u32,
    receivers: &[Receiver],
    wanted: usize,
) -> Result<Arrived> {
    fleet.stop_worker()?;
    let before = total(receivers);
    site.flip();
    pile_up(fleet, checks)?;
    let start = workspace::monotonic();
    fleet.start_worker(&[])?;
    while total(receivers).0 < before.0 + wanted && start.elapsed() < PATIENCE {
        fleet.sleep(TICK)?;
    }
    fleet.sleep(AFTERWARDS)?;
    let (events, repeated, last) = total(receivers);
    let arrived = Arrived {
        seconds: last.map_or(0.0, |last| last.duration_since(start).as_secs_f64()),
        events: events - before.0,
        repeated: repeated - before.1,
    };
    println!(
        "{} of {wanted} arrived within {:.2} s",
        arrived.events, arrived.seconds
    );
    Ok(arrived)
}

/// Events, repetitions, and when the last event came.
fn total(receivers: &[Receiver]) -> (usize, usize, Option<Instant>) {
    receivers
        .iter()
        .map(Receiver::count)
        .fold((0, 0, None), |(events, repeated, last), count| {
            let last = last.max(count.last);
            (events + count.events, repeated + count.repeated, last)
        })
}
