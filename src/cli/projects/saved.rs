//! A plan in a file, between `plan --save` and `apply --plan`. It holds what was shown and the
//! token that stands for it, and no secret but that.

use std::path::Path;

use serde_json::Value;

use super::document::document;
use super::planned::Planned;
use crate::cli::exit::{Exit, Failure};
use crate::files::private;
use crate::model::name::Name;

/// What is needed to apply it.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) token: String,
    pub(super) project: String,
    /// As it stands in the file: whoever wrote that may have meant the terminal.
    pub(super) text: String,
    /// Of an apply.
    pub(super) document: Value,
    pub(super) is_empty: bool,
}

/// Writes it, readable by its owner only: whoever may apply could use it.
pub(super) fn save(planned: &Planned, file: &Path) -> Result<(), Failure> {
    let document = document(planned, "plan");
    let text = format!("{document:#}\n");
    private::write_private(file, text.as_bytes()).map_err(|error| {
        let shown = file.display();
        Failure::new(Exit::Refused, format!("cannot write {shown}: {error}"))
    })
}

/// Reads it.
pub(super) fn read(file: &Path) -> Result<Saved, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot read {shown}: {error}")))?;
    let bad = || {
        Failure::new(Exit::Usage, format!("{shown} is no saved plan"))
            .hint("lokahictl plan --save FILE writes one")
    };
    let mut document: Value = serde_json::from_str(&text).map_err(|_| bad())?;
    let word = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
    let changes = document.get("changes").and_then(Value::as_array);
    let is_empty = changes.ok_or_else(bad)?.is_empty();
    let token = word("plan_token").ok_or_else(bad)?;
    let project = word("project").ok_or_else(bad)?;
    project.parse::<Name>().map_err(|_| bad())?;
    let text = word("text").ok_or_else(bad)?;
    // Whatever comes of it comes of applying it.
    if let Some(kind) = document.get_mut("kind") {
        *kind = "apply".into();
    }
    Ok(Saved {
        token,
        project,
        text,
        is_empty,
        document,
    })
}
