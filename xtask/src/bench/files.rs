//! `files`: how long `lokahictl validate` takes over many check files, and how much memory.
//! Offline: no server runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::usage::high_water;
use crate::figures::{Figures, megabytes};
use crate::workspace;

const TIMES: u32 = 3;
/// Checks of a file.
pub(super) const PER_FILE: u32 = 50;
/// How often the size of the process is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// A root of so many checks of fifteen lines each, as people write them; `url` of each by its
/// number.
pub(super) fn write(root: &Path, checks: u32, url: &dyn Fn(u32) -> String) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root)?;
    fs::write(root.join("lokahi.hcl"), ROOT)?;
    for first in (0..checks).step_by(PER_FILE as usize) {
        let mut text = String::new();
        for n in first..checks.min(first + PER_FILE) {
            let team = n % 40;
            write!(
                text,
                "check \"site_{n}\" {{\n\
                 \x20 url          = \"{}\"\n\
                 \x20 every        = \"60s\"\n\
                 \x20 timeout      = \"5s\"\n\
                 \x20 method       = \"GET\"\n\
                 \x20 headers      = {{ accept = \"application/json\", x-team = \"{team}\" }}\n\
                 \x20 playbook_url = \"https://wiki.example.com/playbooks/site_{n}\"\n\
                 \x20 labels       = {{ team = \"team-{team}\", tier = \"{}\" }}\n\n\
                 \x20 assert \"answer\" {{\n\
                 \x20   status        = [200, 204]\n\
                 \x20   body_contains = [\"\\\"ok\\\":true\"]\n\
                 \x20   max_latency   = \"2s\"\n\
                 \x20 }}\n}}\n\n",
                url(n),
                n % 3
            )?;
        }
        fs::write(
            root.join(format!("checks_{:05}.hcl", first / PER_FILE)),
            text,
        )?;
    }
    Ok(())
}

/// The URL of a check, as people write it.
fn site(n: u32) -> String {
    format!("https://site-{n}.${{local.domain}}/health")
}

const ROOT: &str = r#"lokahi {
  project = "bench"
}

variable "env" {
  default = "prod"
}

locals {
  domain = "example.com"
}

webhook "oncall" {
  url = "https://hooks.example.com/oncall"
}

defaults {
  labels = { env = var.env }

  notify {
    webhooks = [webhook.oncall]
  }
}
"#;

/// What one run took.
struct Run {
    seconds: f64,
    peak: u64,
    code: i32,
}

fn validate(lokahictl: &Path, root: &Path) -> Result<Run> {
    let since = workspace::monotonic();
    let mut child = Command::new(lokahictl)
        .arg("validate")
        .arg(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        peak = fs::read_to_string(&status).map_or(peak, |text| peak.max(high_water(&text)));
        thread::sleep(LOOK);
    };
    Ok(Run {
        seconds: since.elapsed().as_secs_f64(),
        peak,
        code: ended.code().context("validate was killed")?,
    })
}

pub(super) fn measure(
    programs: &BTreeMap<String, PathBuf>,
    results: &Path,
    checks: u32,
) -> Result<Figures> {
    let lokahictl = programs
        .get("lokahictl")
        .context("cargo built no lokahictl")?;
    let mut figures = Figures::default();
    let mut add = |name: &str, root: &Path, code: i32, seconds: &str, memory: &str| {
        for time in 1..=TIMES {
            let run = validate(lokahictl, root)?;
            if run.code != code {
                bail!("{name}: validate ended with {}", run.code);
            }
            let text = format!("{:.0} ms", run.seconds * 1000.0);
            figures.add_with_bar(&format!("{name} {time}"), run.seconds, text, seconds);
            let peak = format!("{name} {time}, most memory");
            figures.add_with_bar(&peak, run.peak, megabytes(run.peak), memory);
        }
        Ok(())
    };
    let large = results.join("files");
    write(&large, checks, &site)?;
    let name = format!("{checks} checks");
    add(&name, &large, 0, "< 1500 ms", "< 150 MB")?;
    let last = large.join("zzz.hcl");
    fs::write(
        &last,
        "check \"last\" {\n  url = \"https://example.com/\"\n  evry = \"5s\"\n}\n",
    )?;
    add("an error in the last file", &large, 1, "as fast", "")?;
    fs::remove_dir_all(&large)?;
    let small = results.join("files-small");
    write(&small, 1_000, &site)?;
    add("1000 checks", &small, 0, "< 60 ms", "")?;
    fs::remove_dir_all(&small)?;
    Ok(figures)
}
