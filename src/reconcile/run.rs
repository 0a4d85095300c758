//! The reconciler: brings Postgres to what a source says, whenever either changes. Each project
//! in the source is brought by itself: what is wrong with one stops only that one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::root::{BACK_OFF, Ground, Root, TWICE};
use super::settled::Settled;
use super::source::{Scan, Source};
use crate::bus::{self, Bus};
use crate::clock;
use crate::manifest::inputs::Inputs;
use crate::runtime::chain::chain;
use crate::runtime::counter::Counter;
use crate::store::Store;
use crate::store::condition::{Aspect, reconciler_projects, reconciler_release, reconciler_renew};

/// What the reconciler does with what differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// It says so.
    Observe,
    /// It applies.
    #[default]
    Apply,
}

/// What it does with what somebody changed past the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SelfHeal {
    /// Nothing, until the files say something new of it.
    Off,
    /// It says so, to the operators too.
    #[default]
    Warn,
    /// It restores what the files say.
    Restore,
}

/// What the reconciler watches, and how.
#[derive(Clone, Debug)]
pub struct ReconcileSettings {
    pub source: Source,
    /// The values of variables, and what of the environment may be read.
    pub inputs: Arc<Inputs>,
    /// How often it looks without being told to.
    pub interval: Duration,
    pub mode: Mode,
    pub self_heal: SelfHeal,
    /// This lokahid: one at a time reconciles a project.
    pub owner: String,
}

/// How it stands, for metrics.
#[derive(Debug, Default)]
pub struct ReconcileStatus {
    pub rounds: Counter,
    pub failures: Counter,
    /// Whether the last round brought Postgres to what every root of the source says.
    pub ready: AtomicBool,
    /// Whether something waits: a delete to be seen again, or a person.
    pub held: AtomicBool,
    /// Of the project that changed last.
    pub generation: AtomicI64,
    /// By name, the projects that this lokahid reconciles.
    projects: Mutex<BTreeMap<String, ProjectStanding>>,
}

/// How a project stands, as it was said last.
#[derive(Clone, Copy, Debug)]
pub struct ProjectStanding {
    pub generation: i64,
    pub conditions: [(Aspect, bool); 4],
}

impl ReconcileStatus {
    /// By name, the projects that this lokahid reconciles.
    pub fn projects(&self) -> BTreeMap<String, ProjectStanding> {
        self.standings().clone()
    }

    pub(super) fn tell(&self, project: &str, generation: i64, conditions: [(Aspect, bool); 4]) {
        let standing = ProjectStanding {
            generation,
            conditions,
        };
        self.standings().insert(project.to_owned(), standing);
    }

    /// It is somebody else's by now, or nothing is left of it.
    pub(super) fn forget(&self, project: &str) {
        self.standings().remove(project);
    }

    fn standings(&self) -> MutexGuard<'_, BTreeMap<String, ProjectStanding>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a project is this lokahid's without a word from it.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// How often it gives that word.
const BEAT: Duration = Duration::from_secs(10);

/// Longer than any round takes: whoever waits longer waits for an answer that was lost.
const LONGEST: Duration = Duration::from_secs(600);

/// The loop for one source and all the projects in it.
#[derive(Debug)]
pub struct Reconciler {
    store: Store,
    bus: Bus,
    settings: ReconcileSettings,
    status: Arc<ReconcileStatus>,
    /// By their path in the source, what was ever a root since the start.
    roots: BTreeMap<String, Root>,
    /// By name, projects that were reconciled here and that no root declares: from before the
    /// start, or from before their root was given another name.
    orphans: BTreeMap<String, Root>,
    /// The projects from before the start are known.
    remembered: bool,
    /// Since when some root of a folder is missing.
    missing: Option<Instant>,
    /// What was said of files that belong to no root.
    last_strays: String,
    /// The folders beside the source that were read with it last.
    libraries: BTreeSet<PathBuf>,
    /// Why the source cannot be read.
    last_words: String,
}

impl Reconciler {
    pub fn new(
        store: Store,
        bus: Bus,
        settings: ReconcileSettings,
        status: Arc<ReconcileStatus>,
    ) -> Self {
        Self {
            store,
            bus,
            settings,
            status,
            roots: BTreeMap::new(),
            orphans: BTreeMap::new(),
            remembered: false,
            missing: None,
            last_strays: String::new(),
            libraries: BTreeSet::new(),
            last_words: String::new(),
        }
    }

    /// Runs until the token is cancelled.
    pub async fn run(self, token: CancellationToken) {
        info!(source = %self.settings.source.shown(), "reconciling");
        let (store, bus) = (self.store.clone(), self.bus.clone());
        let owner = self.settings.owner.clone();
        tokio::select! {
            () = token.cancelled() => {}
            () = self.rounds() => {}
            () = beat(&store, &owner) => {}
        }
        let released = async {
            let mut conn = store.acquire().await?;
            reconciler_release(&mut conn, &owner).await
        };
        if let Err(error) = released.await {
            debug!(
                error = &error as &dyn std::error::Error,
                "projects are not given up"
            );
        }
        // Another lokahid need not wait for its time.
        bus.reconcile_publish().await.unwrap_or_default();
    }

    /// One round after the other, without end.
    async fn rounds(mut self) {
        let interval = self.settings.interval;
        let mut watch = self.settings.source.watch(interval);
        let mut asked = self.bus.reconcile_subscribe().await.ok();
        if let Some(watch) = &mut watch {
            // It watches from then on: what happens before the first look needs no second one.
            watch.dirty().await;
        }
        loop {
            let again = match timeout(LONGEST, self.round()).await {
                Ok(again) => again,
                Err(_elapsed) => {
                    error!("a round took longer than {LONGEST:?} and was given up");
                    Some(BACK_OFF)
                }
            };
            if let Some(watch) = &mut watch {
                watch.include(&self.libraries).await;
            }
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.dirty().await,
                    None => tokio::time::sleep(interval).await,
                }
            };
            let told = tokio::select! {
                () = changed => true,
                () = bus::woken(&mut asked) => false,
                () = sleep_if(again) => false,
            };
            if let (false, Some(watch)) = (told, &mut watch) {
                watch.rewatch().await;
            }
        }
    }

    /// One round over all roots; returns when to look again at the latest, if not as usual.
    async fn round(&mut self) -> Option<Duration> {
        self.status.rounds.add(1);
        self.remember().await;
        let scanned = scan_aside(&self.settings).await;
        let mut ground = Ground {
            store: &self.store,
            bus: &self.bus,
            settings: &self.settings,
            status: &self.status,
            whole: false,
        };
        let mut all = Settled::default();
        match scanned {
            Err(words) => {
                for root in self.roots.values_mut().chain(self.orphans.values_mut()) {
                    all.add(root.unreadable(&words, &ground).await);
                }
                if self.roots.is_empty() && self.orphans.is_empty() {
                    if words != self.last_words {
                        error!("{words}; trying again");
                    }
                    all.again = Some(BACK_OFF);
                }
                self.last_words = words;
                all.failed = true;
            }
            Ok(scan) => {
                self.last_words.clear();
                if scan.strays != self.last_strays && !scan.strays.is_empty() {
                    warn!("{}", scan.strays.trim_end());
                }
                self.last_strays.clone_from(&scan.strays);
                self.libraries.clone_from(&scan.libraries);
                ground.whole = scan.whole;
                let (roots, orphans) = (&mut self.roots, &mut self.orphans);
                let waits = missing(&scan, roots, &mut self.missing);
                if waits.is_empty() {
                    settle_names(&scan, roots, orphans);
                }
                for seen in scan.roots {
                    if let Some(wait) = waits.get(&seen.key) {
                        all.add(Settled::waits(Some(*wait)));
                        continue;
                    }
                    let root = roots.entry(seen.key.clone()).or_default();
                    all.add(root.round(seen, &ground).await);
                }
                let mut over = Vec::new();
                for (project, orphan) in &mut *orphans {
                    match orphan.gone(&ground).await {
                        Some(settled) => all.add(settled),
                        None => over.push(project.clone()),
                    }
                }
                orphans.retain(|project, _| !over.contains(project));
            }
        }
        if all.failed {
            self.status.failures.add(1);
        }
        self.status.ready.store(all.ready(), Ordering::Relaxed);
        self.status.held.store(all.held, Ordering::Relaxed);
        if let Some(generation) = all.generation {
            self.status.generation.store(generation, Ordering::Relaxed);
        }
        all.again
    }

    /// Learns once what this lokahid reconciled before it was started anew: a root that is
    /// missing since then, or cannot be read, is missed too.
    async fn remember(&mut self) {
        if self.remembered {
            return;
        }
        let known = async {
            let mut conn = self.store.acquire().await?;
            reconciler_projects(&mut conn, &self.settings.owner).await
        };
        match known.await {
            Ok(names) => {
                let roots = names.into_iter().map(|name| {
                    let root = Root::remembered(&name);
                    (name, root)
                });
                self.orphans = roots.collect();
                self.remembered = true;
            }
            Err(error) => debug!(
                error = &error as &dyn std::error::Error,
                "what was reconciled before is not known yet"
            ),
        }
    }
}

/// Keeps what is reconciled here, without end.
async fn beat(store: &Store, owner: &str) {
    loop {
        tokio::time::sleep(BEAT).await;
        let kept = async {
            let mut conn = store.acquire().await?;
            reconciler_renew(&mut conn, owner, LEASE.as_secs_f64()).await
        };
        if let Err(error) = kept.await {
            debug!(
                error = &error as &dyn std::error::Error,
                "projects are not kept"
            );
        }
    }
}

/// The roots that must wait, and how long: the files of a root that has just gone from a folder
/// look like those of the root around it.
fn missing(
    scan: &Scan,
    roots: &BTreeMap<String, Root>,
    since: &mut Option<Instant>,
) -> BTreeMap<String, Duration> {
    let seen: BTreeSet<&str> = scan.roots.iter().map(|seen| seen.key.as_str()).collect();
    let gone = roots.keys().filter(|key| !seen.contains(key.as_str()));
    let gone: Vec<&Path> = gone.map(Path::new).collect();
    if scan.whole || gone.is_empty() {
        *since = None;
        return BTreeMap::new();
    }
    let now = clock::monotonic();
    let waited = now.saturating_duration_since(*since.get_or_insert(now));
    if waited >= TWICE {
        return BTreeMap::new();
    }
    let around = |key: &&&str| gone.iter().any(|gone| gone.starts_with(key));
    let waiting = seen.iter().filter(around);
    waiting
        .map(|key| ((*key).to_owned(), TWICE - waited))
        .collect()
}

/// Sorts out which project is declared by whom: what no root declares any more is an orphan.
fn settle_names(
    scan: &Scan,
    roots: &mut BTreeMap<String, Root>,
    orphans: &mut BTreeMap<String, Root>,
) {
    let mut known: BTreeMap<String, Root> = std::mem::take(orphans);
    let mut keep = BTreeMap::new();
    for (key, mut root) in std::mem::take(roots) {
        let seen = scan.roots.iter().find(|seen| seen.key == key);
        let stays = seen.is_some_and(|seen| {
            seen.project.is_none() || root.project.is_none() || seen.project == root.project
        });
        match (&root.project, stays) {
            (_, true) => drop(keep.insert(key, root)),
            (Some(project), false) => {
                let project = project.clone();
                root.became = seen.and_then(|seen| seen.project.clone());
                known.insert(project, root);
            }
            (None, false) => {}
        }
    }
    *roots = keep;
    for seen in &scan.roots {
        let root = roots.get(&seen.key).and_then(|root| root.project.clone());
        if let Some(declared) = seen.project.clone().or(root) {
            known.remove(&declared);
        }
    }
    *orphans = known;
}

/// What every root of the source says, read away from the threads that serve others.
async fn scan_aside(settings: &ReconcileSettings) -> Result<Scan, String> {
    let (source, inputs) = (settings.source.clone(), Arc::clone(&settings.inputs));
    let shown = source.shown();
    let scanned = tokio::task::spawn_blocking(move || source.scan(&inputs)).await;
    match scanned {
        Ok(Ok(scan)) => Ok(scan),
        Ok(Err(error)) => Err(format!("{shown} cannot be read: {}", chain(&error))),
        Err(error) => Err(format!("{shown} cannot be read: {}", chain(&error))),
    }
}

async fn sleep_if(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::diagnostic::Diagnostics;
    use crate::model::desired::Revision;
    use crate::reconcile::source::Seen;

    fn scan(roots: &[(&str, Option<&str>)]) -> Scan {
        let seen = |(key, project): &(&str, Option<&str>)| Seen {
            shown: (*key).to_owned(),
            key: (*key).to_owned(),
            wanted: Err(Diagnostics(Vec::new())),
            project: project.map(str::to_owned),
            revision: Revision::default(),
        };
        Scan {
            roots: roots.iter().map(seen).collect(),
            whole: false,
            strays: String::new(),
            libraries: BTreeSet::new(),
        }
    }

    fn known(roots: &[(&str, &str)]) -> BTreeMap<String, Root> {
        let root = |(key, project): &(&str, &str)| ((*key).to_owned(), Root::remembered(project));
        roots.iter().map(root).collect()
    }

    #[test]
    fn the_root_around_one_that_has_just_gone_waits_and_no_other() {
        let roots = known(&[("/a", "all"), ("/a/web", "web"), ("/b", "other")]);
        let mut since = None;
        let now = scan(&[("/a", Some("all")), ("/b", Some("other"))]);
        let waits = missing(&now, &roots, &mut since);
        assert_eq!(waits.keys().collect::<Vec<_>>(), ["/a"]);
        since = since.and_then(|since| since.checked_sub(TWICE));
        assert!(missing(&now, &roots, &mut since).is_empty());
        let back = scan(&[("/a", None), ("/a/web", None), ("/b", None)]);
        assert!(missing(&back, &roots, &mut since).is_empty());
        assert_eq!(since, None);
    }

    #[test]
    fn what_no_root_declares_any_more_is_an_orphan() {
        for (now, left, orphaned) in [
            (vec![("/a", Some("all"))], vec!["/a"], vec![]),
            // It cannot be read just now, and is still the same.
            (vec![("/a", None)], vec!["/a"], vec![]),
            (vec![("/a", Some("new"))], vec![], vec!["all"]),
            (vec![("/b", Some("all"))], vec![], vec![]),
            (vec![], vec![], vec!["all"]),
        ] {
            let (mut roots, mut orphans) = (known(&[("/a", "all")]), BTreeMap::new());
            settle_names(&scan(&now), &mut roots, &mut orphans);
            assert_eq!(roots.keys().collect::<Vec<_>>(), left, "{now:?}");
            assert_eq!(orphans.keys().collect::<Vec<_>>(), orphaned, "{now:?}");
        }
        // From before a start, until somebody declares it.
        let (mut roots, mut orphans) = (BTreeMap::new(), known(&[("all", "all")]));
        settle_names(&scan(&[("/a", Some("all"))]), &mut roots, &mut orphans);
        assert!(orphans.is_empty());
    }
}
