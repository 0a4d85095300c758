//! Ten receivers are away for half a minute, in which a page of each begins: how long after they
//! are back do they have it?

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{RECEIVERS, Told, declare, files, receivers};
use crate::bench::fleet::Fleet;
use crate::bench::receiver::{Manner, Receiver};
use crate::figures::Figures;
use crate::stage::{Answer, Stage};
use crate::workspace;

/// In seconds.
const EVERY: u32 = 1;
const AWAY: Duration = Duration::from_secs(30);
/// A page begins so long after the receivers went, and the next one so much later: the last is
/// tried for the first time before they are back.
const FIRST: Duration = Duration::from_millis(700);
const STEP: Duration = Duration::from_millis(2_900);
const BAR: Duration = Duration::from_secs(20);
/// What has not arrived then is missing.
const PATIENCE: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_millis(100);

pub(super) fn measure(fleet: &mut Fleet<'_>, figures: &mut Figures) -> Result<()> {
    println!("{RECEIVERS} receivers are away for {} s:", AWAY.as_secs());
    let begun: Arc<OnceLock<Instant>> = Arc::default();
    let since = Arc::clone(&begun);
    let stage = Stage::start(move |page| match since.get() {
        Some(since) if since.elapsed() >= FIRST + STEP * page => Answer::Bad,
        _ => Answer::Well,
    })?;
    let told = receivers(RECEIVERS)?;
    let checks = RECEIVERS as u32;
    let files = files((checks, EVERY), stage.port, &told, Told::One)?;
    declare(fleet, checks, &files)?;
    for receiver in &told {
        receiver.behave(Manner::Away);
    }
    let gone = *begun.get_or_init(workspace::monotonic);
    fleet.sleep_until(gone + AWAY)?;
    let tried = fleet
        .postgres()
        .query("select count(*) from deliveries where state = 'pending' and attempts > 0")?;
    for receiver in &told {
        receiver.behave(Manner::Answers);
    }
    let back = workspace::monotonic();
    println!("they are back; {tried} pages were tried while they were away");
    let mut took = waits(&told, back)?;
    while took.len() < RECEIVERS && back.elapsed() < PATIENCE {
        fleet.sleep(TICK)?;
        took = waits(&told, back)?;
    }
    figures.add_with_bar(
        "restarts, pages tried while away",
        tried.as_str(),
        tried.clone(),
        &RECEIVERS.to_string(),
    );
    let missing = RECEIVERS - took.len();
    figures.add_with_bar("restarts, missing", missing, missing.to_string(), "0");
    took.sort_by(f64::total_cmp);
    let all: Vec<String> = took.iter().map(|it| format!("{it:.1}")).collect();
    println!("back to received, in seconds: {}", all.join(", "));
    let longest = took.last().copied().unwrap_or_default();
    figures.add_with_bar(
        "back to received, longest",
        longest,
        format!("{longest:.1} s"),
        &format!("< {} s", BAR.as_secs()),
    );
    Ok(())
}

/// How long after they were back receivers had their page, in seconds, of those that have it.
fn waits(receivers: &[Receiver], back: Instant) -> Result<Vec<f64>> {
    let mut waits = Vec::new();
    for receiver in receivers {
        let events = receiver.events(back)?;
        let page = events.iter().find(|event| event.opens);
        waits.extend(page.map(|event| event.at.as_secs_f64()));
    }
    Ok(waits)
}
