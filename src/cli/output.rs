//! Where a command writes, and the JSON that scripts read.

use std::io::Write;

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
