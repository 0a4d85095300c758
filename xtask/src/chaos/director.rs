//! Does to everything what the script says, and notes what was done and when.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use super::fault::{ARMED, Fault, Kind, Moment, Who};
use super::hooks::Hooks;
use super::judge::Window;
use super::script::Span;
use super::trap::Trap;
use super::troupe::Troupe;

const LOKAHIDS: [Who; 2] = [Who::Lokahid1, Who::Lokahid2];
const WEBHOOKWORKERS: [Who; 2] = [Who::Webhookworker1, Who::Webhookworker2];
/// Until what waited for its moment in vain waits once more, in seconds.
const PAUSE: f64 = 3.0;
/// What Postgres says when its disk is full.
const FULL: &str = "No space left on device";

/// A fault that is not over.
#[derive(Debug)]
struct Open {
    fault: Fault,
    since: f64,
    until: f64,
    trap: Option<Trap>,
    /// What Postgres had said of its disk before.
    said: usize,
}

/// What was done of a kind.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Done {
    pub(super) times: usize,
    /// It waited for its moment, and that did not come; or it was done, and nobody noticed.
    pub(super) missed: usize,
    /// Seconds, together.
    pub(super) lasted: f64,
}

#[derive(Debug, Default)]
pub(super) struct Director {
    /// The next one last.
    left: Vec<Fault>,
    until: f64,
    open: Vec<Open>,
    pub(super) windows: Vec<Window>,
    pub(super) done: BTreeMap<String, Done>,
    /// In words, with the time.
    pub(super) notes: Vec<String>,
}

impl Director {
    /// Of these faults, in their order, which are over by `until`.
    pub(super) fn of(faults: &[Fault], until: f64) -> Self {
        let mut left = faults.to_vec();
        left.reverse();
        Self {
            left,
            until,
            ..Self::default()
        }
    }

    /// Whether all was done, and is over.
    pub(super) fn is_through(&self) -> bool {
        self.left.is_empty() && self.open.is_empty()
    }

    /// Begins and ends what is to begin and to end by now.
    pub(super) fn look(&mut self, now: f64, troupe: &mut Troupe, hooks: &Hooks) -> Result<()> {
        while let Some(fault) = self.left.pop_if(|fault| fault.at <= now) {
            self.begin(fault, now, troupe, hooks)?;
        }
        for mut it in std::mem::take(&mut self.open) {
            if let Some(trap) = it.trap.take_if(|trap| trap.has_sprung()) {
                drop(trap);
                it.since = now;
                it.until = now + it.fault.lasts - ARMED;
                self.note(now, format!("{}, now", it.fault.kind.whom()));
                for who in killed(it.fault.kind) {
                    troupe.keep_down(*who, it.until);
                }
            }
            match it.until <= now && self.end(&it, now, troupe, hooks)? {
                true => {}
                false => self.open.push(it),
            }
        }
        Ok(())
    }

    fn note(&mut self, now: f64, words: String) {
        let line = format!("{now:6.1} s  {words}");
        println!("{line}");
        self.notes.push(line);
    }

    /// Once more, later, while there is time.
    fn again(&mut self, fault: Fault, now: f64) {
        let at = now + PAUSE;
        if at + fault.lasts < self.until {
            self.left.push(Fault { at, ..fault });
            self.left.sort_by(|one, other| other.at.total_cmp(&one.at));
        } else {
            self.done.entry(fault.kind.words()).or_default().missed += 1;
        }
    }

    fn begin(&mut self, fault: Fault, now: f64, troupe: &mut Troupe, hooks: &Hooks) -> Result<()> {
        let victims = victims(fault.kind);
        if troupe.pids(&victims).len() < victims.len() {
            self.again(fault, now);
            return Ok(());
        }
        let mut open = Open {
            fault,
            since: now,
            until: now + fault.lasts,
            trap: None,
            said: said(troupe),
        };
        match fault.kind {
            Kind::Kill(who) => troupe.kill(who, open.until)?,
            Kind::Freeze(who) => troupe.freeze(who, true),
            Kind::StopNats => troupe.stop(Who::Nats, open.until),
            Kind::RestartPostgres => troupe.stop(Who::Postgres, open.until),
            Kind::Cut(link) => troupe.proxy(link).cut(),
            Kind::Silence(link) => troupe.proxy(link).silence(true),
            Kind::FullDisk => fill(&filler(troupe))?,
            Kind::CutAtCommit(moment) => {
                let trap = Trap::killing(Vec::new());
                troupe.to_postgres.arm(trap.clone(), moment);
                open.trap = Some(trap);
            }
            Kind::KillAtCommit(moment) => {
                let trap = Trap::killing(troupe.pids(&LOKAHIDS));
                troupe.to_postgres.arm(trap.clone(), moment);
                open.trap = Some(trap);
            }
            Kind::KillPostgresAtCommit => {
                let trap = Trap::killing(troupe.pids(&[Who::Postgres]));
                troupe.to_postgres.arm(trap.clone(), Moment::After);
                open.trap = Some(trap);
            }
            Kind::KillAtDelivery(moment) => {
                let trap = Trap::killing(troupe.pids(&WEBHOOKWORKERS));
                hooks.arm(trap.clone(), moment);
                open.trap = Some(trap);
            }
            Kind::FreezeAtClaim(who) => {
                let trap = Trap::freezing(troupe.pids(&[who]));
                troupe.to_postgres.await_claim(trap.clone(), who, false);
                open.trap = Some(trap);
            }
            Kind::HoldAtClaim(who) => {
                let trap = Trap::killing(Vec::new());
                troupe.to_postgres.await_claim(trap.clone(), who, true);
                open.trap = Some(trap);
            }
        }
        if open.trap.is_none() {
            let words = format!("{}, for {:.1} s", fault.kind.whom(), fault.lasts);
            self.note(now, words);
        }
        self.open.push(open);
        Ok(())
    }

    /// Whether it is over.
    fn end(&mut self, it: &Open, now: f64, troupe: &Troupe, hooks: &Hooks) -> Result<bool> {
        let mut missed = it.trap.is_some();
        match it.fault.kind {
            Kind::Kill(who) if !troupe.is_up(who) => return Ok(false),
            Kind::StopNats if !troupe.is_up(Who::Nats) => return Ok(false),
            Kind::RestartPostgres if !troupe.is_up(Who::Postgres) => return Ok(false),
            kind if !missed && killed(kind).iter().any(|who| !troupe.is_up(*who)) => {
                return Ok(false);
            }
            Kind::Freeze(who) | Kind::FreezeAtClaim(who) => troupe.freeze(who, false),
            Kind::HoldAtClaim(_) => troupe.to_postgres.release(),
            Kind::Silence(link) => {
                troupe.proxy(link).silence(false);
                // Every other time what was silent is over, too.
                if ((it.fault.lasts * 10.0) as u64).is_multiple_of(2) {
                    troupe.proxy(link).cut();
                }
            }
            Kind::FullDisk => {
                let filler = filler(troupe);
                if filler.exists() {
                    fs::remove_file(filler)?;
                }
                if !troupe.is_up(Who::Postgres) {
                    return Ok(false);
                }
                missed = said(troupe) == it.said;
            }
            _ => {}
        }
        match it.fault.kind {
            _ if it.trap.is_none() => {}
            Kind::KillAtDelivery(_) => hooks.disarm(),
            Kind::FreezeAtClaim(_) | Kind::HoldAtClaim(_) => {
                troupe.to_postgres.await_no_claim();
            }
            _ => troupe.to_postgres.disarm(),
        }
        let done = self.done.entry(it.fault.kind.words()).or_default();
        let span = Span {
            from: it.since,
            until: now,
        };
        if it.trap.is_some() {
            // While everything is broken nothing is committed or delivered: once more, later.
            self.again(it.fault, now);
        } else if missed {
            done.missed += 1;
        } else {
            done.times += 1;
            done.lasted += now - it.since;
        }
        // A disk that was full may have been noticed all the same.
        if it.trap.is_none() {
            self.windows.push(Window {
                kind: it.fault.kind,
                span,
            });
        }
        Ok(true)
    }

    /// The windows of what is not over, too.
    pub(super) fn all_windows(&self, now: f64) -> Vec<Window> {
        let open = self.open.iter().filter(|it| it.trap.is_none());
        let open = open.map(|it| Window {
            kind: it.fault.kind,
            span: Span {
                from: it.since,
                until: now,
            },
        });
        self.windows.iter().copied().chain(open).collect()
    }
}

fn killed(kind: Kind) -> &'static [Who] {
    match kind {
        Kind::KillAtCommit(_) => &LOKAHIDS,
        Kind::KillPostgresAtCommit => &[Who::Postgres],
        Kind::KillAtDelivery(_) => &WEBHOOKWORKERS,
        _ => &[],
    }
}

/// Who must be there for a trap.
fn victims(kind: Kind) -> Vec<Who> {
    match kind {
        Kind::FreezeAtClaim(who) | Kind::HoldAtClaim(who) => vec![who],
        _ => killed(kind).to_vec(),
    }
}

fn filler(troupe: &Troupe) -> PathBuf {
    troupe.postgres.data().join("filler")
}

/// Writes until nothing more fits.
fn fill(path: &PathBuf) -> Result<()> {
    let mut file = File::create(path)?;
    for size in [1 << 20, 1 << 12] {
        let block = vec![0; size];
        while file.write_all(&block).is_ok() {}
    }
    Ok(())
}

/// How often Postgres said that its disk is full.
fn said(troupe: &Troupe) -> usize {
    let log = fs::read(troupe.postgres.log()).unwrap_or_default();
    String::from_utf8_lossy(&log).matches(FULL).count()
}
