//! examples/compose.yaml, without containers: the same programs with the same
//! commands and settings on loopback. What is not the same is where the others
//! are: host names become addresses, and the servers are private ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lokahi::clock;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::services::Services;
use lokahi::store::Store;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::programs::lokahictl;
use crate::support::servers::options;
use crate::support::{GENEROUS, free_port};

const PROGRAMS: [(&str, &str); 8] = [
    ("lokahid", env!("CARGO_BIN_EXE_lokahid")),
    ("lokahictl", env!("CARGO_BIN_EXE_lokahictl")),
    ("healthworker", env!("CARGO_BIN_EXE_healthworker")),
    ("webhookworker", env!("CARGO_BIN_EXE_webhookworker")),
    ("sample_hook", env!("CARGO_BIN_EXE_sample_hook")),
    ("slack_hook", env!("CARGO_BIN_EXE_slack_hook")),
    ("discord_hook", env!("CARGO_BIN_EXE_discord_hook")),
    ("duke-of-york", env!("CARGO_BIN_EXE_duke-of-york")),
];

/// A service of the file.
#[derive(Debug)]
struct Service {
    command: Vec<String>,
    settings: BTreeMap<String, String>,
    ports: Vec<String>,
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn services() -> BTreeMap<String, Service> {
    let yaml = YamlLoader::load_from_str(&file("examples/compose.yaml")).unwrap();
    let text = |yaml: &Yaml| yaml.as_str().unwrap().to_owned();
    let texts = |yaml: &Yaml| {
        let items = yaml.as_vec().map_or(&[][..], Vec::as_slice);
        items.iter().map(text).collect()
    };
    let hash = yaml[0]["services"].as_hash().unwrap();
    hash.iter()
        .map(|(name, service)| {
            let environment = service["environment"].as_hash();
            let settings = environment
                .into_iter()
                .flatten()
                .map(|(name, value)| (text(name), text(value)))
                .collect();
            let service = Service {
                command: texts(&service["command"]),
                settings,
                ports: texts(&service["ports"]),
            };
            (text(name), service)
        })
        .collect()
}

/// Where each service is, as `host:port` of the file to `host:port` of here.
struct Places {
    database_url: String,
    nats_url: String,
    ports: BTreeMap<String, u16>,
}

impl Places {
    /// The port of a service, here.
    fn port(&self, service: &str) -> u16 {
        self.ports[service]
    }

    fn settings(&self, name: &str, service: &Service) -> BTreeMap<String, String> {
        let here = |(setting, value): (&String, &String)| {
            let value = match (setting.as_str(), value.as_str()) {
                (
                    "DATABASE_URL",
                    "postgres://postgres:hunter2@db:5432/postgres?sslmode=disable",
                ) => self.database_url.clone(),
                ("NATS_URL", "nats://nats:4222") => self.nats_url.clone(),
                ("PORT", _) => self.port(name).to_string(),
                (_, value) => {
                    let is_elsewhere = value.contains("://");
                    assert!(!is_elsewhere, "{name}: where is {setting}={value} here?");
                    value.to_owned()
                }
            };
            (setting.clone(), value)
        };
        service.settings.iter().map(here).collect()
    }

    /// A URL of the file, here.
    fn url(&self, service: &str, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port(service))
    }
}

fn start(service: &Service, settings: &BTreeMap<String, String>) -> Child {
    let program = PROGRAMS
        .iter()
        .find(|(name, _)| *name == service.command[0]);
    Command::new(program.unwrap().1)
        .args(&service.command[1..])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(settings)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(match std::env::var_os("SHOW_LOGS") {
            Some(_) => Stdio::inherit(),
            None => Stdio::null(),
        })
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits for an event of the check.
async fn hear(lines: &mut Lines<BufReader<ChildStdout>>, id: &str, state: &str) -> String {
    loop {
        let line = timeout(GENEROUS, lines.next_line()).await;
        let line = line.unwrap().unwrap().unwrap();
        if line.starts_with(&format!("check id: {id}, state: {state}, ")) {
            return line;
        }
    }
}

#[test]
fn the_image_has_every_program_that_is_used() {
    let manifest = file("Cargo.toml");
    let built: BTreeSet<&str> = manifest
        .split("[[bin]]\nname = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(built, PROGRAMS.iter().map(|(name, _)| *name).collect());
    let dockerfile = file("Dockerfile").replace("\\\n", " ");
    let (_, list) = dockerfile.split_once("for program in ").unwrap();
    let (list, _) = list.split_once(';').unwrap();
    assert_eq!(list.split_whitespace().collect::<BTreeSet<_>>(), built);
    for (name, service) in services() {
        if let Some(program) = service.command.first() {
            assert!(built.contains(program.as_str()), "{name}: {program}");
        }
        for port in service.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port} is open");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_compose_starts_does_the_whole_job() {
    let supervisor = Supervisor::new();
    let options = options(true, true);
    let folder = options.data_dir.clone();
    let private = Services::start(options, &supervisor.tasks()).await.unwrap();
    let services = services();
    let places = Places {
        database_url: private.database_url().unwrap().to_owned(),
        nats_url: private.nats_url().unwrap().to_owned(),
        ports: services
            .keys()
            .map(|name| (name.clone(), free_port()))
            .collect(),
    };
    let lokahid = &services["lokahid"].settings;
    assert!(Store::lazy(&lokahid["DATABASE_URL"], 1).is_ok());

    let mut children = BTreeMap::new();
    for (name, service) in &services {
        if service.command.is_empty() {
            assert!(["db", "nats"].contains(&name.as_str()), "what is {name}?");
            continue;
        }
        let mut settings = places.settings(name, service);
        if name == "duke" {
            settings.insert("PERIOD".into(), "2s".into());
        }
        children.insert(name.clone(), start(service, &settings));
    }
    let hook = children.get_mut("samplehook").unwrap();
    let mut lines = BufReader::new(hook.stdout.take().unwrap()).lines();

    let port = places.port("lokahid");
    let server = format!("http://{}@127.0.0.1:{port}", lokahid["USERPASS"]);
    let since = clock::monotonic();
    loop {
        let list = lokahictl(&server, &["list"]).await;
        if list.code == 0 {
            break;
        }
        let ended = children.iter_mut().find_map(|(name, child)| {
            let status = child.try_wait().unwrap()?;
            Some(format!("{name} ended with {status}"))
        });
        let words = ended.unwrap_or(list.words);
        assert!(
            since.elapsed() < GENEROUS && !words.contains("ended with"),
            "lokahid cannot be used; SHOW_LOGS=1 shows more: {words}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (site, receiver) = (
        places.url("duke", "/"),
        places.url("samplehook", "/twirp/github.xe.lokahi.Webhook/Handle"),
    );
    let created = lokahictl(
        &server,
        &[
            "create",
            "-u",
            &site,
            "-w",
            &receiver,
            "-e",
            "1",
            "-p",
            "https://example.com/duke",
        ],
    )
    .await;
    assert_eq!(created.code, 0, "{}", created.words);
    let created: serde_json::Value = serde_json::from_str(&created.out).unwrap();
    let id = created["id"].as_str().unwrap();
    let down = hear(&mut lines, id, "DOWN").await;
    assert!(
        down.ends_with(
            "status code: 500, playbook url: https://example.com/duke, \
             reason: status 500 is not 2xx"
        ),
        "{down}"
    );
    let up = hear(&mut lines, id, "UP").await;
    assert!(up.contains("status code: 200"), "{up}");

    for (name, mut child) in children {
        let pid = Pid::from_raw(child.id().unwrap().cast_signed());
        kill(pid, Signal::SIGTERM).unwrap();
        let status = timeout(GENEROUS, child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{name} ended with {status}");
    }
    private.stop().await.unwrap();
    assert!(!folder.exists(), "the guard has cleared up");
}
