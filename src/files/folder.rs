//! The door to folders of check files: walks a root and reads what the language
//! asks for. What is read and what it means is `manifest`'s.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::manifest::source::{Files, MAX_FILE, Unreadable, ignored};

/// The most files and folders below a root.
pub const MAX_ENTRIES: usize = 100_000;
/// How often a file is read anew when it changes meanwhile.
const ATTEMPTS: usize = 3;
/// What is said of a link that leads elsewhere: whoever proposes a change could have anything
/// read by it.
const OUT: &str = "it is a link out of the folder, and only what lies in it is read: \
                   put the file there, or `include` its folder";

/// A folder on disk. Its files are read when they are asked for.
pub struct Folder {
    root: PathBuf,
    /// The same with every link followed, once: what lies below it is the folder's own, whatever
    /// the links to the folder itself lead to by now.
    home: OnceLock<Result<PathBuf, String>>,
    /// The libraries that were asked for, whether they are there or not.
    libraries: Mutex<BTreeSet<PathBuf>>,
}

/// What a walk found.
#[derive(Default)]
struct Walk {
    /// The folder that is walked, with every link followed.
    home: PathBuf,
    files: Vec<String>,
    unreadable: Vec<Unreadable>,
    /// Real paths of what was seen: a second link to it adds nothing, and a link
    /// to a folder above ends there.
    seen: BTreeSet<PathBuf>,
}

impl Folder {
    /// The folder at this path.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let mut root = root.into();
        if root.as_os_str().is_empty() {
            root.push(".");
        }
        Self {
            root,
            home: OnceLock::new(),
            libraries: Mutex::default(),
        }
    }

    /// The folders beside the root that were asked for until now, whether they are there or not.
    pub fn libraries(&self) -> BTreeSet<PathBuf> {
        let libraries = self.libraries.lock();
        libraries.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Files for Folder {
    fn list(&self) -> (Vec<String>, Vec<Unreadable>) {
        let home = match self.home() {
            Ok(home) => home,
            Err(why) => return (Vec::new(), vec![unreadable(".", why)]),
        };
        let mut walk = Walk::of(home);
        if home.is_file() {
            walk.refuse(".", "it is a file, and a root is a folder".into());
        } else if let Err(error) = walk.folder(home, home.clone(), "") {
            walk.refuse(".", why(&error));
        }
        (walk.files, walk.unreadable)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        let home = self.home().map_err(|why| unreadable(path, why))?;
        // A library's files lie beside the root.
        let within = if path.starts_with("../") {
            tree_of(home)
        } else {
            home
        };
        for _attempt in 0..ATTEMPTS {
            // Listed or not: the link may be another one by now.
            let read = match home.join(path).canonicalize() {
                Ok(real) if !real.starts_with(within) => return Err(unreadable(path, OUT)),
                Ok(real) => read_unchanged(&real),
                Err(error) => Err(error),
            };
            match read {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => {}
                Err(error) => return Err(unreadable(path, &why(&error))),
            }
        }
        Err(unreadable(path, "it changes while it is read"))
    }

    fn library(&self, folder: &str) -> Result<(Vec<String>, Vec<Unreadable>), String> {
        let place = self.home()?.join(folder);
        let libraries = self.libraries.lock();
        libraries
            .unwrap_or_else(PoisonError::into_inner)
            .insert(place);
        let full = self.inside_tree(folder)?;
        if !full.is_dir() {
            return Err("there is no such folder".to_owned());
        }
        let mut walk = Walk::of(&full);
        let below = format!("{}/", folder.trim_end_matches('/'));
        if let Err(error) = walk.folder(&full, full.clone(), &below) {
            walk.refuse(folder, why(&error));
        }
        Ok((walk.files, walk.unreadable))
    }

    fn data(&self, path: &str) -> Result<Vec<u8>, String> {
        let full = self.inside_root(path)?;
        if !full.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        match read_unchanged(&full) {
            Ok(Some(bytes)) if bytes.len() > MAX_FILE => Err("it is larger than 1 MiB".to_owned()),
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err("it changes while it is read".to_owned()),
            Err(error) => Err(why(&error)),
        }
    }

    fn data_list(&self, folder: &str) -> Result<Vec<String>, String> {
        let full = self.inside_root(folder)?;
        let mut paths = Vec::new();
        let prefix = match folder.trim_matches('/') {
            "" | "." => String::new(),
            folder => format!("{folder}/"),
        };
        every_file(&full, &prefix, &mut paths).map_err(|error| why(&error))?;
        Ok(paths)
    }
}

impl Folder {
    fn home(&self) -> Result<&PathBuf, &str> {
        let follow = || self.root.canonicalize().map_err(|error| why(&error));
        let home = self.home.get_or_init(follow).as_ref();
        home.map_err(String::as_str)
    }

    /// A path below the root, with every link followed; or why it leads elsewhere.
    fn inside_root(&self, path: &str) -> Result<PathBuf, String> {
        let root = self.home()?;
        let full = root
            .join(path)
            .canonicalize()
            .map_err(|error| why(&error))?;
        match full.starts_with(root) {
            true => Ok(full),
            false => Err("it leads out of the root folder".to_owned()),
        }
    }

    /// A path that may lead out of the root, but not out of the tree that it belongs to: the
    /// git work tree, or without one the folder above the root.
    fn inside_tree(&self, path: &str) -> Result<PathBuf, String> {
        if Path::new(path).is_absolute() {
            return Err("the path starts at the root folder, as `../shared` does".to_owned());
        }
        let root = self.home()?;
        let full = root
            .join(path)
            .canonicalize()
            .map_err(|error| why(&error))?;
        if !full.starts_with(tree_of(root)) {
            return Err("it lies outside of the tree that the root belongs to".to_owned());
        }
        match full.starts_with(root) || root.starts_with(&full) {
            true => Err("a library lies beside the root, not in it or around it".to_owned()),
            false => Ok(full),
        }
    }
}

/// The tree that a root belongs to: the git work tree, or without one the folder above the root.
fn tree_of(root: &Path) -> &Path {
    let work_tree = root.ancestors().find(|folder| folder.join(".git").exists());
    work_tree.or(root.parent()).unwrap_or(root)
}

/// Adds the paths of all files below a folder, without following links to folders.
fn every_file(folder: &Path, below: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if paths.len() >= MAX_ENTRIES {
            return Err(io::Error::other("too many files"));
        }
        match entry.file_type()? {
            kind if kind.is_dir() => {
                every_file(&entry.path(), &format!("{below}{name}/"), paths)?;
            }
            kind if kind.is_file() => paths.push(format!("{below}{name}")),
            _ => {}
        }
    }
    Ok(())
}

impl Walk {
    /// A walk of a folder, of which the real path is given.
    fn of(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            ..Self::default()
        }
    }

    fn refuse(&mut self, path: &str, why: String) {
        self.unreadable.push(unreadable(path, &why));
    }

    /// Walks a folder, of which the real path is given, too, in the order of names.
    fn folder(&mut self, folder: &Path, real: PathBuf, below: &str) -> io::Result<()> {
        if !self.seen.insert(real) {
            return Ok(());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name());
        }
        names.sort();
        for name in names {
            if self.seen.len() > MAX_ENTRIES {
                self.refuse(".", format!("more than {MAX_ENTRIES} files and folders"));
                return Ok(());
            }
            let full = folder.join(&name);
            let text = match readable(&name) {
                Ok(text) => text,
                Err(why) => {
                    let shown = name.to_string_lossy().replace(char::is_control, "\u{fffd}");
                    if !ignored(&shown) && (shown.ends_with(".hcl") || full.is_dir()) {
                        self.refuse(&format!("{below}{shown}"), why.into());
                    }
                    continue;
                }
            };
            if !ignored(text) {
                self.entry(&full, &format!("{below}{text}"));
            }
        }
        Ok(())
    }

    fn entry(&mut self, full: &Path, path: &str) {
        let is_check_file = path.ends_with(".hcl");
        let walked = fs::metadata(full).and_then(|meta| {
            if !meta.is_dir() && !is_check_file {
                return Ok(());
            }
            let real = full.canonicalize()?;
            if !real.starts_with(&self.home) {
                self.refuse(path, OUT.into());
            } else if meta.is_dir() {
                return self.folder(full, real, &format!("{path}/"));
            } else if !meta.is_file() {
                self.refuse(path, "not a regular file".into());
            } else if self.seen.insert(real) {
                self.files.push(path.to_owned());
            }
            Ok(())
        });
        let Err(error) = walked else { return };
        // What was removed since its folder was read is gone, not unreadable; a
        // link that leads nowhere may have been a file or a folder of checks.
        let there = fs::symlink_metadata(full).is_ok();
        let may_matter = is_check_file || full.is_dir() || full.extension().is_none();
        if there && may_matter {
            self.refuse(path, why(&error));
        }
    }
}

/// The name of a file or folder, if it can stand in a line; or why not.
fn readable(name: &OsStr) -> Result<&str, &'static str> {
    match name.to_str() {
        None => Err("its name is not UTF-8"),
        Some(name) if name.contains(char::is_control) => Err("its name has control characters"),
        Some(name) => Ok(name),
    }
}

fn unreadable(path: &str, why: &str) -> Unreadable {
    let (path, why) = (path.to_owned(), why.to_owned());
    Unreadable { path, why }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::NotADirectory => "not a folder".into(),
        _ => error.to_string(),
    }
}

/// The bytes, up to one more than are allowed; none if the file changed.
fn read_unchanged(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let before = stamp(&file.metadata()?);
    let mut bytes = Vec::new();
    file.by_ref()
        .take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)?;
    let whole = bytes.len() as u64 == before.0 || bytes.len() > MAX_FILE;
    let unchanged = stamp(&fs::metadata(path)?) == before;
    Ok((whole && unchanged).then_some(bytes))
}

fn stamp(meta: &Metadata) -> (u64, Option<SystemTime>) {
    (meta.len(), meta.modified().ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn fresh(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("lokahi-files-{name}-{}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn each_file_once_and_no_loops() {
        let root = fresh("walk");
        fs::create_dir_all(root.join("team/.git")).unwrap();
        for path in [
            "a.hcl",
            "team/b.hcl",
            "team/.git/c.hcl",
            "_off.hcl",
            "notes.txt",
            "x.hcl~",
        ] {
            fs::write(root.join(path), path).unwrap();
        }
        symlink("a.hcl", root.join("b.hcl")).unwrap();
        symlink("team", root.join("zteam")).unwrap();
        symlink("..", root.join("team/up")).unwrap();
        symlink("nowhere.hcl", root.join("dangling.hcl")).unwrap();
        symlink("nowhere.txt", root.join("other.txt")).unwrap();
        let folder = Folder::new(&root);
        let (files, unreadable) = folder.list();
        assert_eq!(files, ["a.hcl", "team/b.hcl"]);
        assert_eq!(unreadable.len(), 1);
        assert_eq!(unreadable[0].path, "dangling.hcl");
        assert_eq!(folder.read("team/b.hcl").unwrap(), b"team/b.hcl");
        assert!(folder.read("gone.hcl").is_err());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn what_a_link_finds_elsewhere_is_not_read() {
        let place = fresh("links");
        for folder in ["shop/..one", "shop/..two", "shared", "other"] {
            fs::create_dir_all(place.join(folder)).unwrap();
        }
        for path in ["shop/..one/web.hcl", "shop/..two/web.hcl", "other/a.hcl"] {
            fs::write(place.join(path), path).unwrap();
        }
        let link = |to: &str, at: &str| symlink(to, place.join(at)).unwrap();
        // As Kubernetes mounts a ConfigMap, below a link as git-sync has one.
        link("..one", "shop/..data");
        link("..data/web.hcl", "shop/web.hcl");
        link("../other/a.hcl", "shop/a.hcl");
        link("../other", "shop/folder");
        link("../..", "shop/up");
        link("../other/a.hcl", "shared/a.hcl");
        link("shop", "current");
        let folder = Folder::new(place.join("current"));
        let (files, unreadable) = folder.list();
        assert_eq!(files, ["web.hcl"]);
        let paths: Vec<&str> = unreadable.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, ["a.hcl", "folder", "up"]);
        assert!(unreadable.iter().all(|it| it.why == OUT));
        assert_eq!(folder.read("a.hcl").unwrap_err().why, OUT);
        let (files, unreadable) = folder.library("../shared").unwrap();
        assert_eq!((files.len(), unreadable.len()), (0, 1));
        assert_eq!(folder.read("web.hcl").unwrap(), b"shop/..one/web.hcl");
        fs::remove_file(place.join("shop/..data")).unwrap();
        link("..two", "shop/..data");
        assert_eq!(folder.read("web.hcl").unwrap(), b"shop/..two/web.hcl");
        // Where the folder itself is another by now, what was listed is still read.
        fs::remove_file(place.join("current")).unwrap();
        link("other", "current");
        assert_eq!(folder.read("web.hcl").unwrap(), b"shop/..two/web.hcl");
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_root_that_is_not_there() {
        let (files, unreadable) = Folder::new("/nowhere/at/all").list();
        assert!(files.is_empty());
        assert_eq!(
            unreadable[0].to_string(),
            "cannot read .: there is no such file or folder"
        );
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_whole() {
        let root = fresh("large");
        fs::write(root.join("a.hcl"), vec![b'#'; MAX_FILE * 2]).unwrap();
        assert_eq!(
            Folder::new(&root).read("a.hcl").unwrap().len(),
            MAX_FILE + 1
        );
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn names_that_cannot_stand_in_a_line() {
        use std::os::unix::ffi::OsStrExt as _;
        let root = fresh("names");
        let named = |name: &[u8]| root.join(OsStr::from_bytes(name));
        for name in [
            &b"a\x1b[31m\n.hcl"[..],
            b"b\xff.hcl",
            b"c\xff.txt",
            b"_\xff.hcl",
        ] {
            fs::write(named(name), "").unwrap();
        }
        fs::create_dir(named(b"folder\xff")).unwrap();
        let (files, unreadable) = Folder::new(&root).list();
        assert!(files.is_empty());
        let told: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "cannot read a\u{fffd}[31m\u{fffd}.hcl: its name has control characters",
                "cannot read b\u{fffd}.hcl: its name is not UTF-8",
                "cannot read folder\u{fffd}: its name is not UTF-8",
            ]
        );
        fs::remove_dir_all(&root).unwrap();
    }
}
