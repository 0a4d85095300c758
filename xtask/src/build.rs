//! Builds the programs, and learns from cargo where it has put them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// How they are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// Builds all programs and says where each of them is. Cargo's progress is shown.
pub(crate) fn programs(profile: Profile) -> Result<BTreeMap<String, PathBuf>> {
    println!("building (the first time takes some minutes)");
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--locked", "--bins"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    let output = cargo
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the build failed");
    }
    let mut programs = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let name = message.pointer("/target/name").and_then(|it| it.as_str());
        let program = message.get("executable").and_then(|it| it.as_str());
        if let (Some(name), Some(program)) = (name, program) {
            programs.insert(name.to_owned(), program.into());
        }
    }
    Ok(programs)
}
