//! The files of a root: what is read, how it is listed, and which line and
//! column a byte stands in. Reading itself is behind [`Files`]; `crate::folder`
//! has the one that reads a folder.

use std::collections::BTreeMap;

/// The largest file, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;
/// The most bytes of all files of a root.
pub const MAX_TOTAL: usize = 256 * 1024 * 1024;

/// A file or folder that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {path}: {why}")]
pub struct Unreadable {
    /// Below the root, with `/`; `.` is the root itself.
    pub path: String,
    /// What the system said.
    pub why: String,
}

/// Where the files of a root come from.
pub trait Files: Sync {
    /// The paths of all check files below the root, with `/`, in any order, and
    /// the folders and links that could not be followed.
    fn list(&self) -> (Vec<String>, Vec<Unreadable>);

    /// The content of a listed file. May stop after `MAX_FILE + 1` bytes.
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable>;

    /// The paths of all check files of a library folder, as `../shared/x.hcl`, and what
    /// could not be followed there; or why the folder cannot be a library.
    fn library(&self, folder: &str) -> Result<(Vec<String>, Vec<Unreadable>), String>;

    /// The content of any file below the root, at most [`MAX_FILE`] bytes, or why not.
    fn data(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The paths of all files below a folder of the root, with that folder, or why not.
    fn data_list(&self, folder: &str) -> Result<Vec<String>, String>;
}

/// Files that are already in memory, by path.
impl Files for BTreeMap<String, Vec<u8>> {
    fn list(&self) -> (Vec<String>, Vec<Unreadable>) {
        let checks = self.keys().filter(|path| path.ends_with(".hcl"));
        let below = checks.filter(|path| !path.starts_with("../"));
        (below.cloned().collect(), Vec::new())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        self.get(path).cloned().ok_or_else(|| Unreadable {
            path: path.to_owned(),
            why: "no such file".into(),
        })
    }

    fn library(&self, folder: &str) -> Result<(Vec<String>, Vec<Unreadable>), String> {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let inside = self.keys().filter(|path| path.starts_with(&prefix));
        Ok((inside.cloned().collect(), Vec::new()))
    }

    fn data(&self, path: &str) -> Result<Vec<u8>, String> {
        self.get(path)
            .cloned()
            .ok_or_else(|| "there is no such file".to_owned())
    }

    fn data_list(&self, folder: &str) -> Result<Vec<String>, String> {
        let inside = |path: &&String| folder.is_empty() || path.starts_with(&format!("{folder}/"));
        Ok(self.keys().filter(inside).cloned().collect())
    }
}

/// Whether a file or folder of this name is left out: hidden, disabled by a
/// leading `_`, or an editor's own.
pub fn ignored(name: &str) -> bool {
    name.starts_with(['.', '_'])
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'))
        || name.ends_with(".swp")
        || name == "4913"
}

/// Whether a path below the root is that of a check file.
pub fn is_check_file(path: &str) -> bool {
    path.ends_with(".hcl") && !path.split('/').any(ignored)
}

/// Bytes of one file: `start..end` of the text of file number `file`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The beginning of the first file.
    pub const START: Self = Self {
        file: 0,
        start: 0,
        end: 0,
    };
}

/// Where a span stands, for people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Excerpt {
    /// Path below the root.
    pub file: String,
    /// From 1; 0 when the whole file is meant.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// Characters of the span on its first line, at least 1.
    pub width: u32,
    /// The part of that line around the span, at most 160 characters, without
    /// anything that a terminal would obey.
    pub text: String,
    /// Characters of `text` before the span.
    pub before: u32,
}

/// The longest piece of a line that an excerpt holds, in characters. Without an
/// end, a thousand problems of one long line would be a thousand long lines.
const EXCERPT: usize = 160;

/// One file's text, with an index of its lines.
struct Source {
    path: String,
    text: String,
    /// The offset of the first byte of each line.
    lines: Vec<u32>,
    shown: Shown,
}

/// What may be told of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    All,
    /// Where something stands, but not its line: the value of a sensitive variable may be in it.
    Places,
}

/// The texts of a root, by file number.
#[derive(Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a file and gives its number.
    pub fn add(&mut self, path: String, text: String) -> u32 {
        self.add_source(path, text, Shown::All)
    }

    /// The same for one whose lines nobody is to see.
    pub fn add_hidden(&mut self, path: String, text: String) -> u32 {
        self.add_source(path, text, Shown::Places)
    }

    fn add_source(&mut self, path: String, text: String, shown: Shown) -> u32 {
        let mut lines = vec![0];
        lines.extend(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at as u32 + 1),
        );
        self.0.push(Source {
            path,
            text,
            lines,
            shown,
        });
        self.0.len() as u32 - 1
    }

    /// How many files there are.
    pub fn count(&self) -> u32 {
        self.0.len() as u32
    }

    /// The text of a file.
    pub fn text(&self, file: u32) -> &str {
        self.0.get(file as usize).map_or("", |source| &source.text)
    }

    /// The path of a file.
    pub fn path(&self, file: u32) -> &str {
        self.0.get(file as usize).map_or("", |source| &source.path)
    }

    /// The folder of a file; empty for the root.
    pub fn folder(&self, file: u32) -> &str {
        folder(self.path(file))
    }

    /// The line of a span, from 1.
    pub fn line(&self, span: Span) -> u32 {
        let Some(source) = self.0.get(span.file as usize) else {
            return 0;
        };
        source.lines.partition_point(|start| *start <= span.start) as u32
    }

    /// Where a span stands.
    pub fn excerpt(&self, span: Span) -> Excerpt {
        let line = self.line(span);
        let Some(source) = self.0.get(span.file as usize) else {
            return whole_file(String::new());
        };
        if source.text.is_empty() {
            // A flag or a variable of the environment that is a text as a whole.
            return whole_file(source.path.clone());
        }
        let start = line
            .checked_sub(1)
            .map_or(0, |at| source.lines[at as usize]);
        let rest = source.text.get(start as usize..).unwrap_or_default();
        let text = rest.lines().next().unwrap_or_default();
        let characters = |until: u32| {
            let until = (until.saturating_sub(start) as usize).min(text.len());
            text.get(..until)
                .map_or(until, |before| before.chars().count()) as u32
        };
        let before = characters(span.start);
        if source.shown != Shown::All {
            return Excerpt {
                file: source.path.clone(),
                line,
                column: before + 1,
                width: 1,
                text: String::new(),
                before: 0,
            };
        }
        let skip = match before as usize + 20 {
            near if near <= EXCERPT => 0,
            _ => before - 40,
        };
        Excerpt {
            file: source.path.clone(),
            line,
            column: before + 1,
            width: characters(span.end).saturating_sub(before).max(1),
            text: text
                .chars()
                .skip(skip as usize)
                .take(EXCERPT)
                .map(harmless)
                .collect(),
            before: before - skip,
        }
    }
}

/// A character that only shows itself.
pub(super) fn harmless(c: char) -> char {
    match c {
        '\t' => ' ',
        // Also what turns the direction of text.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// An excerpt for a problem that has no line.
pub fn whole_file(path: String) -> Excerpt {
    Excerpt {
        file: path,
        line: 0,
        column: 0,
        width: 0,
        text: String::new(),
        before: 0,
    }
}

/// The folder part of a path; empty for a file of the root.
pub fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_left_out() {
        for path in ["a.hcl", "team/web.hcl", "a/b/c.hcl", "x_.hcl"] {
            assert!(is_check_file(path), "{path}");
        }
        for path in [
            "a.txt",
            ".a.hcl",
            "_a.hcl",
            "a.hcl~",
            "#a.hcl#",
            "a.hcl.swp",
            "4913",
            ".git/a.hcl",
            "_off/a.hcl",
            "a.hcl/x",
            "..data/a.hcl",
        ] {
            assert!(!is_check_file(path), "{path}");
        }
    }

    #[test]
    fn lines_and_columns_count_characters() {
        let mut sources = Sources::default();
        let file = sources.add("a.hcl".into(), "x\nä = ö\r\nlast".into());
        let at = |start, end| {
            let e = sources.excerpt(Span { file, start, end });
            (e.line, e.column, e.width, e.text)
        };
        assert_eq!(at(0, 1), (1, 1, 1, "x".into()));
        assert_eq!(at(7, 9), (2, 5, 1, "ä = ö".into()));
        assert_eq!(at(2, 99), (2, 1, 5, "ä = ö".into()));
        assert_eq!(at(11, 15), (3, 1, 4, "last".into()));
        assert_eq!(at(15, 15), (3, 5, 1, "last".into()));
        assert_eq!(
            at(8, 99).0,
            2,
            "an offset inside a character does not panic"
        );
    }
}
