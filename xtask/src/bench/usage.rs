//! What processes have used, by `/proc`: processor time, user and system, and memory. Of
//! Postgres every process counts; those that have ended count with their parent.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

/// Of `/proc/PID/stat`: the same on every Linux that runs this.
const TICKS_A_SECOND: f64 = 100.0;

/// A process that is watched.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) name: &'static str,
    pub(super) pid: u32,
    /// Whether its children are watched, too.
    pub(super) family: bool,
}

/// By process, in seconds since it began.
pub(super) type Seconds = BTreeMap<String, f64>;

/// By process, in bytes.
pub(super) type Memory = BTreeMap<String, u64>;

/// The processor time of all.
pub(super) fn processor(watched: &[Watched]) -> Result<Seconds> {
    let mut used = Seconds::new();
    for Watched { name, pid, family } in watched {
        let parent = Stat::read(*pid).with_context(|| format!("{name} is gone"))?;
        if !family {
            used.insert((*name).to_owned(), parent.own);
            continue;
        }
        *used
            .entry(format!("{name}: itself and ended ones"))
            .or_default() += parent.own + parent.ended;
        for (child, stat) in children(*pid) {
            let kind = format!("{name}: {}", kind(child));
            // One that ends between the two moments would count less than before; those that
            // are ended with a window are few and small.
            *used.entry(kind).or_default() += stat.own;
        }
    }
    Ok(used)
}

/// The resident memory of all. Of a family it is what its members do not share.
pub(super) fn memory(watched: &[Watched]) -> Result<Memory> {
    let mut held = Memory::new();
    for Watched { name, pid, family } in watched {
        let bytes = if *family {
            let members = children(*pid).into_iter().map(|(child, _)| child);
            members
                .chain([*pid])
                .filter_map(|member| resident(member, "RssAnon:"))
                .sum()
        } else {
            resident(*pid, "VmRSS:").with_context(|| format!("{name} is gone"))?
        };
        held.insert((*name).to_owned(), bytes);
    }
    Ok(held)
}

#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    /// Seconds.
    own: f64,
    /// Of children that have ended and were waited for.
    ended: f64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// By proc(5); the name, second and in brackets, may hold anything.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u32>().ok();
        let seconds = |field| Some(f64::from(number(field)?) / TICKS_A_SECOND);
        Some(Self {
            parent: number(4)?,
            own: seconds(14)? + seconds(15)?,
            ended: seconds(16)? + seconds(17)?,
        })
    }
}

fn children(parent: u32) -> Vec<(u32, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .filter(|(_, stat)| stat.parent == parent)
        .collect()
}

/// What a process of Postgres does, from its title: `postgres: walwriter`, or
/// `postgres: USER DATABASE [local] idle`.
fn kind(pid: u32) -> String {
    let title = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let title = String::from_utf8_lossy(&title);
    let words = title
        .trim_matches('\0')
        .trim()
        .trim_start_matches("postgres: ");
    if words.contains('[') {
        return "backends".to_owned();
    }
    let text = words.split('\0').next().unwrap_or_default();
    text.trim().to_owned()
}

fn resident(pid: u32, which: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}

/// The most memory that a process has had, in bytes.
pub(super) fn high_water(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 0 0 150 50 30 20 20 0 1 0";
        let expected = Stat {
            parent: 7,
            own: 2.0,
            ended: 0.5,
        };
        assert_eq!(Stat::parse(line), Some(expected));
    }
}
