//! What Postgres says in the end.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::cast::{self, CHECKS};
use super::event::Event;
use crate::postgres::Postgres;

/// The state of a check, as Postgres numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Init,
    Up,
    Down,
    Error,
}

impl Transition {
    /// Whether it says again what was told.
    pub(super) fn reminds(&self) -> bool {
        self.kind == REMINDER
    }
}

impl State {
    fn of(number: &str) -> Result<Self> {
        let all = [Self::Init, Self::Up, Self::Down, Self::Error];
        let number: usize = number.parse()?;
        all.get(number).copied().context("no such state")
    }

    pub(super) fn number(self) -> i32 {
        self as i32
    }

    pub(super) fn is_outage(self) -> bool {
        matches!(self, Self::Down | Self::Error)
    }

    /// The type of the event that tells it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Init => "",
            Self::Up => "check.up",
            Self::Down => "check.down",
            Self::Error => "check.error",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Transition {
    pub(super) id: String,
    pub(super) check: usize,
    pub(super) sequence: i64,
    pub(super) kind: String,
    pub(super) previous: State,
    pub(super) next: State,
    /// Empty where it belongs to none.
    pub(super) incident: String,
    /// When the probe was due that says so, in seconds since the beginning.
    pub(super) at: f64,
    pub(super) told: bool,
}

/// The type of the event that tells of an outage again.
pub(super) const REMINDER: &str = "check.reminder";
/// The type of the event that tells others together.
pub(super) const GROUP: &str = "group";

/// What is of no check: a group, and what is told of a project.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) event: Event,
    /// In seconds since the beginning.
    pub(super) at: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) event: String,
    pub(super) receiver: usize,
    /// `None` where its event is of no check.
    pub(super) check: Option<usize>,
    pub(super) sequence: i64,
    /// `pending`, `delivered` and so on.
    pub(super) state: String,
    pub(super) superseded_by: String,
    pub(super) reason: String,
    /// When it was owed, when it was attempted first, and when it had its outcome, in seconds since
    /// the beginning.
    pub(super) created: f64,
    pub(super) attempted: Option<f64>,
    /// When an attempt ended first.
    pub(super) failed: Option<f64>,
    pub(super) finished: Option<f64>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// By check, then in their order.
    pub(super) transitions: Vec<Transition>,
    /// In the order in which they happened.
    pub(super) notices: Vec<Notice>,
    /// In the order of the transitions, then those of notices.
    pub(super) deliveries: Vec<Delivery>,
    /// The state of each check that is believed.
    pub(super) states: BTreeMap<usize, State>,
    /// By its id, the check.
    pub(super) checks: BTreeMap<String, usize>,
}

impl Facts {
    /// `hooks` are the ports of the receivers, `epoch` is when it began, in seconds since 1970.
    pub(super) fn read(postgres: &Postgres, hooks: &[u16], epoch: f64) -> Result<Self> {
        let mut facts = Self::default();
        let page = |name: &str| cast::page(name).filter(|page| *page < CHECKS);
        let checks = postgres.query(
            "select c.id, c.address, s.state from checks c join check_states s on s.check_id = c.id",
        )?;
        for row in rows::<3>(&checks) {
            let [id, name, state] = row?;
            let check = page(name).with_context(|| format!("{name} is none of ours"))?;
            facts.states.insert(check, State::of(state)?);
            facts.checks.insert(id.to_owned(), check);
        }
        let transitions = postgres.query(
            "select t.id, c.address, t.seq, t.type, t.previous, t.next, \
             coalesce(t.incident_id::text, ''), extract(epoch from t.at), t.told \
             from transitions t join checks c on c.id = t.check_id order by c.check_no, t.seq",
        )?;
        for row in rows::<9>(&transitions) {
            let [id, name, sequence, kind, previous, next, incident, at, told] = row?;
            facts.transitions.push(Transition {
                id: id.to_owned(),
                check: page(name).context("a check of ours")?,
                sequence: sequence.parse()?,
                kind: kind.to_owned(),
                previous: State::of(previous)?,
                next: State::of(next)?,
                incident: incident.to_owned(),
                at: at.parse::<f64>()? - epoch,
                told: told == "t",
            });
        }
        let notices = postgres.query(
            "select extract(epoch from at), encode(payload, 'hex') \
             from transitions where check_id is null order by at, id",
        )?;
        for row in rows::<2>(&notices) {
            let [at, payload] = row?;
            facts.notices.push(Notice {
                event: Event::of_payload(&bytes(payload)?)?,
                at: at.parse::<f64>()? - epoch,
            });
        }
        let deliveries = postgres.query(
            "select d.id, d.event_id, substring(r.url from ':([0-9]+)/'), \
             coalesce(c.address, ''), d.seq, d.state, coalesce(d.superseded_by::text, ''), \
             extract(epoch from d.created_at), extract(epoch from d.first_attempt_at), \
             (select extract(epoch from min(a.finished_at)) from attempts a \
              where a.delivery_id = d.id), \
             extract(epoch from d.finished_at), d.reason \
             from deliveries d left join checks c on c.id = d.check_id \
             join receivers r on r.id = d.receiver_id \
             where d.replay_no = 0 order by c.check_no, d.seq, r.url",
        )?;
        let moment = |text: &str| match text {
            "" => Ok(None),
            text => text.parse::<f64>().map(|at| Some(at - epoch)),
        };
        for row in rows::<12>(&deliveries) {
            let [
                id,
                event,
                port,
                name,
                sequence,
                state,
                by,
                created,
                attempted,
                failed,
                finished,
                reason,
            ] = row?;
            let port: u16 = port.parse()?;
            let receiver = hooks.iter().position(|hook| *hook == port);
            facts.deliveries.push(Delivery {
                id: id.to_owned(),
                event: event.to_owned(),
                receiver: receiver.context("a receiver of ours")?,
                check: match name {
                    "" => None,
                    name => Some(page(name).context("a check of ours")?),
                },
                sequence: sequence.parse()?,
                state: state.to_owned(),
                superseded_by: by.to_owned(),
                reason: reason.to_owned(),
                created: moment(created)?.context("when it was owed")?,
                attempted: moment(attempted)?,
                failed: moment(failed)?,
                finished: moment(finished)?,
            });
        }
        Ok(facts)
    }

    pub(super) fn transition(&self, id: &str) -> Option<&Transition> {
        self.transitions.iter().find(|it| it.id == id)
    }

    pub(super) fn notice(&self, id: &str) -> Option<&Notice> {
        self.notices.iter().find(|it| it.event.id == id)
    }
}

/// What is written in hexadecimal digits.
fn bytes(text: &str) -> Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}

/// What psql printed, so many columns a line.
fn rows<const N: usize>(text: &str) -> impl Iterator<Item = Result<[&str; N]>> {
    text.lines().map(|line| {
        let columns: Vec<&str> = line.splitn(N, '|').collect();
        let found = columns.try_into();
        found.map_err(|found: Vec<&str>| anyhow::anyhow!("{} columns in {line:?}", found.len()))
    })
}
