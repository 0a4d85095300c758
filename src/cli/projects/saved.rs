//! A plan in a file, between `plan --save` and `apply --plan`. It holds what was shown and the
//! token that stands for it, and no secret but that.

use std::path::Path;

use serde_json::Value;

use super::document::{change, document};
use super::planned::Planned;
use crate::cli::exit::{Exit, Failure};
use crate::files::private;
use crate::model::change::Change;
use crate::model::name::Name;
use crate::plan::Plan;
use crate::plan::text::{self, Standing};

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
    /// Before the files' paths.
    root: String,
}

impl Saved {
    /// Whether the file shows what its token does: it goes through the hands of CI.
    pub(super) fn verify(&self, changes: Vec<Change>) -> Result<(), Failure> {
        let plan = Plan {
            changes,
            ..Plan::default()
        };
        let standing = Standing {
            root: &self.root,
            revision: "",
            generation: 0,
            guards: &[],
            wanted: None,
        };
        let text = text::human(&plan, &standing);
        let (lines, summary) = text.trim_end().rsplit_once('\n').unwrap_or(("", &text));
        let summary = summary.split("   ").next().unwrap_or_default();
        let mut shown = self.text.lines();
        let mut lines = lines.lines().filter(|line| !line.is_empty());
        // Of nothing nothing need be shown.
        let told = plan.is_empty()
            || lines.all(|line| shown.any(|it| it == line))
                && shown.any(|line| line.starts_with(summary));
        let changes: Vec<Value> = plan.changes.iter().map(change).collect();
        if told && self.document.get("changes").and_then(Value::as_array) == Some(&changes) {
            return Ok(());
        }
        let message =
            "the file does not show what its plan does: it was changed since it was saved";
        Err(Failure::new(Exit::Refused, message).hint(format!(
            "nothing was changed; plan {} again, and keep others from writing to the file",
            self.project
        )))
    }
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
    let root = word("root").unwrap_or_default();
    // Whatever comes of it comes of applying it.
    if let Some(kind) = document.get_mut("kind") {
        *kind = "apply".into();
    }
    Ok(Saved {
        token,
        project,
        text,
        is_empty,
        root,
        document,
    })
}
