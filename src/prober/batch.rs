//! The reports of one batch on their way back: in few messages, but none waits for a probe
//! that hangs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::debug;

use super::stats::Stats;
use crate::bus::Bus;
use crate::clock;
use crate::model::probe::{Report, Reports};

/// How long the first report waits for others that finish with it.
const GATHER: Duration = Duration::from_millis(20);
/// The least time between two messages of one batch.
const APART: Duration = Duration::from_millis(20);

/// Who sends reports, and through what.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) bus: Bus,
    pub(super) stats: Arc<Stats>,
    pub(super) location: String,
    pub(super) worker: String,
}

/// What is still to come of a batch, and what waits to be sent.
#[derive(Debug)]
pub(super) struct Batch {
    number: u64,
    reply_to: String,
    sender: Arc<Sender>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    outstanding: usize,
    waiting: Vec<Report>,
    sent_at: Option<Instant>,
}

/// What whoever added a report has to do.
#[derive(Debug, PartialEq, Eq)]
enum Duty {
    Nothing,
    /// It was the last one.
    Send,
    /// It is the first that waits: send it, and what has come by then, after this time.
    SendAfter(Duration),
}

impl State {
    fn add(&mut self, report: Report, now: Instant) -> Duty {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.waiting.push(report);
        if self.outstanding == 0 {
            return Duty::Send;
        }
        if self.waiting.len() > 1 {
            return Duty::Nothing;
        }
        let since = self.sent_at.map(|at| now.saturating_duration_since(at));
        let rest = since.map_or(Duration::ZERO, |since| APART.saturating_sub(since));
        Duty::SendAfter(rest.max(GATHER))
    }

    fn take(&mut self, now: Instant) -> Vec<Report> {
        self.sent_at = Some(now);
        std::mem::take(&mut self.waiting)
    }
}

impl Batch {
    pub(super) fn new(number: u64, reply_to: String, probes: usize, sender: Arc<Sender>) -> Self {
        Self {
            number,
            reply_to,
            sender,
            state: Mutex::new(State {
                outstanding: probes,
                waiting: Vec::new(),
                sent_at: None,
            }),
        }
    }

    /// Adds a report, and sends what waits when it is this one's turn to.
    pub(super) async fn add(&self, report: Report) {
        let duty = self.with(|state| state.add(report, clock::monotonic()));
        match duty {
            Duty::Nothing => {}
            Duty::Send => self.send().await,
            Duty::SendAfter(wait) => {
                tokio::time::sleep(wait).await;
                self.send().await;
            }
        }
    }

    /// Probes that were dropped are not waited for.
    pub(super) async fn forget(&self, probes: usize) {
        let done = self.with(|state| {
            state.outstanding = state.outstanding.saturating_sub(probes);
            state.outstanding == 0
        });
        if done {
            self.send().await;
        }
    }

    async fn send(&self) {
        let reports = self.with(|state| state.take(clock::monotonic()));
        if reports.is_empty() {
            return;
        }
        let count = reports.len();
        let reports = Reports {
            batch: self.number,
            location: self.sender.location.clone(),
            worker: self.sender.worker.clone(),
            reports,
        };
        if let Err(error) = self
            .sender
            .bus
            .report_publish(&self.reply_to, &reports)
            .await
        {
            debug!(%error, count, "reports were lost");
            self.sender.stats.unsent(count);
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{CheckNo, SpecId};
    use crate::prober::failure::Failure;
    use crate::prober::probe::unable;

    fn report(number: i64) -> Report {
        Report {
            check_no: CheckNo(number),
            spec_id: SpecId(1),
            observation: unable(clock::now(), &Failure::internal("test")),
        }
    }

    #[test]
    fn one_of_those_that_finish_together_sends_for_all() {
        let start = clock::monotonic();
        let mut state = State {
            outstanding: 5,
            waiting: Vec::new(),
            sent_at: None,
        };
        assert_eq!(state.add(report(1), start), Duty::SendAfter(GATHER));
        assert_eq!(state.add(report(2), start), Duty::Nothing);
        assert_eq!(state.take(start).len(), 2);
        assert_eq!(state.add(report(3), start), Duty::SendAfter(APART));
        assert_eq!(state.add(report(4), start), Duty::Nothing);
        assert_eq!(state.add(report(5), start), Duty::Send);
        assert_eq!(state.take(start).len(), 3);
        assert!(state.take(start).is_empty());
    }
}
