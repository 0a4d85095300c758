//! A change on its way from a pull request to what is probed: the scripts of the workflows in
//! examples/ci, as they stand, with tokens that may do that and nothing else.

mod github;
mod gitlab;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tokio::task::block_in_place;

use super::fleet::Fleet;
use super::peers::Site;
use crate::examples::{Scratch, run_with};
use crate::support::programs::{Ended, lokahictl};

/// A `gh` that keeps one comment, and notes how it was written.
const GH: &str = r#"#!/bin/sh
case "$*" in
*--paginate*) if [ -e kept.md ]; then echo 7; fi ;;
*) echo "$*" >> calls.txt; cp comment.md kept.md ;;
esac
"#;

/// A repository with checks of a site, and a server that knows two tokens.
struct Story {
    fleet: Fleet,
    site: Site,
    tree: Scratch,
    /// Whether there is a jq. Without one nothing is said of what it would write.
    jq: bool,
}

impl Story {
    async fn start() -> Self {
        let fleet = Fleet::start(&[("USERPASS", "ada:secret")]).await;
        let tree = Scratch::new(&[
            (".gitignore", "*\n!checks.d/\n!checks.d/*\n"),
            ("bin/gh", GH),
        ]);
        let jq = Command::new("jq").arg("--version").output().is_ok();
        if !jq {
            tree.write("bin/jq", "#!/bin/sh\n");
        }
        for program in fs::read_dir(tree.0.join("bin")).unwrap() {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(program.unwrap().path(), mode).unwrap();
        }
        assert_eq!(tree.git(&["init", "--quiet"]).code, 0);
        let site = Site::start().await;
        let story = Self {
            fleet,
            site,
            tree,
            jq,
        };
        story.commit(&["home", "cart", "search", "login", "help"]);
        story
    }

    /// Commits a root with these checks.
    fn commit(&self, names: &[&str]) {
        let mut text = "lokahi {\n  project = \"shop\"\n}\n".to_owned();
        for name in names {
            let url = &self.site.url;
            text.push_str(&format!(
                "\ncheck \"{name}\" {{\n  url         = \"{url}?{name}\"\n  every       = \"1s\"\n  webhook_url = \"http://127.0.0.1:9/\"\n}}\n"
            ));
        }
        self.tree.write("checks.d/web.hcl", &text);
        self.tree.git(&["add", "."]);
        let done = self.tree.git(&["commit", "--quiet", "--message", "checks"]);
        assert_eq!(done.code, 0, "{}{}", done.out, done.words);
    }

    async fn token(&self, scope: &str) -> String {
        let admin = self.fleet.base().replace("http://", "http://ada:secret@");
        let name = scope.replace(':', "-");
        let made = lokahictl(&admin, &["token", "create", &name, "--scope", scope]).await;
        assert_eq!(made.code, 0, "{}", made.words);
        made.out.trim().to_owned()
    }

    /// Runs a script as a runner does.
    fn run(&self, shell: &str, script: &str, token: &str, more: &[(&str, &str)]) -> Ended {
        let folder = self.tree.0.to_str().unwrap();
        let output = self.tree.0.join("output.txt");
        let server = self.fleet.base();
        let mut variables = vec![
            ("RUNNER_TEMP", folder),
            ("GITHUB_OUTPUT", output.to_str().unwrap()),
            ("GITHUB_REPOSITORY", "example/shop"),
            ("NUMBER", "12"),
            ("COMMIT", "3f2c1a9"),
            ("RUN", "https://github.example.com/run"),
            ("LOKAHI_SERVER", &server),
            ("LOKAHI_TOKEN", token),
        ];
        variables.extend_from_slice(more);
        block_in_place(|| run_with(&self.tree.0, shell, &["-e", "-c", script], &variables))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.tree.0.join(name)).unwrap_or_default()
    }
}
