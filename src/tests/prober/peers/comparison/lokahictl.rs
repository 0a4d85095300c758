//! `lokahictl test`, asked about all targets by files that declare them.

use lokahi::model::observation::Outcome;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ground::Ground;
use super::said::{Phase, Said, TIMEOUT};
use super::targets::{TARGETS, Target};
use crate::support::programs::lokahictl_with;

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
