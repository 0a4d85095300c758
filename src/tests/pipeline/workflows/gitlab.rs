//! The jobs of GitLab.

use yaml_rust2::Yaml;

use super::Story;
use crate::examples::{scripts, yaml};

/// The script of a job of GitLab.
fn gitlab(job: &str) -> String {
    let file = yaml("examples/ci/gitlab.yml");
    let job: &Yaml = &file[job];
    scripts(job).remove(0)
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
