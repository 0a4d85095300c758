//! `lokahictl test` and `probe`: what is declared is asked, from here.

use super::scratch::Scratch;
use crate::prober::site::{OK, Site};
use crate::support::programs::lokahictl;

fn root(checks: &str) -> Scratch {
    let root = "lokahi {\n  project = \"shop\"\n}\n\nvariable \"path\" {\n  default = \"\"\n}\n\n";
    Scratch::new(&[("lokahi.hcl", &format!("{root}{checks}"))])
}

fn check(name: &str, url: &str, more: &str) -> String {
    format!("check \"{name}\" {{\n  url = \"{url}\"\n{more}}}\n\n")
}

/// How long a probe took is another thing each time.
fn without_times(text: &str) -> String {
    let words = text.split_inclusive('\n').map(|line| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| *word == "ms") {
            words.drain(at - 1..=at);
        }
        words.join(" ")
    });
    words.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn declared_checks_are_tested_and_a_bad_one_has_its_own_code() {
    let site = Site::saying(OK).await;
    let gone = Site::saying("HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n").await;
    let secret = "  headers = { authorization = secret(\"tok\") }\n";
    let files = root(
        &[
            check("a", &site.url(), ""),
            check("b", &gone.url(), ""),
            check("c", &site.url(), secret),
            check("d", &gone.url(), "  enabled = false\n"),
        ]
        .concat(),
    );
    let all = lokahictl("", &["test", &files.at("")]).await;
    assert_eq!(all.code, 8, "{}", all.words);
    assert_eq!(
        without_times(&all.out),
        "a 200 up\nb 404 down: status 404 is not 2xx\nc --- unknown (secret_unbound): \
         secret(\"tok\") may not be used: only what is declared has secrets, on a server with \
         one declared project, unless SECRETS_BINDING binds it"
    );
    assert_eq!(
        all.words,
        "1 up, 1 would be down, 1 not tested\nhint: --secrets-binding FILE, or SECRETS_BINDING: the \
         file needs a block secret \"tok\" with hosts = [\"127.0.0.1\"] and projects = [\"shop\"]\n"
    );
    let one = lokahictl("", &["test", &files.at(""), "--check", "a"]).await;
    assert_eq!(
        (one.code, one.words.as_str()),
        (0, "1 up, 0 would be down\n")
    );
    let blind = lokahictl("", &["test", &files.at(""), "--check", "c"]).await;
    assert_eq!(blind.code, 1, "nobody has looked: {}", blind.words);
    let none = lokahictl("", &["test", &files.at(""), "--check", "z"]).await;
    assert_eq!(none.code, 1);
    assert_eq!(none.words, "error: no check is called \"z\"\n");
}

#[tokio::test]
async fn a_secret_that_is_refused_for_several_hosts_needs_one_block() {
    let site = Site::saying(OK).await;
    let secret = "  headers = { authorization = secret(\"tok\") }\n";
    let other = site.url().replace("127.0.0.1", "localhost");
    let files = root(&[check("a", &site.url(), secret), check("b", &other, secret)].concat());
    let all = lokahictl("", &["test", &files.at("")]).await;
    let block = "a block secret \"tok\" with hosts = [\"127.0.0.1\", \"localhost\"] and projects = \
                 [\"shop\"]\n";
    assert_eq!(all.words.matches("hint: ").count(), 1, "{}", all.words);
    assert!(all.words.ends_with(block), "{}", all.words);
    // It has a block, and that is the one that needs more.
    let bound = "secret \"tok\" {\n  hosts = [\"example.com\"]\n  projects = [\"shop\"]\n}\n";
    let bindings = Scratch::new(&[("bindings.hcl", bound)]);
    let file = bindings.at("bindings.hcl");
    let arguments = ["test", &files.at(""), "--secrets-binding", &file];
    let all = lokahictl("", &arguments).await;
    let block = "more in its block secret \"tok\": \"127.0.0.1\", \"localhost\" among its hosts, and \
                 \"shop\" among its projects\n";
    assert!(all.words.ends_with(block), "{}", all.words);
}

#[tokio::test]
async fn a_test_is_told_to_programs_with_the_line_that_declares_it() {
    let site = Site::saying(OK).await;
    let files = root(&check("a", &site.url(), ""));
    let told = lokahictl("", &["test", &files.at(""), "--output", "json"]).await;
    let document: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    let check = &document["checks"][0];
    assert_eq!(check["file"], "lokahi.hcl");
    assert_eq!(check["line"], 9);
    assert_eq!(check["observation"]["outcome"], "up");
    assert!(check["observation"]["microseconds"]["total"].as_u64() > Some(0));
}

#[tokio::test]
async fn files_with_a_mistake_are_not_probed() {
    let files = root("check \"a\" {\n}\n");
    let told = lokahictl("", &["test", &files.at("")]).await;
    assert_eq!(told.code, 1);
    assert!(
        told.words.contains("error: nothing is probed: 1 error"),
        "{}",
        told.words
    );
}

#[tokio::test]
async fn a_probe_shows_where_the_time_goes() {
    let site = Site::saying(OK).await;
    let files = root(&check("a", &format!("{}${{var.path}}", site.url()), ""));
    let by_name = lokahictl("", &["probe", "a", &files.at(""), "--var", "path=x"]).await;
    assert_eq!(by_name.code, 0, "{}", by_name.words);
    assert!(
        by_name.out.starts_with(&format!("GET {}x\n", site.url())),
        "{}",
        by_name.out
    );
    let by_url = lokahictl("", &["probe", &site.url()]).await;
    for line in [
        "  status     200\n",
        "  connect ",
        "  first byte ",
        "  total ",
        "\nup\n",
    ] {
        assert!(by_url.out.contains(line), "{line:?} {}", by_url.out);
    }
    let refused = lokahictl("", &["probe", "http://127.0.0.1:1/"]).await;
    assert_eq!(refused.code, 8);
    assert!(
        refused.out.contains("error (connect_refused)"),
        "{}",
        refused.out
    );
    let denied = lokahictl("", &["probe", &site.url(), "--target-deny", "127.0.0.0/8"]).await;
    assert!(
        denied.out.contains("error (blocked_by_policy)"),
        "{}",
        denied.out
    );
}

#[tokio::test]
async fn each_hop_of_a_redirect_is_shown() {
    let end = Site::saying(OK).await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}x?y=z\r\nContent-Length: 0\r\n\r\n",
        end.url()
    );
    let start = Site::saying(answer).await;
    let files = root(&check("a", &start.url(), ""));
    let (first, second) = (start.url(), format!("{}x", end.url()));

    let probed = lokahictl("", &["probe", "a", &files.at("")]).await.out;
    let lines: Vec<&str> = probed.lines().collect();
    let hop = |status: &str, url: &str| {
        let found = lines.iter().position(|line| {
            line.starts_with(&format!("  {status} ")) && line.ends_with(&format!("  {url}"))
        });
        found.unwrap_or_else(|| panic!("{status} {url}: {probed}"))
    };
    let (one, two) = (hop("302", &first), hop("200", &second));
    for part in [&lines[one..two], &lines[two..]] {
        let connects = part.iter().filter(|line| line.starts_with("  connect "));
        assert_eq!(connects.count(), 1, "{probed}");
    }

    let tested = lokahictl("", &["test", &files.at("")]).await;
    let expected = format!("a 200 up\n302 {first}\n200 {second}");
    assert_eq!(without_times(&tested.out), expected);

    let told = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let path = files.at("");
    let probed = lokahictl("", &["probe", "a", &path, "--output", "json"]).await;
    let tested = lokahictl("", &["test", &path, "--output", "json"]).await;
    let tested = told(tested.out);
    for seen in [&told(probed.out), &tested["checks"][0]["observation"]] {
        let hops = seen["hops"].as_array().unwrap();
        let asked: Vec<_> = hops
            .iter()
            .map(|hop| (&hop["status"], &hop["url"]))
            .collect();
        let (first, second) = (first.as_str().into(), second.as_str().into());
        assert_eq!(asked, [(&302.into(), &first), (&200.into(), &second)]);
        let connect = |of: &serde_json::Value| of["microseconds"]["connect"].as_u64().unwrap();
        assert!(connect(&hops[0]) + connect(&hops[1]) <= connect(seen));
        assert!(connect(&hops[0]) > 0, "{seen}");
    }
}
