//! The door to the `git` program: where a folder stands, and the committed trees of another
//! repository. Nothing is asked of anybody: git must not wait for a password.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::model::desired::{Ancestry, Revision};

/// How long one call of git may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How soon it is looked whether it has ended, at first and at last: most calls take
/// milliseconds.
const LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(20);
/// The most that is kept of what git prints, in bytes.
const PRINTED: usize = 1024 * 1024;
/// How many exported trees are kept.
const TREES: usize = 3;

/// Why git could not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no such program.
    #[error("the git program cannot be started")]
    Start(#[source] io::Error),
    /// It took too long.
    #[error("git {0} took longer than {PATIENCE:?}")]
    Slow(String),
    /// It refused; its own words.
    #[error("git {call}: {words}")]
    Refused { call: String, words: String },
    /// The disk.
    #[error("cannot write {path}")]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Somebody else's git writes to the work tree.
    #[error(
        "git holds {}: it writes to the work tree; if no git runs there, remove the file",
        .0.display()
    )]
    Busy(PathBuf),
    /// Not a place to fetch from.
    #[error("{0:?} is no repository that can be named: write PATH-OR-URL#REF:FOLDER")]
    Place(String),
}

/// Where git writes what is committed in a repository that has no work tree.
#[derive(Clone, Copy)]
struct Into<'a> {
    index: &'a Path,
    work_tree: &'a Path,
}

/// Runs git, without a terminal; returns what it printed.
fn git(folder: &Path, arguments: &[&str], into: Option<Into<'_>>) -> Result<String, GitError> {
    let call = arguments.first().copied().unwrap_or_default().to_owned();
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args([
            "-c",
            "protocol.ext.allow=never",
            "-c",
            "core.symlinks=false",
            // What was applied and forced away is still asked for.
            "-c",
            "gc.pruneExpire=never",
            "-c",
            "gc.autoDetach=false",
            "-c",
            "maintenance.autoDetach=false",
        ])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A hook of another repository may have started us.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    let chosen = ["GIT_SSH", "GIT_SSH_COMMAND"];
    if chosen.iter().all(|name| std::env::var_os(name).is_none()) {
        command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
    }
    if let Some(Into { index, work_tree }) = into {
        command
            .env("GIT_DIR", folder)
            .env("GIT_INDEX_FILE", index)
            .env("GIT_WORK_TREE", work_tree);
    }
    let mut child = command.spawn().map_err(GitError::Start)?;
    let (out, words) = (child.stdout.take(), child.stderr.take());
    let out = std::thread::spawn(move || printed(out));
    let words = std::thread::spawn(move || printed(words));
    let (mut waited, mut look) = (Duration::ZERO, LOOK);
    let status = loop {
        match child.try_wait().map_err(GitError::Start)? {
            Some(status) => break status,
            None if waited >= PATIENCE => {
                // What it holds is let go by its end.
                child.kill().map_err(GitError::Start)?;
                child.wait().map_err(GitError::Start)?;
                return Err(GitError::Slow(call));
            }
            None => std::thread::sleep(look),
        }
        waited += look;
        look = LAST_LOOK.min(look * 2);
    };
    let (out, words) = (
        out.join().unwrap_or_default(),
        words.join().unwrap_or_default(),
    );
    match status.success() {
        true => Ok(out.trim_end().to_owned()),
        false => Err(GitError::Refused {
            call,
            words: without_credentials(words.trim()).replace('\n', "; "),
        }),
    }
}

fn printed(from: Option<impl io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What is beyond is read and dropped, or git would wait for ever.
        let mut first = io::Read::take(&mut from, PRINTED as u64);
        io::Read::read_to_end(&mut first, &mut bytes).ok();
        io::copy(&mut from, &mut io::sink()).ok();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where a folder stands, as git says. A folder that git does not know has no revision, and
/// neither has a machine without git. Blocks.
pub fn revision(folder: &Path) -> Revision {
    let ask = |arguments: &[&str]| git(folder, arguments, None).ok();
    let Some(sha) = ask(&["rev-parse", "--verify", "HEAD"]) else {
        return Revision::default();
    };
    let remote = ask(&["remote", "get-url", "origin"]).unwrap_or_default();
    let path = ask(&["rev-parse", "--show-prefix"]).unwrap_or_default();
    Revision {
        reference: ask(&["symbolic-ref", "--short", "HEAD"]).unwrap_or_default(),
        sha,
        dirty: ask(&["status", "--porcelain", "--", "."]).is_some_and(|list| !list.is_empty()),
        remote: without_credentials(&remote),
        path: path.trim_end_matches('/').to_owned(),
        ..Revision::default()
    }
}

/// What a work tree stands at. Two equal ones have no write of git to the work tree between
/// them, not even one that was taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The commit that is checked out; empty where there is none.
    head: String,
    /// Length, device, inode and times of the index: git puts a new file in its place
    /// each time it has written to the work tree.
    index: Option<(u64, u64, u64, i64, i64)>,
}

/// What the work tree of a folder stands at. Blocks.
pub fn standing(folder: &Path) -> Standing {
    let index = repository(folder).and_then(|repository| {
        let found = fs::metadata(repository.join("index")).ok()?;
        let (device, inode) = (found.dev(), found.ino());
        Some((
            found.len(),
            device,
            inode,
            found.ctime(),
            found.ctime_nsec(),
        ))
    });
    Standing {
        head: git(folder, &["rev-parse", "--verify", "HEAD"], None).unwrap_or_default(),
        index,
    }
}

/// The lock of the work tree that a folder belongs to, while git writes to that.
pub fn index_lock(folder: &Path) -> Option<PathBuf> {
    let lock = repository(folder)?.join("index.lock");
    lock.exists().then_some(lock)
}

/// Where git keeps the index of the work tree that a folder belongs to.
fn repository(folder: &Path) -> Option<PathBuf> {
    let dot_git = folder.ancestors().map(|above| above.join(".git"));
    let dot_git = dot_git.into_iter().find(|path| path.exists())?;
    // In a work tree beside its repository a file says where that is.
    match fs::read_to_string(&dot_git) {
        Ok(text) => {
            let named = PathBuf::from(text.strip_prefix("gitdir:")?.trim());
            Some(dot_git.parent()?.join(named))
        }
        Err(_) => Some(dot_git),
    }
}

/// How what is checked out in a folder relates to a commit. Blocks.
pub fn ancestry(folder: &Path, sha: &str, highest: &str) -> Ancestry {
    if highest.is_empty() || sha == highest {
        return Ancestry::SameOrLater;
    }
    if !is_commit(sha) || !is_commit(highest) {
        return Ancestry::Unknown;
    }
    let is_ancestor = |of: &str, what: &str| {
        let arguments = ["merge-base", "--is-ancestor", what, of];
        match git(folder, &arguments, None) {
            Ok(_) => Some(true),
            Err(GitError::Refused { words, .. }) if words.is_empty() => Some(false),
            Err(_) => None,
        }
    };
    match (is_ancestor(sha, highest), is_ancestor(highest, sha)) {
        (Some(true), _) => Ancestry::SameOrLater,
        (_, Some(true)) => Ancestry::Earlier,
        // A shallow clone does not know what it lacks.
        (Some(false), Some(false)) if !is_shallow(folder) => Ancestry::Diverged,
        _ => Ancestry::Unknown,
    }
}

fn is_shallow(folder: &Path) -> bool {
    let asked = git(folder, &["rev-parse", "--is-shallow-repository"], None);
    asked.map_or(true, |answer| answer != "false")
}

/// A whole object name in hexadecimal digits: nothing that git takes for an option.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Text with each URL in it without user, password and query; what is no URL stays as it is.
pub fn without_credentials(text: &str) -> String {
    let mut shown = String::new();
    for (number, part) in text.split("://").enumerate() {
        if number == 0 {
            shown.push_str(part);
            continue;
        }
        let end = part.find([' ', '\'', '"', '\n']).unwrap_or(part.len());
        let (url, rest) = part.split_at(end);
        let (url, reference) = url.split_at(url.find('#').unwrap_or(url.len()));
        let url = url.split_once('?').map_or(url, |(url, _)| url);
        shown.push_str("://");
        shown.push_str(without_user(url));
        shown.push_str(reference);
        shown.push_str(rest);
    }
    shown
}

/// What follows `://`, without a user and a password.
fn without_user(url: &str) -> &str {
    let authority = url.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    // Somebody wrote a password with a slash as it is.
    let broken = !port.bytes().all(|byte| byte.is_ascii_digit()) && !port.ends_with(']');
    let end = match authority.contains('@') || !broken {
        true => authority.len(),
        false => url.len(),
    };
    let (start, rest) = url.split_at(end);
    match start.rfind('@') {
        Some(at) => url.get(at + 1..).unwrap_or(rest),
        None => url,
    }
}

/// A folder of a branch, a tag or a commit of a repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// A path or a URL.
    pub repository: String,
    pub reference: String,
    /// Below the repository; empty for all of it.
    pub folder: String,
}

impl std::str::FromStr for Place {
    type Err = GitError;

    /// `PATH-OR-URL[#REF[:FOLDER]]`.
    fn from_str(text: &str) -> Result<Self, GitError> {
        let (repository, rest) = text.split_once('#').unwrap_or((text, ""));
        let (reference, folder) = rest.split_once(':').unwrap_or((rest, ""));
        let reference = if reference.is_empty() {
            "HEAD"
        } else {
            reference
        };
        let folder = folder.trim_matches('/');
        let leaves = folder.split('/').any(|part| part == "..");
        if repository.is_empty()
            || repository.starts_with('-')
            || reference.starts_with('-')
            || leaves
        {
            return Err(GitError::Place(without_credentials(text)));
        }
        Ok(Self {
            repository: repository.to_owned(),
            reference: reference.to_owned(),
            folder: folder.to_owned(),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let repository = without_credentials(&self.repository);
        write!(f, "{repository}#{}", self.reference)?;
        match self.folder.as_str() {
            "" => Ok(()),
            folder => write!(f, ":{folder}"),
        }
    }
}

/// A copy of a repository, and exported trees of it.
#[derive(Clone, Debug)]
pub struct Mirror {
    place: Place,
    /// `repository/` and `trees/SHA/` are in it.
    folder: PathBuf,
}

/// A committed tree on the disk, which nobody changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tree {
    pub folder: PathBuf,
    pub revision: Revision,
}

impl Mirror {
    /// A copy in this folder, which is made when it is needed.
    pub fn new(place: Place, folder: PathBuf) -> Self {
        Self { place, folder }
    }

    /// Fetches and exports what the reference is now. Blocks.
    pub fn fetch(&self) -> Result<Tree, GitError> {
        let repository = self.repository();
        make(&repository)?;
        // Each time: one that was cut off is mended by it.
        git(&repository, &["init", "--quiet", "--bare"], None)?;
        // The copy is ours alone, so whoever held this was killed.
        fs::remove_file(repository.join("refs/lokahi/wanted.lock")).ok();
        self.get(&format!("+{}:refs/lokahi/wanted", self.place.reference))?;
        let peeled = "refs/lokahi/wanted^{commit}";
        let sha = git(&repository, &["rev-parse", "--verify", peeled], None)?;
        let trees = self.folder.join("trees");
        let tree = trees.join(&sha);
        if !tree.is_dir() {
            make(&trees)?;
            export(&repository, &sha, &trees, &tree)?;
        }
        forget(&trees, &sha);
        Ok(Tree {
            folder: match self.place.folder.as_str() {
                "" => tree,
                folder => tree.join(folder),
            },
            revision: Revision {
                reference: self.place.reference.clone(),
                sha,
                remote: without_credentials(&self.place.repository),
                path: self.place.folder.clone(),
                ..Revision::default()
            },
        })
    }

    fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    fn get(&self, wanted: &str) -> Result<(), GitError> {
        let from = absolute(&self.place.repository);
        let fetch = ["fetch", "--quiet", "--no-tags", "--force", "--", &from];
        let fetch: Vec<&str> = fetch.into_iter().chain([wanted]).collect();
        git(&self.repository(), &fetch, None).map(|_| ())
    }

    /// How a commit that was fetched relates to another one. Blocks.
    pub fn ancestry(&self, sha: &str, highest: &str) -> Ancestry {
        let repository = self.repository();
        let named = format!("{highest}^{{commit}}");
        let known = || git(&repository, &["cat-file", "-e", &named], None).is_ok();
        if is_commit(highest) && !known() {
            // It was forced away before this copy was made; most servers still have it.
            self.get(highest).ok();
        }
        ancestry(&repository, sha, highest)
    }
}

/// Writes a tree beside its place and moves it there, so that what is there is whole.
fn export(repository: &Path, sha: &str, trees: &Path, tree: &Path) -> Result<(), GitError> {
    let draft = trees.join(format!("draft-{}", std::process::id()));
    let index = trees.join(format!("index-{}", std::process::id()));
    fs::remove_dir_all(&draft).ok();
    fs::remove_file(&index).ok();
    make(&draft)?;
    let into = Into {
        index: &index,
        work_tree: &draft,
    };
    let done = git(repository, &["read-tree", sha], Some(into)).and_then(|_| {
        let checkout = ["checkout-index", "--all", "--force"];
        git(repository, &checkout, Some(into))
    });
    // What is read with it as root ends here, whatever lies above.
    fs::write(draft.join(".git"), "").ok();
    fs::remove_file(&index).ok();
    let disk = |source| GitError::Disk {
        path: tree.to_owned(),
        source,
    };
    match done {
        Ok(_) => fs::rename(&draft, tree).map_err(disk),
        Err(error) => {
            fs::remove_dir_all(&draft).ok();
            Err(error)
        }
    }
}

/// Removes all but the newest trees.
fn forget(trees: &Path, keep: &str) {
    let Ok(entries) = fs::read_dir(trees) else {
        return;
    };
    let mut old: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name() != keep && entry.path().is_dir())
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    old.sort();
    let many = old.len().saturating_sub(TREES - 1);
    for (_, path) in old.into_iter().take(many) {
        fs::remove_dir_all(path).ok();
    }
}

fn make(folder: &Path) -> Result<(), GitError> {
    fs::create_dir_all(folder).map_err(|source| GitError::Disk {
        path: folder.to_owned(),
        source,
    })
}

/// A path is meant from where lokahid was started, not from the copy.
fn absolute(repository: &str) -> String {
    let path = Path::new(repository);
    if repository.contains("://") || !path.exists() {
        return repository.to_owned();
    }
    std::path::absolute(path).map_or(repository.to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let of = |text: &str| text.parse::<Place>().map(|place| place.to_string());
        for (text, shown) in [
            ("/srv/checks", "/srv/checks#HEAD"),
            ("/srv/checks#main", "/srv/checks#main"),
            (
                "https://git.example.com/ops.git#main:checks.d/",
                "https://git.example.com/ops.git#main:checks.d",
            ),
            (
                "https://u:pw@git.example.com/ops.git#v1",
                "https://git.example.com/ops.git#v1",
            ),
        ] {
            assert_eq!(of(text).unwrap(), shown);
        }
        for bad in [
            "",
            "#main",
            "--upload-pack=x",
            "/srv#-x",
            "/srv#main:../etc",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_checkout_there_and_back_is_seen() {
        let folder = std::env::temp_dir().join(format!("lokahi-back-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let git = |arguments: &[&str]| git(&folder, arguments, None).unwrap();
        let commit = |text: &str| {
            fs::write(folder.join("web.hcl"), text).unwrap();
            git(&["add", "."]);
            let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
            git(&[&who[..], &["commit", "-q", "-m", text]].concat());
        };
        git(&["init", "-q"]);
        commit("one");
        commit("two");
        let before = standing(&folder);
        assert_eq!(before, standing(&folder));
        git(&["checkout", "-q", "HEAD~1"]);
        git(&["checkout", "-q", "-"]);
        let after = standing(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(before.head, after.head);
        assert_ne!(before, after);
    }

    #[test]
    fn credentials_are_not_shown() {
        for (text, shown) in [
            ("https://user:pw@host/x", "https://host/x"),
            (
                "unable to access 'https://u:p@h/x/': no",
                "unable to access 'https://h/x/': no",
            ),
            ("git@host:x.git", "git@host:x.git"),
            ("/a/b", "/a/b"),
            ("https://u:p/w@host/x", "https://host/x"),
            ("https://u:p@w@host/x", "https://host/x"),
            ("https://host:8443/a@v1/x", "https://host:8443/a@v1/x"),
            ("https://[::1]/a@v1", "https://[::1]/a@v1"),
            ("https://host/x?token=s3#main:a", "https://host/x#main:a"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }
}
