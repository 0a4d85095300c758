//! One run: it sets lokahi up, follows the script, waits until all is normal again, and has what
//! there is then judged.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::director::Director;
use super::facts::Facts;
use super::hooks::{Hooks, Reception};
use super::judge::{self, BOUND, Case, Verdict, Violation};
use super::script::{Failure, Script, Span};
use super::troupe::Troupe;
use super::{Clock, cast};
use crate::stage::{Answer, Stage};
use crate::wish::Wish;
use crate::workspace;

const TICK: Duration = Duration::from_millis(20);
/// How often is said how it goes, in seconds.
const PROGRESS: f64 = 10.0;
/// Until lokahi is there and has seen each check once, on a slow machine.
const READY: Duration = Duration::from_secs(120);
/// After all is normal so long is waited for what is still to come, in seconds.
const AFTERWARDS: f64 = 5.0;
/// This machine stood still if a short sleep takes so much longer, in seconds.
const STALL: f64 = 1.0;

/// What a run has found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) script: Arc<Script>,
    pub(super) verdict: Verdict,
    pub(super) facts: Facts,
    pub(super) heard: Vec<Reception>,
    pub(super) director: Director,
    pub(super) stalls: Vec<Span>,
    /// What ended by itself, in words.
    pub(super) ended: Vec<String>,
    /// Seconds from the end of the last fault until all was normal.
    pub(super) normal: Option<f64>,
    /// Of all outages of the script, those that were believed to be one.
    pub(super) outages: usize,
    /// What Postgres has of the attempts.
    pub(super) attempts: String,
}

#[derive(Debug)]
pub(super) struct Run<'a> {
    script: Arc<Script>,
    troupe: Troupe,
    hooks: Hooks,
    stage: Stage,
    clock: Clock,
    stalls: Arc<Mutex<Vec<Span>>>,
    wish: &'a Wish,
}

impl<'a> Run<'a> {
    pub(super) fn new(script: Script, troupe: Troupe, wish: &'a Wish) -> Result<Self> {
        let (script, clock) = (Arc::new(script), Clock::default());
        let (played, now) = (Arc::clone(&script), clock.clone());
        let stage = Stage::start(move |page| {
            let outage = now.now().and_then(|at| played.outage(page as usize, at));
            match outage.map(|outage| outage.failure) {
                None => Answer::Well,
                Some(Failure::Answers500) => Answer::Bad,
                Some(Failure::Closes) => Answer::Close,
                Some(Failure::Hangs) => Answer::Hang,
            }
        })?;
        Ok(Self {
            hooks: Hooks::start(Arc::clone(&script), clock.clone())?,
            script,
            troupe,
            stage,
            stalls: watch_stalls(clock.clone()),
            clock,
            wish,
        })
    }

    /// From the beginning to the verdict.
    pub(super) fn play(&mut self) -> Result<Found> {
        self.set_up()?;
        self.clock.begin()?;
        let mut director = Director::of(&self.script.faults, self.script.last);
        let mut said = 0.0;
        let mut last = self.script.last;
        // What does not come back must not be waited for without an end.
        let patience = self.script.last + BOUND;
        while self.now() < self.script.last || !director.is_through() && self.now() < patience {
            let now = self.now();
            self.step(&mut director)?;
            if !director.is_through() {
                last = last.max(now);
            }
            if now >= said + PROGRESS {
                said = now;
                self.progress(&director);
            }
        }
        println!("{:6.1} s  the last fault is over", self.now());
        let normal = self.settle(&mut director, last)?;
        let until = self.now() + AFTERWARDS;
        while self.now() < until {
            self.step(&mut director)?;
        }
        self.judge(director, normal)
    }

    fn now(&self) -> f64 {
        self.clock.now().unwrap_or_default()
    }

    fn step(&mut self, director: &mut Director) -> Result<()> {
        if self.wish.is_to_stop() {
            bail!("stopped");
        }
        let now = self.now();
        director.look(now, &mut self.troupe, &self.hooks)?;
        self.troupe.look(now)?;
        thread::sleep(TICK);
        Ok(())
    }

    /// Until lokahi runs, has its checks, and has seen that each is up.
    fn set_up(&mut self) -> Result<()> {
        let since = workspace::monotonic();
        let wait = |run: &mut Self, what: &str, is_done: &dyn Fn(&Self) -> bool| {
            while !is_done(run) {
                if run.wish.is_to_stop() {
                    bail!("stopped");
                }
                if since.elapsed() > READY {
                    bail!("{what} within {READY:?}");
                }
                run.troupe.look(since.elapsed().as_secs_f64())?;
                thread::sleep(TICK * 10);
            }
            Ok(())
        };
        wait(self, "lokahid is not ready", &|run| {
            run.troupe.unready().is_empty()
        })?;
        let (site, ports) = (self.stage.port, &self.hooks.ports);
        self.troupe.apply(&cast::files(site, ports)?)?;
        for check in cast::DECLARED..cast::CHECKS {
            let port = ports.last().context("receivers")?;
            let mut create = self.troupe.lokahictl()?;
            create.args(["create", "--name", &cast::name(check)]);
            create.args(["--url", &format!("http://127.0.0.1:{site}/{check}")]);
            create.args(["--every", &format!("{}s", cast::EVERY)]);
            create.args(["--webhook-url", &format!("http://127.0.0.1:{port}/")]);
            workspace::output(create.args(["--webhook-format", "json"]))?;
        }
        let all = cast::CHECKS;
        let up = format!("select count(*) = {all} from check_states where state = 1");
        wait(self, "not each check is up", &|run| {
            run.troupe.postgres.query(&up).is_ok_and(|up| up == "t")
        })?;
        let took = since.elapsed().as_secs_f64();
        println!("{all} checks are up after {took:.1} s");
        Ok(())
    }

    /// Waits until all is as it was before the faults; how long that took since the last one.
    fn settle(&mut self, director: &mut Director, last: f64) -> Result<Option<f64>> {
        let mut said = self.now();
        loop {
            for _ in 0..50 {
                self.step(director)?;
            }
            let now = self.now();
            let wrong = self.unsettled(last)?;
            if wrong.is_empty() {
                println!("{now:6.1} s  all is normal again");
                return Ok(Some(now - last));
            }
            if now >= said + PROGRESS {
                said = now;
                println!("{now:6.1} s  waiting: {}", wrong.join("; "));
            }
            if now - last > BOUND {
                return Ok(None);
            }
        }
    }

    /// What is not as it should be.
    fn unsettled(&self, last: f64) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let unready = self.troupe.unready();
        wrong.extend(
            unready
                .iter()
                .map(|who| format!("{} is not ready", who.name())),
        );
        let Ok(facts) = self.facts() else {
            wrong.push("Postgres is away".to_owned());
            return Ok(wrong);
        };
        let differs = facts
            .states
            .iter()
            .filter(|(check, state)| state.is_outage() == self.script.ends_up(**check));
        let differs = differs.count();
        if differs > 0 {
            wrong.push(format!(
                "{differs} checks are not believed to be as they are"
            ));
        }
        let waits = facts.deliveries.iter();
        let waits = waits.filter(|it| ["held", "pending"].contains(&it.state.as_str()));
        let waits = waits.count();
        if waits > 0 {
            wrong.push(format!("{waits} deliveries have no outcome"));
        }
        // That a receiver fails, or does no more.
        let untold = "select count(*) from receiver_status \
             where (failing_since is null) <> (told_at is null)";
        let untold = self.troupe.postgres.query(untold)?;
        if untold != "0" {
            wrong.push(format!("nobody was told how {untold} receivers do"));
        }
        let since = self.clock.epoch() + last;
        let probed = self.troupe.postgres.query(&format!(
            "select count(distinct check_no) from observations where at > to_timestamp({since})"
        ))?;
        if probed != cast::CHECKS.to_string() {
            wrong.push(format!("only {probed} checks were probed since"));
        }
        Ok(wrong)
    }

    fn facts(&self) -> Result<Facts> {
        let epoch = self.clock.epoch();
        Facts::read(&self.troupe.postgres, &self.hooks.ports, epoch)
    }

    fn progress(&self, director: &Director) {
        let now = self.now();
        let heard = self.hooks.heard().len();
        let count = "select count(*) from transitions";
        let count = self.troupe.postgres.query(count);
        let count = count.unwrap_or_else(|_| "?".to_owned());
        let done: usize = director.done.values().map(|it| it.times).sum();
        let bad = (0..cast::RECEIVERS.len()).filter(|it| self.script.mood(*it, now).is_some());
        let bad = bad.count();
        println!(
            "{now:6.1} s  {count} transitions, {heard} times something came to receivers, {bad} of \
             which misbehave; {done} faults are over"
        );
    }

    fn judge(&self, director: Director, normal: Option<f64>) -> Result<Found> {
        let facts = self.facts().context("Postgres does not come back")?;
        let heard = self.hooks.heard();
        let now = self.now();
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let case = Case {
            script: &self.script,
            facts: &facts,
            heard: &heard,
            windows: &director.all_windows(now),
            stalls: &stalls,
            ended: now,
        };
        let mut verdict = judge::judge(&case);
        if normal.is_none() {
            let mut what = format!("expected all to be normal within {BOUND} s");
            for wrong in self.unsettled(now - BOUND)? {
                what = format!("{what}; {wrong}");
            }
            verdict.violations.insert(0, Violation::general(what));
        }
        let mut ended = Vec::new();
        for (who, how, at) in &self.troupe.ended {
            let words = format!("{} at {at:.1} s: {how}", who.name());
            if how.contains("101") || how.contains("signal") {
                let what = format!("expected no program to crash: {words}");
                verdict.violations.push(Violation::general(what));
            }
            ended.push(words);
        }
        let attempts = "select * from attempts order by started_at";
        let outages = self.script.outages.iter().flatten();
        Ok(Found {
            verdict,
            script: Arc::clone(&self.script),
            heard,
            stalls: stalls.clone(),
            ended,
            normal,
            outages: outages.filter(|it| it.span.from < now).count(),
            attempts: self.troupe.postgres.query(attempts)?,
            facts,
            director,
        })
    }
}

/// Notes when this machine, or this process, stood still.
fn watch_stalls(clock: Clock) -> Arc<Mutex<Vec<Span>>> {
    let stalls: Arc<Mutex<Vec<Span>>> = Arc::default();
    let notes = Arc::clone(&stalls);
    thread::spawn(move || {
        loop {
            let from = clock.now();
            thread::sleep(TICK);
            let (Some(from), Some(until)) = (from, clock.now()) else {
                continue;
            };
            if until - from > STALL {
                let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                notes.push(Span { from, until });
            }
        }
    });
    stalls
}
