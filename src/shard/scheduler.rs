//! Sends out what is due, in batches, and gives up what did not come back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::board::{Board, micros};
use crate::bus::Bus;
use crate::clock;

/// The shortest wait: what is due within it goes out together.
const TICK: Duration = Duration::from_millis(20);
/// The longest wait: batches are swept at least this often.
const IDLE: Duration = Duration::from_millis(500);

pub(super) struct Scheduler {
    pub(super) bus: Bus,
    pub(super) board: Arc<Board>,
    pub(super) location: String,
    pub(super) reply_to: String,
    /// Checks were loaded: something may be due sooner than we wait.
    pub(super) loaded: Arc<Notify>,
}

impl Scheduler {
    pub(super) async fn run(self, token: CancellationToken) {
        let mut unanswered = None;
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(self.wait()) => {}
                // A burst of news must not shorten the ticks.
                () = self.loaded.notified() => tokio::time::sleep(TICK).await,
            }
            let now = clock::now();
            self.notice(self.board.sweep(now), &mut unanswered);
            for batch in self.board.take_due(now, &self.reply_to) {
                if let Err(error) = self.bus.probe_publish(&self.location, &batch).await {
                    debug!(
                        error = &error as &dyn std::error::Error,
                        "a batch was not sent"
                    );
                    self.board.unsent(&batch);
                }
            }
        }
    }

    /// Says once that probes get no answer, and once that they do again.
    fn notice(&self, lost: u64, unanswered: &mut Option<u64>) {
        let recorded = self.board.tally.recorded.get();
        match unanswered {
            None if lost > 0 => {
                warn!(
                    lost,
                    "probes were sent and no report came: does a health worker run at the \
                     location {:?}, and keep up?",
                    self.location
                );
                *unanswered = Some(recorded);
            }
            Some(before) if lost == 0 && recorded > *before + 10 => {
                info!("probes are answered again");
                *unanswered = None;
            }
            Some(before) if lost > 0 => *before = recorded,
            None | Some(_) => {}
        }
    }

    fn wait(&self) -> Duration {
        let Some(due) = self.board.next_due() else {
            return IDLE;
        };
        let ahead = due.0 - micros(clock::now()).0;
        Duration::from_micros(u64::try_from(ahead).unwrap_or(0)).clamp(TICK, IDLE)
    }
}
