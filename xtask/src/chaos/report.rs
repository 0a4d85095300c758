//! What is printed in the end, and what is kept for whoever wants to know why.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::cast::RECEIVERS;
use super::judge::BOUND;
use super::run::Found;
use crate::figures::Figures;

/// How many violations are printed; the folder has all.
const SHOWN: usize = 50;

/// Prints the table and the verdict, and fails if that is a bad one.
pub(super) fn finish(found: &Found, seed: u64, results: &Path) -> Result<()> {
    println!("\n{}", table(found));
    for line in &found.ended {
        println!("ended by itself, and was started again: {line}");
    }
    let folder = results.join(format!("seed-{seed}"));
    keep(found, results, &folder)?;
    let violations = &found.verdict.violations;
    if violations.is_empty() {
        println!("chaos: all is well");
        return Ok(());
    }
    for violation in violations.iter().take(SHOWN) {
        println!("{violation}");
    }
    let (count, folder) = (violations.len(), folder.display());
    bail!("chaos: {count} violations; logs, rows and receptions are in {folder}");
}

fn table(found: &Found) -> String {
    let mut figures = Figures::default();
    let counts = &found.verdict.counts;
    let mut count = |name: &str, value: usize| figures.add(name, value, value.to_string());
    count("outages of sites", found.outages);
    count("times in which what is so had to be seen", counts.required);
    count("of them outages", counts.required_outages);
    count("transitions", found.facts.transitions.len());
    count("  reminders", counts.reminders);
    count("  of a project", counts.notices);
    count("receivers that had to be told to fail", counts.failing);
    count("deliveries", found.facts.deliveries.len());
    count("  delivered", counts.delivered);
    count("  superseded", counts.superseded);
    count("    by groups", counts.grouped);
    count("  groups", counts.groups);
    count("  dead", counts.dead);
    count("  to fallbacks", counts.fell_back);
    count("receptions", found.heard.len());
    count(
        "  of them taken",
        found.heard.iter().filter(|it| it.was_taken()).count(),
    );
    count("  taken again", counts.duplicates);
    count("  late, of a frozen worker", counts.late);
    for (kind, done) in &found.director.done {
        let text = match done.missed {
            0 => format!("{} times, {:.1} s", done.times, done.lasted),
            missed => format!(
                "{} times, {:.1} s; {missed} missed",
                done.times, done.lasted
            ),
        };
        figures.add(kind, done.times, text);
    }
    let stood = found.stalls.iter().map(|it| it.until - it.from);
    let stood = stood.fold(0.0, |sum, it| sum + it);
    figures.add("this machine stood still", stood, format!("{stood:.1} s"));
    let slowest = counts.slowest;
    let name = "longest until a receiver that was well had it";
    figures.add(name, slowest, format!("{slowest:.1} s"));
    let normal = match found.normal {
        Some(seconds) => format!("{seconds:.1} s"),
        None => "never".to_owned(),
    };
    let name = "from the last fault until all was normal";
    figures.add_with_bar(name, found.normal, normal, &format!("<= {BOUND} s"));
    figures.table()
}

/// All that may say why.
fn keep(found: &Found, results: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::rename(results.join("logs"), folder.join("logs"))?;
    let mut text = String::new();
    for violation in &found.verdict.violations {
        writeln!(text, "{violation}")?;
    }
    fs::write(folder.join("violations.txt"), text)?;
    fs::write(folder.join("script.txt"), format!("{:#?}\n", found.script))?;
    fs::write(folder.join("faults.txt"), found.director.notes.join("\n"))?;
    let mut text = String::new();
    for it in &found.facts.transitions {
        writeln!(text, "{it:?}")?;
    }
    fs::write(folder.join("transitions.txt"), text)?;
    let mut text = String::new();
    for it in &found.facts.notices {
        writeln!(text, "{it:?}")?;
    }
    fs::write(folder.join("notices.txt"), text)?;
    let mut text = String::new();
    for it in &found.facts.deliveries {
        let receiver = RECEIVERS.get(it.receiver).map_or("", |it| it.name);
        writeln!(text, "{receiver}: {it:?}")?;
    }
    fs::write(folder.join("deliveries.txt"), text)?;
    let mut text = String::new();
    for it in &found.heard {
        let receiver = RECEIVERS.get(it.receiver).map_or("", |it| it.name);
        writeln!(text, "{receiver}: {it:?}")?;
    }
    fs::write(folder.join("receptions.txt"), text)?;
    fs::write(folder.join("attempts.txt"), &found.attempts)?;
    Ok(())
}
