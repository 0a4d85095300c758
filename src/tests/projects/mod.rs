//! Stories of plan and apply: what is shown, what is done, what is held, and what comes back,
//! by lokahictl over files and by the API itself.

mod plans;
mod parts;
mod racing;
mod guards;
mod merges;
mod sources;
mod tombstones;
mod ended;
mod names;
mod adopting;
mod imports;
mod forced;
mod exported;
mod past;
mod identity;
mod shown;
mod secrets;
mod receivers;
mod exits;
mod versions;

use lokahi::model::check::CheckSpec;
use lokahi::proto::lokahi::{Check, ListOpts};
use serde_json::Value;

use crate::support::checkout::Checkout;
use crate::support::programs::{Ended, lokahictl};
use crate::support::server::Server;

/// A server, and a folder of check files of the project `shop`.
struct Shop {
    server: Server,
    folder: Checkout,
}

impl Shop {
    async fn start() -> Self {
        Self {
            server: Server::start().await,
            folder: Checkout::new(),
        }
    }

    /// One in which these files are applied.
    async fn with(declares: &str) -> Self {
        let shop = Self::start().await;
        shop.folder.write(declares);
        shop.apply().await;
        shop
    }

    async fn ctl(&self, arguments: &[&str]) -> Ended {
        let ended = lokahictl(&self.server.url, arguments).await;
        Ended {
            out: ended.out.replace(self.folder.path(), "FOLDER"),
            words: unlinted(&ended.words.replace(self.folder.path(), "FOLDER")),
            ..ended
        }
    }

    /// The same, and it must go well.
    async fn good(&self, arguments: &[&str]) -> String {
        let ended = self.ctl(arguments).await;
        assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.words);
        ended.out
    }

    async fn plan(&self, flags: &[&str]) -> Ended {
        let plan = ["plan", self.folder.path()];
        self.ctl(&[&plan[..], flags].concat()).await
    }

    async fn apply(&self) -> String {
        self.good(&["apply", "--auto-approve", self.folder.path()])
            .await
    }

    /// Applies with flags, and says how that ended.
    async fn try_apply(&self, flags: &[&str]) -> Ended {
        let apply = ["apply", "--auto-approve", self.folder.path()];
        self.ctl(&[&apply[..], flags].concat()).await
    }

    /// The plan as a document.
    async fn document(&self, flags: &[&str]) -> Value {
        let ended = self.plan(&[&["--output", "json"], flags].concat()).await;
        serde_json::from_str(&ended.out).unwrap()
    }

    /// The live check of this name.
    async fn check(&self, project: &str, name: &str) -> Option<Check> {
        let wanted = ListOpts {
            project: project.to_owned(),
            name: name.to_owned(),
            ..ListOpts::default()
        };
        let found = self.server.client().list(&wanted).await.unwrap();
        found.results.into_iter().next().and_then(|row| row.check)
    }

    async fn id(&self, name: &str) -> String {
        self.check("shop", name).await.unwrap().id
    }

    async fn generation(&self) -> i64 {
        let wanted = lokahi::proto::lokahi::ProjectsRequest {
            project: "shop".to_owned(),
            ..Default::default()
        };
        let found = self.server.client().projects(&wanted).await.unwrap();
        found.projects[0].generation
    }
}

/// Without the lints of checks that tell nobody, as most of these do.
fn unlinted(words: &str) -> String {
    let parts = words.split_inclusive("\n\n");
    parts
        .filter(|part| !part.starts_with("warning[LK0906]"))
        .collect()
}

/// A check block.
fn check(name: &str, more: &str) -> String {
    format!("check \"{name}\" {{\n  url = \"https://{name}.example.com/\"\n  {more}\n}}\n\n")
}

/// Checks `c0`, `c1` and so on.
fn checks(numbers: std::ops::Range<usize>, more: &str) -> String {
    numbers.map(|n| check(&format!("c{n}"), more)).collect()
}

const HOOK: &str = "webhook \"oncall\" {\n  url = \"http://hook.example.com/\"\n}\n\n";
const NOTIFY: &str = "notify {\n    webhooks = [webhook.oncall]\n  }";

/// A spec for stories without files.
fn spec(url: &str) -> CheckSpec {
    CheckSpec::new(url.parse().unwrap())
}
