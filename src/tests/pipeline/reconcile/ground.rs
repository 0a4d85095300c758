//! What the stories of the reconciler share: a fleet that follows a folder of check files, and
//! operators who hear of it.

use lokahi::proto::lokahi::{Condition, ListOpts, ProjectStatus};
use serde_json::Value;

use super::folder::Folder;
use super::standing::{condition, gauge, live, status, until_condition};
use crate::pipeline::fleet::Fleet;
use crate::pipeline::peers::Receiver;
use crate::support::programs::{Ended, lokahictl};
use crate::support::until;

/// A project, a fleet that reconciles it, and its operators.
pub(super) struct Story {
    pub(super) fleet: Fleet,
    pub(super) operators: Receiver,
    pub(super) folder: Folder,
}

impl Story {
    /// The root of the project `shop`, whose operators hear of it.
    pub(super) fn root(operators: &Receiver) -> String {
        format!(
            "lokahi {{\n  project   = \"shop\"\n  operators = [webhook.operators]\n}}\n\
             webhook \"operators\" {{\n  url    = \"{}\"\n  format = \"json\"\n}}\n",
            operators.url
        )
    }

    /// These files beside a root, and applied.
    pub(super) async fn start(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let story = Self::begin(files, settings).await;
        story.until_ready().await;
        story
    }

    /// The same, and not waited for.
    pub(super) async fn begin(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let (folder, operators) = (Folder::new(), Receiver::start().await);
        folder.write("lokahi.hcl", &Self::root(&operators));
        for (path, text) in files {
            folder.write(path, text);
        }
        let path = folder.text("");
        let mut all = vec![("CHECKS_DIR", path.as_str()), ("RECONCILE_INTERVAL", "2s")];
        all.extend_from_slice(settings);
        let fleet = Fleet::start(&all).await;
        Self {
            fleet,
            operators,
            folder,
        }
    }

    pub(super) async fn status(&self) -> ProjectStatus {
        status(&self.fleet, "shop").await
    }

    pub(super) async fn condition(&self, aspect: &str) -> Condition {
        condition(&self.fleet, "shop", aspect).await
    }

    pub(super) async fn until_ready(&self) {
        self.until_condition("Ready", true, "Applied").await;
    }

    /// Waits until an aspect is so; returns what is said of it.
    pub(super) async fn until_condition(&self, aspect: &str, holds: bool, reason: &str) -> String {
        until_condition(&self.fleet, "shop", (aspect, holds, reason)).await
    }

    /// What lives, by address.
    pub(super) async fn live(&self) -> Vec<String> {
        live(&self.fleet).await
    }

    /// The id of a check that lives.
    pub(super) async fn id(&self, name: &str) -> String {
        let wanted = ListOpts {
            name: name.to_owned(),
            ..ListOpts::default()
        };
        let found = self.fleet.client().list(&wanted).await.unwrap();
        let mut found = found.results.into_iter().filter_map(|row| row.check);
        found.next().unwrap().id
    }

    /// The types and reasons of what operators were told of the project, in order; an end is
    /// the type and a dot.
    pub(super) fn told(&self) -> Vec<String> {
        let told = self.operators.taken().into_iter().filter_map(|received| {
            let body: Value = serde_json::from_slice(&received.body).unwrap();
            let kind = body["type"].as_str().unwrap().to_owned();
            if !kind.starts_with("project.") {
                return None;
            }
            assert_eq!(body["data"]["project"]["project"], "shop", "{body}");
            let reason = body["data"]["project"]["reason"].as_str().unwrap();
            Some(match body["data"]["resolved"] == true {
                true => format!("{kind}."),
                false => format!("{kind} {reason}"),
            })
        });
        told.collect()
    }

    pub(super) async fn until_told(&self, all: &[&str]) {
        until(&format!("operators were told {all:?}"), async || {
            self.told() == all
        })
        .await;
    }

    /// Whether `/metrics` says that an aspect holds.
    pub(super) async fn gauge(&self, aspect: &str) -> Option<f64> {
        gauge(&self.fleet, "shop", aspect).await
    }

    pub(super) async fn ctl(&self, arguments: &[&str]) -> Ended {
        lokahictl(&self.fleet.base(), arguments).await
    }
}
