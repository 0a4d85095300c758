//! A network of a scenario's own, which has nothing but a loopback device, and in which the packet
//! filter loses what it is told to. The chore runs itself again in it, so that everything that it
//! starts is there, too.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{namespace, strangers, workspace};

/// Set inside.
const INSIDE: &str = "LOKAHI_BENCH_NETWORK";

const FORBIDDEN: &str = "\
this machine lets us make no network namespace, in which this scenario would run. As root it is \
allowed; for others one of these allows it:
  sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0   (Ubuntu)
  sudo sysctl kernel.unprivileged_userns_clone=1               (Debian before 11)";

pub(super) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Runs this chore once more, in a network of its own, to its end.
pub(super) fn enter() -> Result<()> {
    strangers::ensure(&[])?;
    let mut again = namespace::again(&["--net", "--mount"]).context(FORBIDDEN)??;
    again.env(INSIDE, "1");
    workspace::run(&mut again)
}

/// Makes the loopback device work.
pub(super) fn begin() -> Result<()> {
    let mut ip = Command::new(strangers::find("ip")?);
    workspace::output(ip.args(["link", "set", "lo", "up", "mtu", "1500"]))?;
    Ok(())
}

/// Lets rules of nftables hold for what comes in, and no others. `counter name hit` counts.
pub(super) fn filter(rules: &str) -> Result<()> {
    let table = format!(
        "table inet bench\ndelete table inet bench\n\
         table inet bench {{\n counter hit {{}}\n\
         chain come {{ type filter hook input priority 0;\n{rules}\n}}\n}}\n"
    );
    let mut nft = Command::new(strangers::find("nft")?)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start nft")?;
    let mut stdin = nft.stdin.take().context("nft reads nothing")?;
    stdin.write_all(table.as_bytes())?;
    drop(stdin);
    if !nft.wait()?.success() {
        bail!("nft does not take\n{table}");
    }
    Ok(())
}

/// How many packets met a rule that counts.
pub(super) fn hits() -> Result<u64> {
    let mut nft = Command::new(strangers::find("nft")?);
    let listed = workspace::output(nft.args(["list", "counter", "inet", "bench", "hit"]))?;
    let mut words = listed
        .split_whitespace()
        .skip_while(|word| *word != "packets");
    let count = words.nth(1).and_then(|count| count.parse().ok());
    count.with_context(|| format!("nft counts nothing: {listed}"))
}

/// From now on a name server of this network is asked, which never answers.
pub(super) fn silence_names(folder: &Path) -> Result<()> {
    let file = folder.join("resolv.conf");
    fs::write(&file, "nameserver 127.0.0.53\n")?;
    let mut mount = Command::new("mount");
    workspace::output(mount.arg("--bind").arg(&file).arg("/etc/resolv.conf"))?;
    filter("th dport 53 counter name hit drop")
}
