//! The folders in which a change of a root shows, and what in each of them is of concern.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::manifest::source::ignored;

/// The most folders that are watched; what lies beyond waits for the timer.
const MAX_FOLDERS: usize = 8192;
/// The longest chain of links that is followed.
const MAX_LINKS: usize = 40;

/// What of a folder is of concern.
#[derive(Debug)]
enum Concern {
    All,
    Names(BTreeSet<OsString>),
}

/// A root with its libraries and all folders in them, those of the links that lead to it and of
/// what links in it lead to, and the one above it, or the nearest that exists. By their real paths:
/// the system has one watch for a folder, whatever the ways to it are called.
#[derive(Debug, Default)]
pub(super) struct Folders(BTreeMap<PathBuf, Concern>);

impl Folders {
    /// Looks for them. Blocks.
    pub(super) fn of(root: &Path, libraries: &BTreeSet<PathBuf>) -> Self {
        let mut found = Self::default();
        found.add_links(root);
        // The nearest one that exists, in which the next part of the way is made or goes.
        let mut ways = root.ancestors().zip(root.ancestors().skip(1));
        if let Some((way, _)) = ways.find(|(_, above)| above.is_dir()) {
            found.add_name(way);
        }
        for library in libraries {
            found.add_links(library);
        }
        let mut open: Vec<PathBuf> = libraries.iter().cloned().collect();
        open.push(root.to_owned());
        let mut seen = BTreeSet::new();
        while let Some(folder) = open.pop() {
            let Ok(real) = folder.canonicalize() else {
                continue;
            };
            if found.0.len() >= MAX_FOLDERS || !seen.insert(real.clone()) {
                continue;
            }
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            found.0.insert(real, Concern::All);
            for entry in entries.flatten() {
                let path = entry.path();
                if ignored(&entry.file_name().to_string_lossy()) {
                    continue;
                }
                if path.is_symlink() {
                    found.add_links(&path);
                }
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
        found
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Whether something that happened to this path may show in the root.
    pub(super) fn concern(&self, path: &Path) -> bool {
        let above = path.parent().and_then(|folder| self.0.get(folder));
        match (above, path.file_name()) {
            (Some(Concern::Names(names)), Some(name)) => {
                // The folder itself may be watched, too.
                names.contains(name) || self.0.contains_key(path)
            }
            _ => true,
        }
    }

    /// What has this name, in the folder where it is.
    fn add_name(&mut self, path: &Path) {
        let folder = path.parent().map(Path::canonicalize);
        let (Some(Ok(folder)), Some(name)) = (folder, path.file_name()) else {
            return;
        };
        let known = self.0.entry(folder);
        let concern = known.or_insert_with(|| Concern::Names(BTreeSet::new()));
        if let Concern::Names(names) = concern {
            names.insert(name.to_owned());
        }
    }

    /// Follows a path through the links on its way; adds each, and its end, in their folders.
    fn add_links(&mut self, path: &Path) {
        let mut path = path.to_owned();
        for _link in 0..MAX_LINKS {
            self.add_name(&path);
            let ways: Vec<&Path> = path.ancestors().collect();
            let mut links = ways.into_iter().rev();
            let first = links.find_map(|way| Some((way, fs::read_link(way).ok()?)));
            let Some((link, target)) = first else { return };
            self.add_name(link);
            let mut next = link.parent().map(Path::to_owned).unwrap_or_default();
            next.push(target);
            // Not an empty rest: that would be a slash.
            let rest = path.strip_prefix(link).into_iter();
            next.extend(rest.filter(|rest| !rest.as_os_str().is_empty()));
            path = next;
        }
    }
}
