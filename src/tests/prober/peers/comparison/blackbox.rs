//! blackbox_exporter, asked about a target over HTTP.

use super::said::{Phase, Said, TIMEOUT};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ground::Ground;
use super::targets::{TARGETS, Target};
use crate::support::folder::Folder;
use crate::support::peer::{Peer, Sign};
use crate::support::stranger::stranger;

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
