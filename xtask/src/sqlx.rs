//! `cargo xtask sqlx prepare`: writes `.sqlx/`, with which the library's queries are checked
//! by a build that has no database. A Postgres of this chore's own gets the migrations; then
//! the library is checked against it, and sqlx's macros write down what they learn.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::peers;
use crate::postgres::{Fsync, Postgres};
use crate::workspace::{self, Scratch};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Chore {
    /// Write .sqlx/ from the queries of the library and the migrations
    Prepare {
        /// Change nothing; fail if a file is not what it would be
        #[arg(long)]
        check: bool,
    },
}

pub(crate) fn run(chore: &Chore) -> Result<()> {
    let Chore::Prepare { check } = chore;
    let [programs, _] = peers::ensure()?;
    let root = workspace::root();
    let postgres = Postgres::start(&programs, Fsync::Off)?;
    for migration in migrations(&root.join("migrations"))? {
        postgres.run_file(&migration)?;
    }
    // Into a draft first: a query that does not compile must not cost the others.
    let draft = Scratch::within(&std::env::temp_dir())?;
    // Cargo does not know that a macro asked a database, so it must see a change.
    File::options()
        .append(true)
        .open(root.join("src/lib.rs"))
        .and_then(|file| file.set_modified(workspace::wall()))
        .context("cannot touch src/lib.rs")?;
    let mut cargo = workspace::cargo();
    cargo
        .args(["check", "--locked", "--lib", "--quiet"])
        .env("DATABASE_URL", postgres.url())
        .env("SQLX_OFFLINE_DIR", draft.path())
        .env_remove("SQLX_OFFLINE");
    workspace::run(&mut cargo)?;

    let target = root.join(".sqlx");
    let (fresh, present) = (read(draft.path())?, read(&target)?);
    if fresh == present {
        println!("{} queries, nothing changed", fresh.len());
        return Ok(());
    }
    if *check {
        let stale = present.keys().filter(|name| !fresh.contains_key(*name));
        let new = fresh
            .iter()
            .filter(|(name, text)| present.get(*name) != Some(text));
        bail!(
            ".sqlx is not what the queries say ({} missing or different, {} too many): run cargo \
             xtask sqlx prepare",
            new.count(),
            stale.count()
        );
    }
    fs::create_dir_all(&target)?;
    for name in present.keys().filter(|name| !fresh.contains_key(*name)) {
        fs::remove_file(target.join(name))?;
    }
    for (name, text) in &fresh {
        fs::write(target.join(name), text)?;
    }
    println!("{} queries", fresh.len());
    Ok(())
}

fn migrations(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    found.sort();
    Ok(found)
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("query-") {
                files.insert(name, fs::read_to_string(entry.path())?);
            }
        }
    }
    Ok(files)
}
