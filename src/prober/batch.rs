//! The reports of one batch on their way back: in few messages, but none waits for a probe
//! that hangs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::debug;

use super::sentinel::Board;
use super::stats::Stats;
use crate::bus::Bus;
use crate::model::probe::{Report, Reports};

/// How long the first report waits for others of its batch. A batch that is
/// complete does not wait.
const GATHER: Duration = Duration::from_millis(100);

/// Who sends reports, and through what.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) bus: Bus,
    pub(super) stats: Arc<Stats>,
    pub(super) location: String,
    pub(super) worker: String,
    pub(super) sentinels: Arc<Board>,
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
}

/// What whoever added a report has to do.
#[derive(Debug, PartialEq, Eq)]
enum Duty {
    Nothing,
    /// It was the last one.
    Send,
    /// It is the first that waits: send it, and what has come by then, after `GATHER`.
    SendLater,
}

impl State {
    fn add(&mut self, report: Report) -> Duty {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.waiting.push(report);
        match (self.outstanding, self.waiting.len()) {
            (0, _) => Duty::Send,
            (_, 1) => Duty::SendLater,
            _ => Duty::Nothing,
        }
    }

    fn take(&mut self) -> Vec<Report> {
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
            }),
        }
    }

    /// Adds a report, and sends what waits when it is this one's turn to.
    pub(super) async fn add(&self, report: Report) {
        let duty = self.with(|state| state.add(report));
        match duty {
            Duty::Nothing => {}
            Duty::Send => self.send().await,
            Duty::SendLater => {
                tokio::time::sleep(GATHER).await;
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
        let reports = self.with(|state| state.take());
        if reports.is_empty() {
            return;
        }
        let count = reports.len();
        let reports = Reports {
            batch: self.number,
            location: self.sender.location.clone(),
            worker: self.sender.worker.clone(),
            sentinels: self.sender.sentinels.said(),
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
    use crate::clock;
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
        let mut state = State {
            outstanding: 5,
            waiting: Vec::new(),
        };
        assert_eq!(state.add(report(1)), Duty::SendLater);
        assert_eq!(state.add(report(2)), Duty::Nothing);
        assert_eq!(state.take().len(), 2);
        assert_eq!(state.add(report(3)), Duty::SendLater);
        assert_eq!(state.add(report(4)), Duty::Nothing);
        assert_eq!(state.add(report(5)), Duty::Send);
        assert_eq!(state.take().len(), 3);
        assert!(state.take().is_empty());
    }
}
