//! The page: what it says around its two tables, and how they are laid out.

use super::explained::EXPLANATIONS;
use super::said::Said;
use super::targets::Target;

const ABOUT: &str = "\
# Compared with blackbox_exporter

What `lokahictl test` and Prometheus's blackbox_exporter say of the same sites: nginx, nghttpd,
`openssl s_server` and dnsmasq in a network of their own, a packet filter between, and some sites
that misbehave by a script. Both have three seconds for each. `cargo xtask compare` starts all of it,
asks both, and writes this page; it fails where they differ and nobody has said why.

";

const COLUMNS: &str = "
Beside success and the status stand the phases that took time, by lokahi's names (blackbox_exporter
calls `dns` resolve and `first_byte` processing; it has nothing to set beside lokahi's `write`), and
when the first certificate ends. lokahi also says why: a check that answered and broke an assert is
down, what gave no valid answer has a [class](probing.md#classes). The numbers are those of the
reasons [below](#why-they-differ).

| target | what it is | blackbox_exporter | lokahi | differences |
| --- | --- | --- | --- | --- |
";

/// A line of the table of targets.
pub(super) fn row(target: &Target, theirs: &Said, ours: &Said, numbers: &[usize]) -> String {
    let numbers: Vec<_> = numbers.iter().map(|n| (n + 1).to_string()).collect();
    let numbers = numbers.join(", ");
    let (name, what) = (target.name, target.what);
    format!("| `{name}` | {what} | {theirs} | {ours} | {numbers} |\n")
}

pub(super) fn page(version: &str, rows: &[String]) -> String {
    let mut text = ABOUT.to_owned();
    let count = rows.len();
    text.push_str(&format!(
        "blackbox_exporter {version} as Debian packages it, {count} targets.\n"
    ));
    text.push_str(COLUMNS);
    text.push_str(&rows.concat());
    text.push_str("\n## Why they differ\n\n");
    for (number, explanation) in EXPLANATIONS.iter().enumerate() {
        text.push_str(&format!("{}. {}\n", number + 1, explanation.why));
    }
    text
}
