//! Sites that a worker asks about its own network: what it reports says whether they answered, so
//! that a failure of many checks is not taken for theirs when it is its own.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::failure::Failure;
use super::prepare::Prepared;
use super::probe::{ProbeContext, begin};
use crate::clock;
use crate::model::check::{CheckSpec, Timeout};
use crate::model::id::CheckId;
use crate::model::observation::{Observation, Outcome};
use crate::model::probe::Sentinels;
use crate::model::secret::SecretUse;
use crate::model::value::HttpUrl;

/// How long after one round the next begins, at most, and at least, when checks fail; and how
/// long one may take.
const EVERY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
const TIMEOUT_MILLISECONDS: i64 = 3000;
/// One that answers later than this may have been reached by what was sent again: TCP does so after
/// a second (RFC 6298, section 2). When that was first lost, so were the probes of that moment.
const LATE: Duration = Duration::from_millis(900);
/// How long a report waits for what they say. Where there is a network they have answered by then,
/// even if one round has just begun: the next one begins `PAUSE` after it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the sentinels said last, and when to ask them.
#[derive(Debug, Default)]
pub(super) struct Board {
    said: watch::Sender<Option<Sentinels>>,
    wanted: Notify,
}

impl Board {
    /// What they said last, long ago until they did; `None` where there are none.
    pub(super) fn said(&self) -> Option<Sentinels> {
        *self.said.borrow()
    }

    /// A check fails: what they say now is of interest.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Waits for a probe. What they say while one takes long is of interest: a cut-off may be over
    /// before it ends.
    pub(super) async fn watch<T>(&self, probe: impl Future<Output = T>) -> T {
        let mut probe = pin!(probe);
        if self.said().is_none() {
            return probe.await;
        }
        match tokio::time::timeout(LATE, &mut probe).await {
            Ok(seen) => seen,
            Err(_late) => {
                self.want();
                probe.await
            }
        }
    }

    /// Waits until they have answered to what they were asked after this moment, for a short time.
    /// If they have not by then, whoever judges knows it.
    pub(super) async fn asked_since(&self, moment: OffsetDateTime) {
        let mut said = self.said.subscribe();
        let is_since = |said: &Option<Sentinels>| said.is_none_or(|said| said.begun >= moment);
        // Until then only: it never says so of those that hang.
        let known = said.wait_for(is_since);
        let known = tokio::time::timeout(PATIENCE, known).await;
        drop(known);
    }

    fn say(&self, said: Sentinels) {
        self.said.send_replace(Some(said));
    }
}

/// The sentinels of a worker.
pub(super) struct Watch {
    context: ProbeContext,
    sites: Vec<(HttpUrl, Prepared)>,
    board: Arc<Board>,
}

impl Watch {
    /// Of these sites, each of which is well as a check without asserts is.
    pub(super) fn new(
        context: ProbeContext,
        urls: &[HttpUrl],
        board: Arc<Board>,
    ) -> Result<Self, Failure> {
        let prepared = |url: &HttpUrl| {
            let mut spec = CheckSpec::new(url.clone());
            let timeout = Timeout::from_milliseconds(TIMEOUT_MILLISECONDS, spec.every);
            spec.timeout = timeout.unwrap_or(spec.timeout);
            Ok((url.clone(), Prepared::new(&spec)?))
        };
        let sites = urls.iter().map(prepared).collect::<Result<_, _>>()?;
        // That there are some is known before they have said anything.
        board.say(Sentinels {
            begun: OffsetDateTime::UNIX_EPOCH,
            asked: u32::try_from(urls.len()).unwrap_or(u32::MAX),
            failed: 0,
            trouble: None,
        });
        Ok(Self {
            context,
            sites,
            board,
        })
    }

    pub(super) async fn run(self, token: CancellationToken) {
        let mut failed = false;
        let mut trouble = Trouble::default();
        loop {
            let begun = clock::now();
            let Some(round) = token.run_until_cancelled(self.round()).await else {
                return;
            };
            trouble.heed(&round, begun, clock::now());
            let said = Sentinels {
                begun,
                asked: round.asked,
                failed: count(round.bad.len()),
                trouble: trouble.until,
            };
            self.board.say(said);
            if said.fail() != failed {
                failed = said.fail();
                match failed {
                    true => warn!(
                        "the sentinels fail: is there a network here, and a name server? {}",
                        round.bad.join("; ")
                    ),
                    false => info!("the sentinels answer again"),
                }
            }
            let pause = async {
                tokio::time::sleep(PAUSE).await;
                let wanted = self.board.wanted.notified();
                tokio::time::timeout(EVERY - PAUSE, wanted).await.is_ok()
            };
            if token.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Asks all of them, until enough have answered: one that hangs is waited for only where it
    /// counts.
    async fn round(&self) -> Round {
        let mut round = Round::of(count(self.sites.len()));
        let asked = self.sites.iter().map(async |(url, site)| {
            let seen = self.ask(site).await;
            (url, seen)
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        while !round.is_well()
            && let Some((url, seen)) = asked.next().await
        {
            round.add(url, &seen);
        }
        round
    }

    async fn ask(&self, site: &Prepared) -> Observation {
        let (id, nobody) = (CheckId(Uuid::nil()), SecretUse::bound(""));
        // On the heap, as every probe that is not alone.
        let probe = Box::pin(begin(&self.context, site, id, clock::now(), &nobody));
        let (seen, closing) = probe.await;
        closing.finish().await;
        seen
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What they said when they were asked at once.
#[derive(Debug, Default)]
struct Round {
    asked: u32,
    /// How many answered well and in time.
    prompt: u32,
    /// What was wrong with the others.
    bad: Vec<String>,
}

impl Round {
    fn of(asked: u32) -> Self {
        Self {
            asked,
            ..Self::default()
        }
    }

    fn add(&mut self, url: &HttpUrl, seen: &Observation) {
        match seen.outcome {
            Outcome::Up => self.prompt += u32::from(seen.phases.total < LATE),
            _ => self.bad.push(format!("{url}: {}", words(seen))),
        }
    }

    /// Whether so many answered in time that the others do not matter.
    fn is_well(&self) -> bool {
        self.prompt >= self.asked - self.asked / 2
    }
}

/// Until when there was trouble last.
#[derive(Debug, Default)]
struct Trouble {
    until: Option<OffsetDateTime>,
    /// Nobody knows yet that it is over.
    goes_on: bool,
}

impl Trouble {
    /// A round began and ended. After one that was not well it is over when the next good one
    /// began, and not sooner: nobody looked between them.
    fn heed(&mut self, round: &Round, begun: OffsetDateTime, ended: OffsetDateTime) {
        let is_well = round.is_well();
        if !is_well {
            self.until = Some(ended);
        } else if self.goes_on {
            self.until = Some(begun);
        }
        self.goes_on = !is_well;
    }
}

fn words(seen: &Observation) -> String {
    match seen.class {
        Some(class) => format!("{}: {}", class.name(), seen.detail),
        None => seen.detail.clone(),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn round(asked: u32, prompt: u32) -> Round {
        Round {
            prompt,
            ..Round::of(asked)
        }
    }

    #[test]
    fn half_of_them_are_enough_and_the_others_are_not_waited_for() {
        for (asked, prompt, is_well) in [
            (1, 0, false),
            (1, 1, true),
            (2, 1, true),
            (3, 1, false),
            (3, 2, true),
            (10, 5, true),
        ] {
            assert_eq!(round(asked, prompt).is_well(), is_well, "{asked} {prompt}");
        }
    }

    #[test]
    fn trouble_lasts_until_a_good_round_begins() {
        let at = |second: i64| datetime!(2026-01-01 00:00 UTC) + time::Duration::seconds(second);
        let mut trouble = Trouble::default();
        let mut until = |prompt: u32, begun: i64, ended: i64| {
            trouble.heed(&round(2, prompt), at(begun), at(ended));
            trouble.until
        };
        assert_eq!(until(2, 0, 0), None);
        assert_eq!(until(0, 5, 8), Some(at(8)));
        assert_eq!(until(1, 9, 9), Some(at(9)));
        assert_eq!(until(2, 14, 14), Some(at(9)));
    }
}
