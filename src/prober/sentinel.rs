//! Sites that a worker asks about its own network: what it reports says whether they answered, so
//! that a failure of many checks is not taken for theirs when it is its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
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
        let mut trouble = None;
        loop {
            let begun = clock::now();
            let asked = self.sites.iter().map(|(_, site)| self.ask(site));
            let Some(seen) = token.run_until_cancelled(join_all(asked)).await else {
                return;
            };
            let bad: Vec<String> = self
                .sites
                .iter()
                .zip(&seen)
                .filter(|(_, seen)| seen.outcome != Outcome::Up)
                .map(|((url, _), seen)| format!("{url}: {}", words(seen)))
                .collect();
            let late = seen
                .iter()
                .filter(|it| it.outcome == Outcome::Up && it.phases.total >= LATE);
            if bad.len() + late.count() > seen.len() / 2 {
                trouble = Some(clock::now());
            }
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let said = Sentinels {
                begun,
                asked: count(seen.len()),
                failed: count(bad.len()),
                trouble,
            };
            self.board.say(said);
            if said.fail() != failed {
                failed = said.fail();
                match failed {
                    true => warn!(
                        "the sentinels fail: is there a network here, and a name server? {}",
                        bad.join("; ")
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

    async fn ask(&self, site: &Prepared) -> Observation {
        let (id, nobody) = (CheckId(Uuid::nil()), SecretUse::bound(""));
        // On the heap, as every probe that is not alone.
        let probe = Box::pin(begin(&self.context, site, id, clock::now(), &nobody));
        let (seen, closing) = probe.await;
        closing.finish().await;
        seen
    }
}

fn words(seen: &Observation) -> String {
    match seen.class {
        Some(class) => format!("{}: {}", class.name(), seen.detail),
        None => seen.detail.clone(),
    }
}
