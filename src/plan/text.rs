//! A plan as text, for a tired person in a pull request: what happens to what,
//! and which line of which file causes it.

use crate::model::change::{Action, Change};
use crate::plan::{Plan, Summary};

/// The longest value that is shown, in characters.
const WIDTH: usize = 120;

/// The plan, one line for each change and each attribute, and the summary as the
/// last line. `root` stands before the files' paths.
pub fn human(plan: &Plan, root: &str) -> String {
    let mut out = String::new();
    let heads: Vec<String> = plan.changes.iter().map(head).collect();
    let width = heads
        .iter()
        .map(|head| head.chars().count())
        .max()
        .unwrap_or(0);
    for (change, head) in plan.changes.iter().zip(heads) {
        out.push_str(&match change.source.file.as_str() {
            "" => head,
            file => format!(
                "{head:width$}        {}:{}",
                joined(root, file),
                change.source.line
            ),
        });
        out.push('\n');
        let names = change.fields.iter().map(|field| field.path.chars().count());
        let names = names.max().unwrap_or(0);
        for field in &change.fields {
            let line = format!(
                "  ~ {:names$} : {} -> {}",
                field.path,
                cut(&field.before),
                cut(&field.after)
            );
            out.push_str(&line);
            out.push('\n');
        }
    }
    out.push_str(&summary(plan.summary()));
    out.push('\n');
    out
}

/// "Plan: 3 to add, 1 to change, 1 to delete."
pub fn summary(summary: Summary) -> String {
    let Summary {
        add,
        change,
        delete,
    } = summary;
    match add + change + delete {
        0 => "No changes: what is live is what is declared.".into(),
        _ => format!("Plan: {add} to add, {change} to change, {delete} to delete."),
    }
}

fn head(change: &Change) -> String {
    let will = match change.action {
        Action::Create => "will be created",
        Action::Update => "will be updated in place",
        Action::Delete => "will be deleted",
    };
    let sign = match change.action {
        Action::Update => '#',
        action => action.symbol(),
    };
    format!("  {sign} {}.{} {will}", change.kind.name(), change.address)
}

fn joined(root: &str, file: &str) -> String {
    match root.trim_end_matches('/') {
        "" | "." => file.to_owned(),
        root => format!("{root}/{file}"),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
