//! What both programs say of a target, in the same words.

use std::collections::BTreeSet;
use std::fmt;

use lokahi::model::observation::Outcome;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ground::Ground;
use super::targets::{TARGETS, Target};
use crate::support::peer::{Folder, Peer, Sign, stranger};
use crate::support::programs::lokahictl_with;

/// How long either may take for one target.
const TIMEOUT: &str = "3s";

/// Parts of a probe, by lokahi's names. blackbox_exporter counts writing into what it calls
/// processing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    Dns,
    Connect,
    Tls,
    FirstByte,
    Transfer,
}

impl Phase {
    const ALL: [(Self, &str, &str); 5] = [
        (Self::Dns, "dns", "resolve"),
        (Self::Connect, "connect", "connect"),
        (Self::Tls, "tls", "tls"),
        (Self::FirstByte, "first_byte", "processing"),
        (Self::Transfer, "transfer", "transfer"),
    ];
}

#[derive(Debug)]
pub(super) struct Said {
    pub(super) success: bool,
    /// Why not, as far as it says.
    class: String,
    pub(super) status: u16,
    /// Those that took time.
    phases: BTreeSet<Phase>,
    /// The day on which the first certificate ends.
    ends: Option<Date>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.success { "success" } else { "failure" })?;
        if !self.class.is_empty() {
            write!(f, " (`{}`)", self.class)?;
        }
        if self.status > 0 {
            write!(f, ", {}", self.status)?;
        }
        let names = Phase::ALL
            .iter()
            .filter(|(phase, ..)| self.phases.contains(phase));
        let names: Vec<_> = names.map(|(_, name, _)| *name).collect();
        if !names.is_empty() {
            write!(f, "; {}", names.join(" "))?;
        }
        match self.ends {
            Some(day) => write!(f, "; until {day}"),
            None => Ok(()),
        }
    }
}

/// What two accounts differ in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Difference {
    Success,
    Status,
    /// Only blackbox_exporter has it.
    Theirs(Phase),
    /// Only lokahi has it.
    Ours(Phase),
    Certificate,
}

pub(super) fn differences(theirs: &Said, ours: &Said) -> Vec<Difference> {
    let mut found = Vec::new();
    if theirs.success != ours.success {
        found.push(Difference::Success);
    }
    if theirs.status != ours.status {
        found.push(Difference::Status);
    }
    found.extend(
        theirs
            .phases
            .difference(&ours.phases)
            .map(|phase| Difference::Theirs(*phase)),
    );
    found.extend(
        ours.phases
            .difference(&theirs.phases)
            .map(|phase| Difference::Ours(*phase)),
    );
    if theirs.ends != ours.ends {
        found.push(Difference::Certificate);
    }
    found
}

/// A running blackbox_exporter with a module for each target.
pub(super) struct Blackbox {
    peer: Peer,
    pub(super) version: String,
}

impl Blackbox {
    pub(super) async fn start(ground: &Ground) -> Self {
        let mut config = "modules:\n".to_owned();
        for target in TARGETS {
            let module = ground.filled(target.module);
            let lines: String = module
                .lines()
                .map(|line| format!("      {line}\n"))
                .collect();
            config.push_str(&format!(
                "  {}:\n    prober: http\n    timeout: {TIMEOUT}\n    http:\n      \
                 enable_http2: true\n{lines}",
                target.name
            ));
        }
        let folder = Folder::new();
        folder.write("blackbox.yml", config);
        let program = || stranger("prometheus-blackbox-exporter");
        let said = program().arg("--version").output().unwrap();
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let mut words = said
            .split_whitespace()
            .skip_while(|word| *word != "version");
        let server = |_: &Folder, port: u16| {
            let mut command = program();
            command.arg("--config.file=blackbox.yml");
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            command
        };
        Self {
            version: words.nth(1).unwrap().to_owned(),
            peer: Peer::start(folder, Sign::Says("Listening on"), server).await,
        }
    }

    pub(super) async fn says(&self, ground: &Ground, target: &Target) -> Said {
        let mut url = String::new();
        for byte in ground.filled(target.url).bytes() {
            url.push_str(&format!("%{byte:02x}"));
        }
        let asked = format!("/probe?module={}&target={url}", target.name);
        let answer = get(self.peer.port, &asked).await;
        assert!(
            answer.starts_with("HTTP/1.0 200"),
            "{}: {answer}",
            target.name
        );
        let value = |name: &str| {
            let mut lines = answer.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            line.trim().parse::<f64>().ok()
        };
        let phases = Phase::ALL.iter().filter(|(_, _, name)| {
            let metric = format!("probe_http_duration_seconds{{phase=\"{name}\"}}");
            value(&metric).is_some_and(|seconds| seconds > 0.0)
        });
        let ends = value("probe_ssl_earliest_cert_expiry");
        Said {
            success: value("probe_success") == Some(1.0),
            class: String::new(),
            status: value("probe_http_status_code").unwrap_or(0.0) as u16,
            phases: phases.map(|(phase, ..)| *phase).collect(),
            ends: ends.map(|at| {
                OffsetDateTime::from_unix_timestamp(at as i64)
                    .unwrap()
                    .date()
            }),
        }
    }
}

/// One GET in HTTP/1.0: the answer ends with the connection.
async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let asked = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// What `lokahictl test` says of all targets.
pub(super) async fn lokahi(ground: &Ground) -> Vec<Said> {
    let mut files = "lokahi {\n  project = \"shop\"\n}\n".to_owned();
    for target in TARGETS {
        files.push_str(&format!(
            "check \"{}\" {{\n  url = \"{}\"\n  timeout = \"{TIMEOUT}\"\n{}\n}}\n",
            target.name,
            ground.filled(target.url),
            ground.filled(target.check),
        ));
    }
    let mut bindings = String::new();
    for secret in ["sesame", "barley", "client"] {
        bindings.push_str(&format!(
            "secret \"{secret}\" {{\n  hosts = [\"site.test\"]\n  projects = [\"shop\"]\n}}\n"
        ));
    }
    let folder = &ground.folder;
    folder.write("lokahi.hcl", files);
    folder.write("bindings", bindings);
    let own = folder.path().to_str().unwrap();
    let bindings = folder.path().join("bindings");
    let arguments = [
        &["test", own, "--output", "json", "--concurrency", "1"][..],
        &[
            "--secrets-dir",
            own,
            "--secrets-binding",
            bindings.to_str().unwrap(),
        ],
    ];
    let ended = lokahictl_with("", &arguments.concat(), &[]).await;
    let document: serde_json::Value = serde_json::from_str(&ended.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", ended.out, ended.words));
    let found = document["checks"].as_array().unwrap();
    let of = |target: &Target| {
        let one = found.iter().find(|check| check["address"] == target.name);
        said(&one.unwrap()["observation"])
    };
    TARGETS.iter().map(of).collect()
}

fn said(observation: &serde_json::Value) -> Said {
    let outcome = observation["outcome"].as_str().unwrap();
    assert_ne!(outcome, Outcome::Unknown.name(), "{observation}");
    let phases = Phase::ALL.iter().filter(|(_, name, _)| {
        let took = &observation["microseconds"][*name];
        took.as_u64().unwrap() > 0
    });
    let ends = observation["certificate_not_after"].as_str();
    Said {
        success: outcome == Outcome::Up.name(),
        class: observation["class"].as_str().unwrap_or_default().to_owned(),
        status: observation["status"].as_u64().unwrap() as u16,
        phases: phases.map(|(phase, ..)| *phase).collect(),
        ends: ends.map(|at| OffsetDateTime::parse(at, &Rfc3339).unwrap().date()),
    }
}
