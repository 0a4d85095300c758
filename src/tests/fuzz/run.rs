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
use lokahi::manifest::eval::functions::FUNCTIONS;
use lokahi::manifest::examples::{Bad, EXAMPLES};

use super::chance::Chance;
use super::mutate::{LARGEST, mutated};

/// How many texts are tried without `FUZZ_SECONDS`.
const FEW: usize = 300;
/// How long any text may take, on a machine that has other things to do.
const SLOW: Duration = Duration::from_secs(10);
/// When nobody waits any more.
const STUCK: Duration = Duration::from_secs(60);

pub(super) struct Target {
    pub(super) name: &'static str,
    /// A text to begin with.
    pub(super) seed: fn(&mut Chance, &[String]) -> String,
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
    let work = Work {
        name: target.name,
        seed: target.seed,
        try_out: target.try_out,
        kept: read(&folder, "hcl"),
        folder: folder.clone(),
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
                    let path = keep(&folder, &text);
                    panic!("{}: no answer to {}", target.name, path.display());
                }
            }
        }
    }
}

struct Work {
    name: &'static str,
    seed: fn(&mut Chance, &[String]) -> String,
    try_out: fn(&str) -> Vec<u64>,
    kept: Vec<String>,
    folder: PathBuf,
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
        for text in std::mem::take(&mut self.kept) {
            let (shape, took) = self.checked(&text)?;
            known.extend(shape);
            if took > slowest.0 {
                slowest = (took, text.clone());
            }
        }
        let mut seeds = seeds();
        let (mut tried, mut new) = (0_usize, 0);
        loop {
            let over = match self.until {
                Some(until) => clock::monotonic() >= until,
                None => tried >= FEW,
            };
            if over {
                break;
            }
            let start = (self.seed)(&mut self.chance, &seeds);
            let text = match self.chance.below(6) {
                0 => start,
                _ => mutated(&mut self.chance, &start, &seeds),
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
            self.name,
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
        let tried = catch_unwind(AssertUnwindSafe(|| (self.try_out)(text)));
        let took = since.elapsed();
        self.now(None);
        match tried {
            Ok(_) if took > SLOW => {
                let path = keep(&self.folder, text);
                Err(format!(
                    "{}: {} s for {}",
                    self.name,
                    took.as_secs(),
                    path.display()
                ))
            }
            Ok(shape) => Ok((shape, took)),
            Err(_) => {
                let path = keep(&self.folder, &self.smallest(text));
                Err(format!("{}: see {}", self.name, path.display()))
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
                match catch_unwind(AssertUnwindSafe(|| (self.try_out)(&without))) {
                    Ok(_) => at += size,
                    Err(_) => best = without.chars().collect(),
                }
            }
            size /= 2;
        }
        best.into_iter().collect()
    }
}

/// Writes a finding to the corpus.
fn keep(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join(format!("{:016x}.hcl", super::hash(&text)));
    fs::write(&path, text).unwrap();
    path
}

/// The texts of a folder's files, and of those below it.
fn read(folder: &Path, ending: &str) -> Vec<String> {
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

/// Every check file of the repository, every example of the tables and the documents.
fn seeds() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    for folder in ["checks.d", "examples", "src/tests/fuzz/corpus"] {
        seeds.extend(read(&root.join(folder), "hcl"));
    }
    for document in read(&root.join("docs"), "md") {
        let blocks = document.split("```hcl\n").skip(1);
        seeds.extend(blocks.filter_map(|block| Some(block.split_once("```")?.0.to_owned())));
    }
    for example in EXAMPLES {
        seeds.push(example.good.to_owned());
        if let Bad::Text(text) = example.bad {
            seeds.push(text.to_owned());
        }
    }
    let calls = FUNCTIONS
        .iter()
        .map(|function| format!("locals {{\n  x = {}\n}}\n", function.example));
    seeds.extend(calls);
    seeds.retain(|text| text.len() < 16 * 1024);
    seeds
}
