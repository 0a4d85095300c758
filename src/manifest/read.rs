//! From a root to the parts of its files: list, read, outline. What cannot be read is told,
//! and what it may have declared counts as unknown, not as missing.

use std::collections::BTreeSet;

use crate::manifest::attributes::FILE;
use crate::manifest::cores::shares;
use crate::manifest::declare::Gaps;
use crate::manifest::diagnostic::{Code, Diagnostic, Problem, Severity};
use crate::manifest::parse::{Outline, Part, outline};
use crate::manifest::source::{Files, MAX_FILE, MAX_TOTAL, Sources, Unreadable, whole_file};

/// How many files are read at once.
const LOT: usize = 256;
/// Fewer files than this are not worth a thread.
const FEW: usize = 32;

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
        let block_types: Vec<&str> = FILE.blocks.iter().map(|block| block.name).collect();
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
        let mut added = Vec::with_capacity(paths.len());
        // A lot at a time, so that what there is no room for is not in memory at once.
        for lot in paths.chunks(LOT) {
            let read = |share: &[String]| -> Vec<_> {
                share.iter().map(|path| text(self.files, path)).collect()
            };
            let texts = shares(lot, FEW, read);
            for (path, read) in lot.iter().zip(texts.into_iter().flatten()) {
                let text = read.and_then(|text| match text.len() > self.room {
                    true => {
                        let message = "the files of a root have at most 256 MiB in all";
                        Err((Code::TooMuch, message.to_owned()))
                    }
                    false => Ok(text),
                });
                match text {
                    Ok(text) => {
                        self.room = self.room.saturating_sub(text.len());
                        added.push(self.sources.add(path.clone(), text));
                    }
                    Err((code, message)) => {
                        self.gaps.blind = true;
                        self.refuse(path.clone(), code, message);
                    }
                }
            }
        }
        let sources = &self.sources;
        let outlines = shares(&added, FEW, |share| -> Vec<Outline> {
            let outline = |file: &u32| outline(*file, sources.text(*file), &block_types);
            share.iter().map(outline).collect()
        });
        let mut outlined = Vec::with_capacity(added.len());
        for (file, found) in added.into_iter().zip(outlines.into_iter().flatten()) {
            self.problems.extend(found.problems);
            found.lost.into_iter().for_each(|lost| self.gaps.lose(lost));
            outlined.push(Outlined {
                file,
                parts: found.parts,
            });
        }
        outlined
    }

    fn refuse(&mut self, path: String, code: Code, message: String) {
        self.refused.push(whole(path, code, message));
    }
}

/// The text of a file, or why there is none.
fn text(files: &dyn Files, path: &str) -> Result<String, (Code, String)> {
    let bytes = files.read(path).map_err(|error| {
        let message = format!("cannot be read: {}", error.why);
        (Code::Unreadable, message)
    })?;
    if bytes.len() > MAX_FILE {
        return Err((Code::FileTooLarge, "larger than 1 MiB: split it".to_owned()));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let message = "UTF-16, as some editors and shells of Windows write: save it as UTF-8";
        return Err((Code::NotUtf8, message.to_owned()));
    }
    String::from_utf8(without_mark(bytes)).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("not UTF-8: the byte at offset {at} cannot stand there");
        (Code::NotUtf8, message)
    })
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
