//! `fmt`: check files laid out in the one way. Offline; what cannot be formatted is
//! told and left as it is, and the others are formatted all the same.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::files::Fmt;
use super::diagnostics;
use super::exit::{Exit, Failure};
use super::output::Console;
use crate::files::folder::Folder;
use crate::files::replace::replace;
use crate::manifest::format::{BYTE_ORDER_MARK, Refused, format};
use crate::manifest::report;
use crate::manifest::source::{Files as _, MAX_FILE, Sources, is_check_file};

/// How long the shortest difference is looked for; then one is shown that is longer.
const DIFF: Duration = Duration::from_secs(1);

/// Formats the files of all paths, and prints the names of those that changed.
pub(super) async fn fmt(what: &Fmt, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let standard_input = what.paths.iter().any(|path| path.as_os_str() == "-");
    if standard_input && what.paths.len() > 1 {
        return Err(Failure::new(Exit::Usage, "`-` stands alone")
            .hint("format other files with a command of their own"));
    }
    let mut run = Run::default();
    if standard_input {
        run.standard_input(what, console).await?;
    }
    for path in what.paths.iter().filter(|path| path.as_os_str() != "-") {
        for file in run.files(path, console)? {
            run.file(&file, what, console)?;
            // Ctrl-C ends it between two files.
            tokio::task::yield_now().await;
        }
    }
    Ok(match run {
        Run { refused: true, .. } => Exit::Refused,
        Run { changed: true, .. } if what.check => Exit::Findings,
        Run { .. } => Exit::Ok,
    })
}

/// What was met so far.
#[derive(Default)]
struct Run {
    refused: bool,
    changed: bool,
}

impl Run {
    /// The files of a path: itself, or the check files below it.
    fn files(&mut self, path: &Path, console: &mut Console<'_>) -> Result<Vec<PathBuf>, Failure> {
        if !path.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let folder = Folder::new(path);
        let (mut files, unreadable) = folder.list();
        for error in unreadable {
            let below = path.join(&error.path);
            let path = if error.path == "." { path } else { &below };
            self.refuse(path, &error.why, console)?;
        }
        files.retain(|file| is_check_file(file));
        Ok(files.iter().map(|file| path.join(file)).collect())
    }

    fn file(&mut self, path: &Path, what: &Fmt, console: &mut Console<'_>) -> Result<(), Failure> {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = match Folder::new(folder).read(&name) {
            Ok(bytes) => bytes,
            Err(error) => return self.refuse(path, &error.why, console),
        };
        let Some((old, new)) = self.formatted(path, &bytes, console)? else {
            return Ok(());
        };
        if old == new {
            return Ok(());
        }
        self.changed = true;
        if !what.check
            && !what.diff
            && let Err(error) = replace(path, old.as_bytes(), new.as_bytes())
        {
            return self.refuse(path, &error.to_string(), console);
        }
        show(path, old, &new, what, console)
    }

    /// Standard input to standard output.
    async fn standard_input(
        &mut self,
        what: &Fmt,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        // Aside, so that Ctrl-C ends the wait for it.
        let read = tokio::task::spawn_blocking(|| {
            let mut bytes = Vec::new();
            let mut input = io::stdin().lock().take(MAX_FILE as u64 + 1);
            input.read_to_end(&mut bytes).map(|_| bytes)
        });
        let bytes = read.await.map_err(io::Error::other)??;
        let path = Path::new("<stdin>");
        let Some((old, new)) = self.formatted(path, &bytes, console)? else {
            return Ok(());
        };
        self.changed = old != new;
        if !what.check && !what.diff {
            console.out.write_all(new.as_bytes())?;
        } else if self.changed {
            show(path, old, &new, what, console)?;
        }
        Ok(())
    }

    /// The text and the formatted text; nothing if that was refused.
    fn formatted<'a>(
        &mut self,
        path: &Path,
        bytes: &'a [u8],
        console: &mut Console<'_>,
    ) -> Result<Option<(&'a str, String)>, Failure> {
        let text = match std::str::from_utf8(bytes) {
            _ if bytes.len() > MAX_FILE => Err("larger than 1 MiB: split it".to_owned()),
            Ok(text) => Ok(text),
            Err(error) => Err(format!(
                "not UTF-8: the byte at offset {} cannot stand there",
                error.valid_up_to()
            )),
        };
        let text = match text {
            Ok(text) => text,
            Err(why) => return self.refuse(path, &why, console).map(|()| None),
        };
        match format(text) {
            Ok(formatted) => Ok(Some((text, formatted))),
            Err(Refused::Invalid(problems)) => {
                self.refused = true;
                let mut sources = Sources::default();
                let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
                sources.add(path.display().to_string(), text.to_owned());
                let resolve = problems
                    .into_iter()
                    .map(|problem| problem.resolve(&sources));
                let style = report::Style {
                    color: io::stderr().is_terminal() && diagnostics::wants_color(),
                    ..report::Style::default()
                };
                let shown = report::human(&resolve.collect::<Vec<_>>(), "", style);
                console.words.write_all(shown.as_bytes())?;
                Ok(None)
            }
            Err(other) => self
                .refuse(path, &other.to_string(), console)
                .map(|()| None),
        }
    }

    fn refuse(&mut self, path: &Path, why: &str, console: &mut Console<'_>) -> Result<(), Failure> {
        self.refused = true;
        let path = path.display();
        writeln!(console.words, "error: cannot format {path}: {why}")?;
        Ok(())
    }
}

/// Prints that a file changes: its name, or how.
fn show(
    path: &Path,
    old: &str,
    new: &str,
    what: &Fmt,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    if !what.diff {
        writeln!(console.out, "{}", path.display())?;
        return Ok(());
    }
    let diff = similar::TextDiff::configure()
        .timeout(DIFF)
        .diff_lines(old, new);
    let name = path.display().to_string();
    let diff = diff.unified_diff().header(&name, &name).to_string();
    if !diagnostics::style(console).color {
        console.out.write_all(diff.as_bytes())?;
        return Ok(());
    }
    for line in diff.lines() {
        let color = match line.as_bytes().first() {
            Some(b'+') => "32",
            Some(b'-') => "31",
            Some(b'@') => "36",
            _ => "0",
        };
        writeln!(console.out, "\x1b[{color}m{line}\x1b[0m")?;
    }
    Ok(())
}
