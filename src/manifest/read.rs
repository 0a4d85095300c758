//! From a root to the parts of its files: list, read, outline. What cannot be read is told,
//! and what it may have declared counts as unknown, not as missing.

use std::collections::BTreeSet;

use crate::manifest::attributes::{FILE, LATER};
use crate::manifest::declare::Gaps;
use crate::manifest::diagnostic::{Code, Diagnostic, Problem, Severity};
use crate::manifest::parse::{Part, outline};
use crate::manifest::source::{Files, MAX_FILE, MAX_TOTAL, Sources, Unreadable, whole_file};

/// A file of a root, or of a library.
#[derive(Debug)]
pub(super) struct Outlined {
    /// Its number in the sources.
    pub(super) file: u32,
    pub(super) parts: Vec<Part>,
}

/// What was read so far.
pub(super) struct Reading<'f> {
    files: &'f dyn Files,
    pub(super) sources: Sources,
    pub(super) gaps: Gaps,
    /// Of whole files.
    pub(super) refused: Vec<Diagnostic>,
    pub(super) problems: Vec<Problem>,
    room: usize,
}

impl<'f> Reading<'f> {
    pub(super) fn new(files: &'f dyn Files) -> Self {
        Self {
            files,
            sources: Sources::default(),
            gaps: Gaps::default(),
            refused: Vec::new(),
            problems: Vec::new(),
            room: MAX_TOTAL,
        }
    }

    /// The files of the root. Folders below it that are roots of their own are left out.
    pub(super) fn root(&mut self) -> Vec<Outlined> {
        let (paths, unreadable) = self.files.list();
        let mut outlined = self.outlined(paths, unreadable);
        let nested: BTreeSet<String> = outlined
            .iter()
            .filter(|file| file.parts.iter().any(|part| part.kind == "lokahi"))
            .map(|file| self.sources.folder(file.file).to_owned())
            .filter(|folder| !folder.is_empty())
            .collect();
        if !nested.is_empty() {
            let below = |path: &str, folder: &str| {
                path.strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            let sources = &self.sources;
            outlined.retain(|file| {
                let path = sources.path(file.file);
                !nested.iter().any(|folder| below(path, folder))
            });
            let own = |file: u32| {
                let path = sources.path(file);
                !nested.iter().any(|folder| below(path, folder))
            };
            self.problems
                .retain(|problem| problem.span.is_none_or(|span| own(span.file)));
            self.refused
                .retain(|refused| !nested.iter().any(|folder| below(&refused.at.file, folder)));
        }
        outlined
    }

    /// The files of a library folder, or why there are none.
    pub(super) fn library(&mut self, folder: &str) -> Result<Vec<Outlined>, String> {
        let (paths, unreadable) = self.files.library(folder)?;
        Ok(self.outlined(paths, unreadable))
    }

    fn outlined(&mut self, mut paths: Vec<String>, unreadable: Vec<Unreadable>) -> Vec<Outlined> {
        let later = LATER.iter().filter(|(place, _)| place.is_empty());
        let block_types: Vec<&str> = FILE
            .blocks
            .iter()
            .map(|block| block.name)
            .chain(later.flat_map(|(_, names)| names.iter().copied()))
            .collect();
        for error in unreadable {
            self.gaps.blind = true;
            let message = format!("cannot be read: {}", error.why);
            let itself = error.path == ".";
            self.refuse(error.path, Code::Unreadable, message);
            if let (true, Some(last)) = (itself, self.refused.last_mut()) {
                last.hint = Some("name the folder that has the check files".to_owned());
            }
        }
        paths.sort();
        paths.dedup();
        let mut outlined = Vec::with_capacity(paths.len());
        for path in paths {
            let Some(text) = self.text(&path) else {
                self.gaps.blind = true;
                continue;
            };
            self.room = self.room.saturating_sub(text.len());
            let file = self.sources.add(path, text);
            let found = outline(file, self.sources.text(file), &block_types);
            self.problems.extend(found.problems);
            found.lost.into_iter().for_each(|lost| self.gaps.lose(lost));
            outlined.push(Outlined {
                file,
                parts: found.parts,
            });
        }
        outlined
    }

    /// The text of a file; `None` after it was refused.
    fn text(&mut self, path: &str) -> Option<String> {
        let refused = match self.files.read(path) {
            Err(error) => (Code::Unreadable, format!("cannot be read: {}", error.why)),
            Ok(bytes) if bytes.len() > MAX_FILE => {
                (Code::FileTooLarge, "larger than 1 MiB: split it".to_owned())
            }
            Ok(bytes) if bytes.len() > self.room => {
                let message = "the files of a root have at most 256 MiB in all";
                (Code::TooMuch, message.to_owned())
            }
            Ok(bytes) => match String::from_utf8(without_mark(bytes)) {
                Ok(text) => return Some(text),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let message = format!("not UTF-8: the byte at offset {at} cannot stand there");
                    (Code::NotUtf8, message)
                }
            },
        };
        self.refuse(path.to_owned(), refused.0, refused.1);
        None
    }

    fn refuse(&mut self, path: String, code: Code, message: String) {
        self.refused.push(whole(path, code, message));
    }
}

/// A problem of a whole file.
pub(super) fn whole(path: String, code: Code, message: String) -> Diagnostic {
    Diagnostic {
        code,
        severity: Severity::Error,
        message,
        at: whole_file(path),
        also: Vec::new(),
        values: Vec::new(),
        hint: None,
    }
}

/// The bytes without a byte order mark.
pub(super) fn without_mark(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    bytes
}
