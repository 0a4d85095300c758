//! The workflows of GitHub.

use std::fs;

use super::Story;
use crate::examples::{scripts, yaml};
use crate::support::programs::Ended;

/// The scripts of a workflow of GitHub, but for what installs lokahictl.
fn github(name: &str) -> Vec<String> {
    let mut all = scripts(&yaml(&format!("examples/ci/{name}")));
    all.retain(|script| !script.contains("docker"));
    all
}

impl Story {
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
