//! A plan as text, for a tired person in a pull request: what happens to what, which line of
//! which file causes it, what is lost and until when it can be brought back, who went past the
//! files, and who is told of what differently from now on.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::manifest::report::path_below;
use crate::model::change::{Action, Change, Kind, Summary};
use crate::model::desired::SourceLine;
use crate::plan::Plan;
use crate::plan::guard::Guard;
use crate::plan::names::Names;
use crate::plan::routing::{Audience, Routing};

/// The longest value that is shown, in characters.
const WIDTH: usize = 120;
/// The widest column of what happens; what is longer pushes only its own line.
const COLUMN: usize = 60;
/// Where a plan stands, beside what it does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing<'a> {
    /// Before the files' paths.
    pub root: &'a str,
    /// Reference and commit, as people say it; empty if unknown.
    pub revision: &'a str,
    /// The generation that is live.
    pub generation: i64,
    pub guards: &'a [Guard],
    /// What is wanted, where that is not what files declare.
    pub wanted: Option<&'a str>,
}

/// The plan: a line for each change and each attribute, who is told differently, the summary,
/// and what holds it.
pub fn human(plan: &Plan, standing: &Standing<'_>) -> String {
    let mut out = String::new();
    let heads: Vec<String> = plan.changes.iter().map(head).collect();
    let width = heads.iter().map(|head| head.chars().count());
    let width = width.max().unwrap_or(0).min(COLUMN);
    for (change, head) in plan.changes.iter().zip(heads) {
        let place = place(change, standing.root);
        let line = match place.is_empty() {
            true => head,
            false => format!("{head:width$}        {place}"),
        };
        line_to(&mut out, &line);
        details(&mut out, change);
    }
    lost(&mut out, &plan.changes);
    if !plan.routing.is_empty() {
        line_to(&mut out, "Who will be told of what differently:");
        for routing in &plan.routing {
            line_to(&mut out, &format!("  {}", told(routing)));
        }
    }
    for (from, to) in &plan.suggestions {
        let text = format!(
            "hint: {to} is what {from} was. If it was renamed, keep its history: \
             moved {{ from = {from}, to = {to} }}, each on a line of its own"
        );
        line_to(&mut out, &text);
    }
    for warning in &plan.warnings {
        line_to(&mut out, &format!("warning: {warning}"));
    }
    line_to(&mut out, &last(plan, standing));
    for guard in standing.guards {
        held(&mut out, guard);
    }
    out
}

/// "Plan: 3 to add, 1 to change, 1 to delete, 1 to rename."
pub fn summary(summary: Summary) -> String {
    let Summary {
        create,
        revive,
        update,
        rename,
        adopt,
        release,
        delete,
        drifted: _,
    } = summary;
    if create + revive + update + rename + adopt + release + delete == 0 {
        return "No changes: what is live is what is declared.".into();
    }
    let mut text = format!(
        "Plan: {} to add, {update} to change, {delete} to delete",
        create + revive
    );
    for (count, what) in [
        (rename, "to rename"),
        (adopt, "to adopt"),
        (release, "to release"),
    ] {
        if count > 0 {
            write!(text, ", {count} {what}").unwrap_or_default();
        }
    }
    text + "."
}

/// "main@3f2c1a9", with a star where files differ from the commit.
pub fn revision(reference: &str, sha: &str, dirty: bool) -> String {
    let sha: String = sha.chars().take(7).collect();
    let dirty = if dirty { "*" } else { "" };
    match (reference, sha.as_str()) {
        (_, "") => String::new(),
        ("", sha) => format!("{sha}{dirty}"),
        (reference, sha) => format!("{reference}@{sha}{dirty}"),
    }
}

fn last(plan: &Plan, standing: &Standing<'_>) -> String {
    let mut text = summary(plan.summary());
    if plan.is_empty() {
        return match standing.wanted {
            Some(wanted) => format!("No changes: what is live is {wanted}."),
            None => text,
        };
    }
    if !standing.revision.is_empty() {
        write!(text, "   {}", standing.revision).unwrap_or_default();
    }
    let now = standing.generation;
    write!(text, "   generation {now} -> {}", now + 1).unwrap_or_default();
    text
}

fn held(out: &mut String, guard: &Guard) {
    let Guard {
        message,
        passes_with,
        addresses,
        ..
    } = guard;
    line_to(out, &format!("Held: {message}."));
    if !addresses.is_empty() {
        line_to(out, &format!("  {addresses}"));
    }
    line_to(out, &format!("  It passes with {passes_with}"));
}

fn head(change: &Change) -> String {
    let will = match change.action {
        Action::Create => "will be created",
        Action::Revive => "will be brought back, with its history",
        Action::Update => "will be updated in place",
        Action::Rename => "will be its name, with its history",
        Action::Adopt => "will be declared here, with its history",
        Action::Release => "will belong to the API",
        Action::Delete if change.is_of_the_gone() => "is not declared any more",
        Action::Delete => "will be deleted",
    };
    let sign = match change.action {
        Action::Update => "#",
        action => action.symbol(),
    };
    let kind = change.kind.name();
    let from = match (&change.from, change.action) {
        (Some(from), Action::Rename | Action::Revive) => format!("{kind}.{from} -> "),
        (Some(from), Action::Adopt) => format!("{from} -> "),
        _ => String::new(),
    };
    format!("  {sign} {from}{kind}.{} {will}", change.address)
}

fn place(change: &Change, root: &str) -> String {
    let line = |at: &SourceLine| format!("{}:{}", path_below(root, &at.file), at.line);
    let at = Some(&change.source).filter(|at| !at.file.is_empty());
    let at = at.map(|at| match change.action.keeps() {
        true => line(at),
        // In the files as they were then, wherever that was.
        false => format!("(was {}:{})", at.file, at.line),
    });
    let block = change.block.as_ref().map(line);
    let both: Vec<String> = block.into_iter().chain(at).collect();
    both.join(" ")
}

fn details(out: &mut String, change: &Change) {
    let names = change.fields.iter().map(|field| field.path.chars().count());
    let names = names.max().unwrap_or(0);
    for field in &change.fields {
        let (path, before, after) = (&field.path, cut(&field.before), cut(&field.after));
        line_to(out, &format!("  ~ {path:names$} : {before} -> {after}"));
    }
    if change.action == Action::Update && change.fields.is_empty() && change.drift.is_none() {
        let what = "what differs was declared with another version of lokahi";
        line_to(out, &format!("      {what}"));
    }
    if let Some(drift) = &change.drift {
        let why = match drift.reason.as_str() {
            "" => String::new(),
            reason => format!(", because: {}", cut(reason)),
        };
        let what = match change.action {
            Action::Revive => "deleted",
            Action::Delete if change.is_of_the_gone() => "deleted",
            _ => "changed",
        };
        let at = moment(drift.at);
        let by = &drift.by;
        line_to(
            out,
            &format!("  ! {what} past the files by {by} at {at}{why}"),
        );
    }
}

/// What is lost, and until when it can be brought back: once for all.
fn lost(out: &mut String, changes: &[Change]) {
    let of = |kind| changes.iter().filter(move |change| change.kind == kind);
    let until = |change: &Change| change.restorable_until;
    let Some(last) = changes.iter().filter_map(until).min() else {
        return;
    };
    let count = |kind| of(kind).filter_map(until).count();
    let (checks, webhooks) = (count(Kind::Check), count(Kind::Webhook));
    let parts = [(checks, "check"), (webhooks, "webhook")];
    let parts = parts.iter().filter(|(n, _)| *n > 0);
    let parts: Vec<String> = parts.map(|(n, noun)| counted(*n, noun)).collect();
    let what = match (checks, webhooks) {
        (0, _) => "",
        (1, 0) => "its probing stops, its history stays; ",
        _ => "their probing stops, their history stays; ",
    };
    let they = if checks + webhooks == 1 { "it" } else { "they" };
    let text = format!(
        "Deleted: {}; {what}{they} can be brought back until {}",
        parts.join(" and "),
        moment(last)
    );
    line_to(out, &text);
}

fn told(routing: &Routing) -> String {
    let (gains, loses) = (&routing.gains, &routing.loses);
    let receiver = match &routing.receiver {
        Audience::Nobody => return format!("nobody hears of {}", checks(gains)),
        Audience::Webhook(name) => format!("webhook.{name}"),
        Audience::Url(url) => cut(url),
    };
    let mut parts = Vec::new();
    if !gains.is_empty() {
        parts.push(format!("hears of {}", checks(gains)));
    }
    if !loses.is_empty() {
        parts.push(format!("no longer hears of {}", checks(loses)));
    }
    if let Some(told_by) = routing.moved {
        let checks = counted(told_by, "check");
        let tell = if told_by == 1 { "tells" } else { "tell" };
        parts.push(format!("is somewhere else; {checks} {tell} it"));
    }
    format!("{receiver} {}", parts.join("; "))
}

fn checks(names: &Names) -> String {
    format!("{}: {names}", counted(names.count(), "check"))
}

/// "1 check", "3 checks".
pub fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// "1 check was changed past the files", "3 checks were changed past the files".
pub fn past_the_files(n: usize, what: &str) -> String {
    let were = if n == 1 { "was" } else { "were" };
    format!("{} {were} {what} past the files", counted(n, "check"))
}

/// "2026-12-02 15:04 UTC".
pub fn moment(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let at = at.to_offset(time::UtcOffset::UTC);
    at.format(format).unwrap_or_else(|_| at.to_string())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A text of several lines that tells the terminal nothing else, be it whoever's.
pub fn harmless(text: &str) -> String {
    let mut out = String::new();
    text.lines().for_each(|line| line_to(&mut out, line));
    out
}

/// Nothing in a line makes another one, or tells the terminal what to do: names, files and
/// reasons are others' words.
fn line_to(out: &mut String, line: &str) {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    out.extend(line.chars().map(shown));
    out.push('\n');
}
