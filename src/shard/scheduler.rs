//! Sends out what is due, in batches, and gives up what did not come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::board::Board;
use super::due::micros;
use super::sent::Outgoing;
use super::unanswered::{News, Unanswered};
use crate::bus::Bus;
use crate::clock;

/// What is due within this time goes out together, ahead of it: the worker
/// begins each probe when it is due. Below a hundred probes a
/// second there is nothing to gather; then a message for each few is dearer than
/// the probes themselves; and a heavy load fills its batches by itself.
const TICKS: [(f64, Duration); 3] = [
    (100.0, Duration::from_millis(5)),
    (1500.0, Duration::from_millis(250)),
    (f64::INFINITY, Duration::from_millis(20)),
];
/// Over which time the load is measured.
const WINDOW: Duration = Duration::from_secs(2);
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
        let mut unanswered = Unanswered::default();
        let mut load = Load::new(self.board.tally.scheduled.get());
        loop {
            let tick = load.tick(self.board.tally.scheduled.get());
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(self.wait(tick)) => {}
                // A burst of news must not shorten the ticks.
                () = self.loaded.notified() => tokio::time::sleep(tick).await,
            }
            let now = clock::now();
            self.notice(self.board.sweep(now), &mut unanswered);
            for Outgoing { place, batch } in self.board.take_due(now, tick, &self.reply_to) {
                let location = place.as_deref().unwrap_or(&self.location);
                if let Err(error) = self.bus.probe_publish(location, &batch).await {
                    debug!(
                        error = &error as &dyn std::error::Error,
                        "a batch was not sent"
                    );
                    self.board.unsent(&batch);
                }
            }
        }
    }

    fn notice(&self, lost: u64, unanswered: &mut Unanswered) {
        let silent = || {
            let silences = self.board.silences().into_iter();
            let names =
                silences.map(|(place, _)| place.unwrap_or_else(|| self.location.as_str().into()));
            names.collect::<Vec<_>>().join(", ")
        };
        let recorded = self.board.tally.recorded.get();
        match unanswered.step(lost, recorded, clock::monotonic()) {
            Some(News::Lost(lost)) => warn!(
                lost,
                locations = silent(),
                "probes were sent and no report came: does a health worker run there, and keep up?"
            ),
            Some(News::Answered) => info!("probes are answered again"),
            None => {}
        }
    }

    fn wait(&self, tick: Duration) -> Duration {
        let Some(due) = self.board.next_due() else {
            return IDLE;
        };
        let ahead = due.0 - micros(clock::now()).0;
        Duration::from_micros(u64::try_from(ahead).unwrap_or(0)).clamp(tick, IDLE)
    }
}

/// How many probes are due in a second, lately.
struct Load {
    since: Instant,
    counted: u64,
    rate: f64,
}

impl Load {
    fn new(counted: u64) -> Self {
        Self {
            since: clock::monotonic(),
            counted,
            rate: 0.0,
        }
    }

    /// The tick for the load, when `counted` probes were due until now.
    fn tick(&mut self, counted: u64) -> Duration {
        let elapsed = self.since.elapsed();
        if elapsed >= WINDOW {
            self.rate = (counted - self.counted) as f64 / elapsed.as_secs_f64();
            (self.since, self.counted) = (clock::monotonic(), counted);
        }
        let fits = TICKS.iter().find(|(most, _)| self.rate < *most);
        fits.map_or(IDLE, |(_, tick)| *tick)
    }
}
