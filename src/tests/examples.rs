//! What is to be copied works: the sample, the needs, and the files that look over
//! a change in CI and before a commit. Their scripts are run as they stand, over good
//! trees and bad ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use lokahi::files::private as files;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::programs::{self, Ended};
use crate::support::server::Server;

pub(crate) const GOOD: &str = "lokahi {\n  project = \"shop\"\n}\n\ncheck \"web\" {\n  url         = \"https://example.com/\"\n  webhook_url = \"https://hooks.example.com/\"\n}\n";
const UGLY: &str = "check \"shop\" {\n  url=\"https://shop.example.com/\"\n  webhook_url = \"https://hooks.example.com/\"\n}\n";
const WRONG: &str =
    "check \"shop\" {\n  url  = \"https://shop.example.com/\"\n  evry = \"5s\"\n}\n";

/// The needs with what has to be said for them, and the checks that they come to.
const NEEDS: &[(&str, &[&str], &str)] = &[
    ("team-policy", &[], "bank blog checkout homepage"),
    (
        "environments",
        &["--var-file", "environments/prod.vars"],
        "api homepage",
    ),
    (
        "environments",
        &["--var-file", "environments/test.vars"],
        "api homepage",
    ),
    (
        "regions",
        &[],
        "homepage[\"ap\"] homepage[\"eu\"] homepage[\"us\"] search[\"ap-hats\"] search[\"ap-shoes\"] search[\"eu-hats\"] search[\"eu-shoes\"] search[\"us-hats\"] search[\"us-shoes\"]",
    ),
    ("json-api", &[], "nodes orders queue search"),
    ("bearer-token", &[], "account login orders orders_shut"),
    ("basic-auth", &[], "intranet maps"),
    ("slow-page", &[], "catalogue search"),
    ("each-second", &[], "checkout checkout_front"),
    ("places", &[], "api homepage intranet"),
    ("behind-an-edge", &[], "doors edge scales"),
    ("flapping", &[], "feed payments"),
    ("must-arrive", &[], "checkout"),
    ("one-message", &[], "blog shop webmail"),
    ("alertmanager", &[], "mirror registry"),
    ("lokahi-itself", &[], "lokahi"),
    ("maintenance", &[], "homepage orders till"),
    ("tickets", &[], "checkout search shop"),
    ("redirects", &[], "front_door no_backup to_https upload"),
    ("own-ca", &[], "ledger wiki wiki_first"),
    ("staging", &[], "production[\"api\"] production[\"shop\"]"),
    (
        "staging",
        &["--var", "staging=true"],
        "production[\"api\"] production[\"shop\"] staging[\"api\"] staging[\"shop\"]",
    ),
    ("shared-library/shop", &[], "checkout homepage"),
    ("shared-library/blog", &[], "blog"),
    (
        "hosts-from-a-table",
        &[],
        "host[\"db-1\"] host[\"mail\"] host[\"web-1\"] host[\"web-2\"] site[\"docs\"] site[\"old-shop\"] site[\"shop\"]",
    ),
    ("forty-teams/search", &[], "index"),
    ("forty-teams/payments", &[], "ledger"),
    ("forty-teams/office", &[], "mail"),
];

pub(crate) fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn read(below: &str) -> String {
    fs::read_to_string(path(below)).unwrap()
}

pub(crate) fn yaml(below: &str) -> Yaml {
    YamlLoader::load_from_str(&read(below)).unwrap().remove(0)
}

/// Runs a program in a folder, with lokahictl on PATH and nothing else of this
/// environment.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> Ended {
    run_with(folder, program, arguments, &[])
}

/// The same with these variables.
pub(crate) fn run_with(
    folder: &Path,
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Ended {
    let bins = Path::new(env!("CARGO_BIN_EXE_lokahictl")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    // What a story puts into the folder's own bin/ goes first.
    let path = [folder.join("bin"), bins.to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&path));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed on PATH: {error}"));
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        words: String::from_utf8(output.stderr).unwrap(),
    }
}

fn lokahictl(folder: &Path, arguments: &[&str]) -> Ended {
    run(folder, "lokahictl", arguments)
}

/// A folder of its own, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let name = format!("examples-{}", files::random_hex(8).unwrap());
        let scratch = Self(std::env::temp_dir().join(name));
        fs::create_dir(&scratch.0).unwrap();
        for (path, text) in files {
            scratch.write(path, text);
        }
        scratch
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> Ended {
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"];
        run(&self.0, "git", &[&who[..], arguments].concat())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The addresses of the checks of a rendered root.
fn addresses(rendered: &str) -> BTreeSet<String> {
    let document: serde_json::Value = serde_json::from_str(rendered).unwrap();
    let checks = document["projects"][0]["checks"].as_object().unwrap();
    checks.keys().cloned().collect()
}

#[test]
fn each_need_is_met_without_a_warning() {
    let needs = path("examples/needs");
    for (folder, given, checks) in NEEDS {
        let valid = lokahictl(
            &needs,
            &[&["validate", "--deny-warnings", folder], *given].concat(),
        );
        assert_eq!(valid.code, 0, "{folder}: {}{}", valid.out, valid.words);
        let whole = !valid.out.contains("as far as can be said");
        assert!(whole, "{folder} is not given everything: {}", valid.out);
        let render = ["render", folder, "--output", "json"];
        let rendered = lokahictl(&needs, &[&render, *given].concat());
        let expected = checks.split(' ').map(str::to_owned).collect();
        assert_eq!(addresses(&rendered.out), expected, "{folder}");
    }
}

#[test]
fn every_need_is_tried_and_listed() {
    let readme = read("examples/needs/README.md");
    for entry in fs::read_dir(path("examples/needs")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            assert!(readme.contains(&format!("[{name}]({name})")), "{name}");
            let first = |folder: &str| folder.split('/').next() == Some(&name);
            assert!(NEEDS.iter().any(|(folder, ..)| first(folder)), "{name}");
        }
    }
    // The whole tree as a repository of many projects would be looked over.
    let all = lokahictl(&path("examples"), &["validate", "--deny-warnings", "needs"]);
    assert_eq!(all.code, 0, "{}{}", all.out, all.words);
}

#[test]
fn everything_is_laid_out() {
    let check = ["fmt", "--check", "--diff", "checks.d", "examples"];
    let ended = lokahictl(&path(""), &check);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{}", ended.words);
}

#[test]
fn the_sample_has_no_warning_and_the_secret_that_it_is_given() {
    let valid = lokahictl(&path(""), &["validate", "--deny-warnings", "checks.d"]);
    assert_eq!(valid.code, 0, "{}{}", valid.out, valid.words);
    let up = read("xtask/src/up.rs");
    let constant = |start: &str| up.split_once(start).unwrap().1.split('"').next().unwrap();
    let userpass = constant("const USERPASS: &str = \"");
    let login = base64::engine::general_purpose::STANDARD.encode(userpass);
    assert!(up.contains(&format!("\"LOKAHI_SECRET_SAMPLE_LOGIN\", \"{login}\"")));
    let rendered = lokahictl(&path(""), &["render", "checks.d"]).out;
    let secrets = rendered.split("secret(\"").skip(1);
    let names: BTreeSet<_> = secrets
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["sample-login"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_can_be_applied() {
    let server = Server::start().await;
    let sample = path("checks.d");
    let apply = ["apply", sample.to_str().unwrap(), "--auto-approve"];
    let first = programs::lokahictl(&server.url, &apply).await;
    assert_eq!(first.code, 0, "{}", first.words);
    assert!(
        first.out.contains("+ check.page[\"home\"] "),
        "{}",
        first.out
    );
    let second = programs::lokahictl(&server.url, &apply).await;
    assert!(second.out.starts_with("No changes: "), "{}", second.out);
}

/// The script of each step of the GitHub workflow that has one.
fn github_steps() -> Vec<String> {
    let workflow = yaml("examples/ci/github.yml");
    let steps = workflow["jobs"]["validate"]["steps"].as_vec().unwrap();
    let scripts = steps.iter().filter_map(|step| step["run"].as_str());
    scripts.map(str::to_owned).collect()
}

#[test]
fn the_github_workflow_annotates_what_is_wrong() {
    let [validate, format] = github_steps().try_into().unwrap();
    // The shell of a step in a container.
    let step = |tree: &Scratch, script: &str| run(&tree.0, "sh", &["-e", "-c", script]);

    let good = Scratch::new(&[("checks.d/web.hcl", GOOD)]);
    for script in [&validate, &format] {
        let ended = step(&good, script);
        assert_eq!(ended.code, 0, "{script}: {}{}", ended.out, ended.words);
        assert!(!ended.out.contains("::"), "{}", ended.out);
    }
    let wrong = Scratch::new(&[("checks.d/web.hcl", GOOD), ("checks.d/shop.hcl", WRONG)]);
    let ended = step(&wrong, &validate);
    assert_eq!(ended.code, 1);
    let annotation =
        "::error file=checks.d/shop.hcl,line=3,col=3,title=LK0304::unknown attribute `evry`";
    assert!(ended.out.starts_with(annotation), "{}", ended.out);

    let ugly = Scratch::new(&[("checks.d/web.hcl", GOOD), ("checks.d/shop.hcl", UGLY)]);
    assert_eq!(step(&ugly, &validate).code, 0);
    let ended = step(&ugly, &format);
    assert_eq!(ended.code, 3);
    assert!(ended.out.contains("\n+  url         = "), "{}", ended.out);
}

#[test]
fn the_gitlab_job_leaves_a_report() {
    let file = yaml("examples/ci/gitlab.yml");
    let job = &file["checks"];
    let lines = job["script"].as_vec().unwrap().iter();
    let script = lines.map(|line| line.as_str().unwrap().to_owned() + "\n");
    let script: String = script.collect();
    let report = job["artifacts"]["reports"]["junit"].as_str().unwrap();
    for (text, code, told) in [
        (GOOD, 0, "failures=\"0\""),
        (WRONG, 1, "<failure "),
        (UGLY, 3, "failures=\"0\""),
    ] {
        let tree = Scratch::new(&[("checks.d/web.hcl", GOOD)]);
        if text != GOOD {
            tree.write("checks.d/shop.hcl", text);
        }
        let ended = run(&tree.0, "sh", &["-e", "-c", &script]);
        assert_eq!(ended.code, code, "{}{}", ended.out, ended.words);
        let report = fs::read_to_string(tree.0.join(report)).unwrap();
        assert!(report.contains(told), "{report}");
    }
}

/// Every script in a file of CI.
pub(crate) fn scripts(yaml: &Yaml) -> Vec<String> {
    let of = |value: &Yaml| -> Vec<String> {
        let lines = value.as_vec().map_or(&[][..], Vec::as_slice);
        let lines: Vec<&str> = lines.iter().filter_map(Yaml::as_str).collect();
        match value.as_str() {
            Some(script) => vec![script.to_owned()],
            None if lines.is_empty() => scripts(value),
            None => vec![lines.join("\n")],
        }
    };
    match yaml {
        Yaml::Hash(hash) => hash
            .iter()
            .flat_map(|(key, value)| match key.as_str() {
                Some("run" | "script") => of(value),
                _ => scripts(value),
            })
            .collect(),
        Yaml::Array(list) => list.iter().flat_map(scripts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_command_in_the_files_of_ci_is_understood() {
    let mut seen = Vec::new();
    for entry in fs::read_dir(path("examples/ci")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for script in scripts(&yaml(&format!("examples/ci/{name}"))) {
            let script = script.replace("\\\n", " ");
            let lines = script.lines().map(str::trim);
            for words in lines.filter_map(|line| line.strip_prefix("lokahictl ")) {
                let ends = |word: &&str| !matches!(*word, "|" | "||" | ">" | "2>");
                let words = words.split_whitespace().take_while(ends);
                // A variable holds more flags, or none.
                let words = words.filter(|word| !word.starts_with('$'));
                // With --help last everything before it is still parsed.
                let words: Vec<&str> = words.chain(["--help"]).collect();
                let ended = lokahictl(&path(""), &words);
                assert_eq!(ended.code, 0, "{name}: {words:?}: {}", ended.words);
                seen.push(words[0].to_owned());
            }
        }
    }
    for command in ["validate", "fmt", "plan", "apply"] {
        assert!(seen.iter().any(|it| it == command), "{command}: {seen:?}");
    }
}

#[test]
fn what_ci_runs_cannot_be_changed_behind_its_back() {
    for name in ["github-plan.yml", "github-apply.yml"] {
        let text = read(&format!("examples/ci/{name}"));
        let actions = text.lines().filter_map(|line| line.split_once("uses: "));
        let mut seen = 0;
        for (_, action) in actions {
            let (_, version) = action.split_once('@').unwrap();
            let commit = version.split(' ').next().unwrap();
            let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_commit, "{name}: {action}");
            seen += 1;
        }
        assert!(seen > 0, "{name} uses no action");
    }
}

/// A repository with the hook and a first commit that it let pass.
fn repository() -> Scratch {
    let tree = Scratch::new(&[("checks.d/web.hcl", GOOD), ("notes.txt", "")]);
    assert_eq!(tree.git(&["init", "--quiet"]).code, 0);
    fs::create_dir_all(tree.0.join(".git/hooks")).unwrap();
    let hook = tree.0.join(".git/hooks/pre-commit");
    fs::copy(path("examples/pre-commit/pre-commit"), hook).unwrap();
    assert_eq!(tree.git(&["add", "."]).code, 0);
    let first = tree.git(&["commit", "--quiet", "--message", "first"]);
    assert_eq!(first.code, 0, "{}{}", first.out, first.words);
    tree
}

#[test]
fn the_hook_looks_at_what_is_staged() {
    let tree = repository();
    let commit = || tree.git(&["commit", "--quiet", "--message", "more"]);
    for (text, told) in [
        (WRONG, "checks.d/shop.hcl:3:3"),
        (UGLY, "+  url         = "),
    ] {
        tree.write("checks.d/shop.hcl", text);
        tree.git(&["add", "."]);
        // What lies in the folder is mended, what is staged is not.
        tree.write("checks.d/shop.hcl", "");
        let refused = commit();
        let said = format!("{}{}", refused.out, refused.words);
        assert_eq!(refused.code, 1, "{said}");
        assert!(said.contains(told), "{said}");
        assert!(said.contains("not committed: "), "{said}");
    }
    // And the other way around.
    tree.git(&["add", "."]);
    tree.write("checks.d/shop.hcl", WRONG);
    let passed = commit();
    assert_eq!(passed.code, 0, "{}{}", passed.out, passed.words);
}

#[test]
fn the_hook_lets_pass_what_is_none_of_its_business() {
    let tree = repository();
    // A library beside the root is found although only a copy is looked at.
    tree.write(
        "checks.d/shared/all.hcl",
        "locals {\n  host = \"example.com\"\n}\n",
    );
    let project = GOOD.replace(
        "project = \"shop\"",
        "project = \"shop\"\n  include = [\"../../shared\"]",
    );
    let project = project.replace("https://example.com/", "https://${local.host}/");
    tree.write("checks.d/teams/shop/web.hcl", &project);
    tree.git(&["rm", "--quiet", "--cached", "checks.d/web.hcl"]);
    tree.git(&["add", "checks.d/shared", "checks.d/teams"]);
    let passed = tree.git(&["commit", "--quiet", "--message", "teams"]);
    assert_eq!(passed.code, 0, "{}{}", passed.out, passed.words);

    tree.write("notes.txt", "nothing of ours");
    tree.write("checks.d/bad.hcl", WRONG);
    tree.git(&["add", "notes.txt"]);
    let passed = tree.git(&["commit", "--quiet", "--message", "notes"]);
    assert_eq!(passed.code, 0, "{}{}", passed.out, passed.words);

    tree.git(&["rm", "--quiet", "-r", "--cached", "checks.d"]);
    let passed = tree.git(&["commit", "--quiet", "--message", "no checks"]);
    assert_eq!(passed.code, 0, "{}{}", passed.out, passed.words);
}

#[test]
fn the_pre_commit_framework_finds_what_it_runs() {
    let file = yaml("examples/pre-commit/pre-commit-config.yaml");
    let hooks = file["repos"][0]["hooks"].as_vec().unwrap();
    let tree = Scratch::new(&[("checks.d/web.hcl", GOOD), ("checks.d/shop.hcl", UGLY)]);
    for hook in hooks {
        let mut words: Vec<&str> = hook["entry"].as_str().unwrap().split(' ').collect();
        if hook["pass_filenames"].as_bool() != Some(false) {
            words.push("checks.d/shop.hcl");
        }
        let ended = run(&tree.0, words[0], &words[1..]);
        assert_eq!(ended.code, 0, "{words:?}: {}{}", ended.out, ended.words);
    }
    // It takes a file that was changed for a failure.
    let shop = fs::read_to_string(tree.0.join("checks.d/shop.hcl")).unwrap();
    assert_ne!(shop, UGLY);
    let check = lokahictl(&tree.0, &["fmt", "--check"]);
    assert_eq!((check.code, check.out.as_str()), (0, ""));
}
