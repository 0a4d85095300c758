//! A change on its way from a pull request to what is probed: the scripts of the workflows in
//! examples/ci, as they stand, with tokens that may do that and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tokio::task::block_in_place;
use yaml_rust2::Yaml;

use super::fleet::Fleet;
use super::peers::Site;
use crate::examples::{Scratch, run_with, scripts, yaml};
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

    /// A pull request's workflow; returns the exit code that it ends with.
    fn plan(&self, token: &str) -> i32 {
        for name in ["output.txt", "plan.json", "plan.txt"] {
            fs::remove_file(self.tree.0.join(name)).ok();
        }
        let [plan, write, comment, verdict] = github("github-plan.yml").try_into().unwrap();
        let done = self.run("bash", &plan, token, &[]);
        assert_eq!(done.code, 0, "{}{}", done.out, done.words);
        let output = self.read("output.txt");
        let status = output.trim().strip_prefix("status=").unwrap().to_owned();
        for script in [&write, &comment] {
            let done = self.run("bash", script, "", &[("STATUS", &status)]);
            assert_eq!(done.code, 0, "{script}: {}{}", done.out, done.words);
        }
        self.run("bash", &verdict, "", &[("STATUS", &status)]).code
    }

    fn apply(&self, token: &str, allow: &str) -> Ended {
        let [apply] = github("github-apply.yml").try_into().unwrap();
        self.run("bash", &apply, token, &[("ALLOW", allow)])
    }
}

/// The scripts of a workflow of GitHub, but for what installs lokahictl.
fn github(name: &str) -> Vec<String> {
    let mut all = scripts(&yaml(&format!("examples/ci/{name}")));
    all.retain(|script| !script.contains("docker"));
    all
}

/// The script of a job of GitLab.
fn gitlab(job: &str) -> String {
    let file = yaml("examples/ci/gitlab.yml");
    let job: &Yaml = &file[job];
    scripts(job).remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_pull_request_is_told_and_a_merge_applied_on_github() {
    let story = Story::start().await;
    let (plan, apply) = (story.token("plan").await, story.token("apply:shop").await);

    // The comment has the plan, and the token that made it can do no more.
    assert_eq!(story.plan(&plan), 0);
    let comment = story.read("kept.md");
    assert!(comment.starts_with("<!-- lokahi: plan of checks.d -->\n"));
    assert!(
        comment.contains("  + check.home will be created "),
        "{comment}"
    );
    assert!(!comment.contains("saved: "), "{comment}");
    if story.jq {
        assert!(
            comment.contains("### Checks of shop: 5 to add\n"),
            "{comment}"
        );
    }
    assert_eq!(story.apply(&plan, "").code, 77);
    let applied = story.apply(&apply, "");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.words);
    assert!(applied.out.ends_with("Applied: shop is at generation 1.\n"));
    assert!(applied.words.contains("In force: "), "{}", applied.words);

    // What a guard holds is told in the same comment, and wants a person.
    story.commit(&["home"]);
    assert_eq!(story.plan(&plan), 4);
    let comment = story.read("kept.md");
    assert!(
        comment.contains("It passes with --allow-deletes 4"),
        "{comment}"
    );
    if story.jq {
        let held = "- **Held:** 4 of 5 checks would be deleted; 3 may be at once. It passes with `--allow-deletes 4`\n";
        assert!(comment.contains(held), "{comment}");
    }
    assert_eq!(story.apply(&apply, "").code, 4);
    let applied = story.apply(&apply, "--allow-deletes 4");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.words);

    // So are files without a plan.
    story.commit(&["home", "home"]);
    assert_eq!(story.plan(&plan), 1);
    let comment = story.read("kept.md");
    assert!(
        comment.contains("there is no plan (exit code 1)"),
        "{comment}"
    );
    assert!(comment.contains("error[LK"), "{comment}");
    let calls = story.read("calls.txt");
    let methods: Vec<&str> = calls
        .lines()
        .filter_map(|it| it.split(' ').nth(3))
        .collect();
    assert_eq!(methods, ["POST", "PATCH", "PATCH"], "{calls}");
    assert!(calls.contains("/issues/12/comments ") && calls.contains("/issues/comments/7 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_merge_request_is_told_and_a_merge_applied_on_gitlab() {
    let story = Story::start().await;
    let (plan, apply) = (story.token("plan").await, story.token("apply:shop").await);
    let counts = || story.read("counts.json").replace([' ', '\n'], "");

    let planned = story.run("bash", &gitlab("checks-plan"), &plan, &[]);
    assert_eq!(planned.code, 0, "{}{}", planned.out, planned.words);
    assert!(
        story
            .read("plan.txt")
            .contains("  + check.home will be created ")
    );
    if story.jq {
        assert_eq!(counts(), r#"{"create":5,"update":0,"delete":0}"#);
    }
    let script = gitlab("checks-apply");
    assert_eq!(story.run("bash", &script, &plan, &[]).code, 77);
    let applied = story.run("bash", &script, &apply, &[]);
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.words);

    story.commit(&["home"]);
    assert_eq!(
        story.run("bash", &gitlab("checks-plan"), &plan, &[]).code,
        4
    );
    if story.jq {
        assert_eq!(counts(), r#"{"create":0,"update":0,"delete":4}"#);
    }
    assert_eq!(story.run("bash", &script, &apply, &[]).code, 4);
    let allowed = [("ALLOW", "--allow-deletes 4")];
    let applied = story.run("bash", &script, &apply, &allowed);
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.words);

    story.commit(&["home", "home"]);
    assert_eq!(
        story.run("bash", &gitlab("checks-plan"), &plan, &[]).code,
        1
    );
    if story.jq {
        assert_eq!(counts(), r#"{"create":0,"update":0,"delete":0}"#);
    }
}
