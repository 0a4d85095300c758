//! Where a command writes, and the JSON that scripts read.

use std::io::{self, IsTerminal as _, Write};

use indicatif::{ProgressBar, ProgressStyle};
use prost::{Message, Name};

use super::exit::Failure;
use crate::proto::json::{JsonStyle, to_json};

/// The handles of the process, and who reads them.
pub(super) struct Console<'a> {
    /// Data.
    pub(super) out: &'a mut dyn Write,
    /// Everything else.
    pub(super) words: &'a mut dyn Write,
    pub(super) out_is_terminal: bool,
    /// Whether somebody can answer a question.
    pub(super) answers: bool,
}

impl Console<'_> {
    /// Prints a message as the original did.
    pub(super) fn json<M: Message + Name>(&mut self, message: &M) -> Result<(), Failure> {
        let json = to_json(message, JsonStyle::Cli)?;
        writeln!(self.out, "{json}")?;
        Ok(())
    }
}

/// How far something long is: on stderr, and only for people.
pub(super) fn progress(count: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_ours) => bar,
    }
}
