//! Trying texts on a thread of its own, as long as there is time, and keeping those that show
//! something new. There is no coverage on stable: what is new is a kind of answer that no text
//! had before. What fails is made small and written to the corpus.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use lokahi::clock;

use super::chance::Chance;
use super::mutate::LARGEST;

/// How many texts are tried without `FUZZ_SECONDS`.
const FEW: usize = 300;
/// How long any text may take, on a machine that has other things to do.
const SLOW: Duration = Duration::from_secs(10);
/// When nobody waits any more.
const STUCK: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) name: &'static str,
    /// How the names of the corpus's files end.
    pub(super) ending: &'static str,
    /// What is there before anything is tried.
    pub(super) seeds: fn() -> Vec<String>,
    /// A text to begin with.
    pub(super) seed: fn(&mut Chance, &[String]) -> String,
    /// A change of a text, with parts of others.
    pub(super) mutate: fn(&mut Chance, &str, &[String]) -> String,
    /// Panics if a law is broken; else what kind of answers there were.
    pub(super) try_out: fn(&str) -> Vec<u64>,
}

/// What is being tried since when.
type Current = Arc<Mutex<Option<(Instant, String)>>>;

/// Replays the corpus of a target, then goes on as long as there is time.
#[expect(
    clippy::print_stdout,
    reason = "whoever asked for a long run reads how it went"
)]
pub(super) fn run(target: &Target) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/tests/fuzz/corpus")
        .join(target.name);
    let asked = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seconds = asked("FUZZ_SECONDS");
    let corpus = Corpus {
        folder,
        ending: target.ending,
    };
    let work = Work {
        target: *target,
        corpus: corpus.clone(),
        until: seconds.map(|seconds| clock::monotonic() + Duration::from_secs(seconds)),
        chance: Chance::new(asked("FUZZ_SEED").unwrap_or(1)),
        current: Current::default(),
    };
    let current = Arc::clone(&work.current);
    let (done, ended) = mpsc::channel();
    // As much stack as a thread of a server has.
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread.spawn(move || done.send(work.all())).unwrap();
    loop {
        match ended.recv_timeout(Duration::from_secs(1)) {
            Ok(Ok(line)) => {
                println!("{line}");
                return;
            }
            Ok(Err(found)) => panic!("{found}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{} ended in a panic", target.name),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let now = current
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                if let Some((since, text)) = now
                    && since.elapsed() > STUCK
                {
                    let path = corpus.keep(&text);
                    panic!("{}: no answer to {}", target.name, path.display());
                }
            }
        }
    }
}

struct Work {
    target: Target,
    corpus: Corpus,
    until: Option<Instant>,
    chance: Chance,
    current: Current,
}

impl Work {
    /// How it went, as a line; or what was found.
    fn all(mut self) -> Result<String, String> {
        let since = clock::monotonic();
        let mut known: BTreeSet<u64> = BTreeSet::new();
        let mut slowest = (Duration::ZERO, String::new());
        for text in read(&self.corpus.folder, self.corpus.ending) {
            let (shape, took) = self.checked(&text)?;
            known.extend(shape);
            if took > slowest.0 {
                slowest = (took, text.clone());
            }
        }
        let mut seeds = (self.target.seeds)();
        let (mut tried, mut new) = (0_usize, 0);
        loop {
            let over = match self.until {
                Some(until) => clock::monotonic() >= until,
                None => tried >= FEW,
            };
            if over {
                break;
            }
            let start = (self.target.seed)(&mut self.chance, &seeds);
            let text = match self.chance.below(6) {
                0 => start,
                _ => (self.target.mutate)(&mut self.chance, &start, &seeds),
            };
            if text.len() > LARGEST {
                continue;
            }
            tried += 1;
            let (shape, took) = self.checked(&text)?;
            if took > slowest.0 {
                slowest = (took, text.clone());
            }
            let before = known.len();
            known.extend(shape);
            if known.len() > before && text.len() < 4096 {
                new += 1;
                seeds.push(text);
            }
        }
        let shown: String = slowest.1.chars().take(400).collect();
        Ok(format!(
            "the slowest begins with:\n{shown}\n\nfuzz {}: {tried} executions in {} s, {new} new entries, {} kinds of answers, slowest {} ms ({} bytes)",
            self.target.name,
            since.elapsed().as_secs(),
            known.len(),
            slowest.0.as_millis(),
            slowest.1.len(),
        ))
    }

    /// The answers to a text and how long they took; or where what is wrong with it is kept.
    fn checked(&self, text: &str) -> Result<(Vec<u64>, Duration), String> {
        let since = clock::monotonic();
        self.now(Some((since, text.to_owned())));
        let tried = catch_unwind(AssertUnwindSafe(|| (self.target.try_out)(text)));
        let took = since.elapsed();
        self.now(None);
        match tried {
            Ok(_) if took > SLOW => {
                let path = self.corpus.keep(text);
                Err(format!(
                    "{}: {} s for {}",
                    self.target.name,
                    took.as_secs(),
                    path.display()
                ))
            }
            Ok(shape) => Ok((shape, took)),
            Err(_) => {
                let path = self.corpus.keep(&self.smallest(text));
                Err(format!("{}: see {}", self.target.name, path.display()))
            }
        }
    }

    fn now(&self, what: Option<(Instant, String)>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// A smaller text that panics too: without each part that it can do without.
    fn smallest(&self, text: &str) -> String {
        let until = clock::monotonic() + Duration::from_secs(60);
        let mut best: Vec<char> = text.chars().collect();
        let mut size = best.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < best.len() && clock::monotonic() < until {
                let end = (at + size).min(best.len());
                let without: String = best[..at].iter().chain(&best[end..]).collect();
                match catch_unwind(AssertUnwindSafe(|| (self.target.try_out)(&without))) {
                    Ok(_) => at += size,
                    Err(_) => best = without.chars().collect(),
                }
            }
            size /= 2;
        }
        best.into_iter().collect()
    }
}

/// Where findings are kept.
#[derive(Clone)]
struct Corpus {
    folder: PathBuf,
    ending: &'static str,
}

impl Corpus {
    /// Writes a finding down.
    fn keep(&self, text: &str) -> PathBuf {
        let name = format!("{:016x}.{}", super::said::hash(&text), self.ending);
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// The texts of a folder's files, and of those below it.
pub(super) fn read(folder: &Path, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            found.extend(read(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
    found
}
