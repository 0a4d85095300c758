//! lokahictl as scripts use it: the real program, its output and exit codes.

mod scratch;
mod fmt;
mod probing;
mod canary;
mod token;
mod validate;
mod roots;
mod render;
mod webhook;

use std::fs;

use axum::Router;
use lokahi::api::ApiSettings;
use lokahi::files::private as files;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::serve::server::serve;
use tokio::net::TcpListener;

use crate::support::programs::{Ended, lokahictl};
use crate::support::server::Server;
use crate::support::servers::servers;

const NOBODY: &str = "0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d";

async fn guarded() -> Server {
    let settings = ApiSettings {
        userpass: Some("ada:secret".to_owned()),
        ..ApiSettings::default()
    };
    Server::start_with(settings, &servers().nats_url).await
}

/// The output with what differs in each run replaced.
fn steady(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut text = text.to_owned();
    for of_this_run in ["id", "since"] {
        if let Some(found) = value[of_this_run].as_str() {
            text = text.replace(found, &of_this_run.to_uppercase());
        }
    }
    text
}

#[tokio::test]
async fn the_originals_commands() {
    let server = guarded().await;
    let made = lokahictl(
        &server.url,
        &[
            "create",
            "-u",
            "http://site.example.com/",
            "-w",
            "http://hook.example.com/",
            "-e",
            "30",
            "-p",
            "https://wiki.example.com/",
        ],
    )
    .await;
    assert_eq!((made.code, made.words.as_str()), (0, ""));
    insta::assert_snapshot!(steady(&made.out), @r#"
    {
      "id": "ID",
      "url": "http://site.example.com/",
      "webhook_url": "http://hook.example.com/",
      "every": 30,
      "playbook_url": "https://wiki.example.com/"
    }
    "#);
    let value: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    let id = value["id"].as_str().unwrap();

    let put = lokahictl(
        &server.url,
        &["put", id, "-e", "5", "--clear", "playbook-url"],
    )
    .await;
    assert_eq!(put.code, 0, "{}", put.words);
    insta::assert_snapshot!(steady(&put.out), @r#"
    {
      "id": "ID",
      "url": "http://site.example.com/",
      "webhook_url": "http://hook.example.com/",
      "every": 5,
      "project": "api",
      "owner": "api",
      "version": 2,
      "since": "SINCE",
      "method": "GET",
      "timeout_nanoseconds": 4000000000
    }
    "#);

    let get = lokahictl(&server.url, &["get", id]).await;
    assert_eq!(get.out, put.out);
    let list = lokahictl(&server.url, &["list", "-c", "5", "-o", "0", "-s"]).await;
    let list: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    assert_eq!(list["results"][0]["check"]["id"], id);
    let table = lokahictl(&server.url, &["list", "--output", "table"]).await;
    assert!(table.out.starts_with("ID "), "{}", table.out);
    let down = lokahictl(&server.url, &["down"]).await;
    assert_eq!((down.code, down.out.as_str()), (0, "{}\n"));
    let stats = lokahictl(&server.url, &["runstats"]).await;
    assert_eq!((stats.code, stats.out.as_str()), (0, "{}\n"));

    let gone = lokahictl(&server.url, &["delete", NOBODY, id]).await;
    assert_eq!(gone.out, put.out, "the one that is there is deleted");
    assert_eq!(gone.code, 1);
    insta::assert_snapshot!(gone.words, @"error: not_found: there is no check 0198c3d2-7a54-7cc0-b1d2-3f6f1a2b3c4d");
}

#[tokio::test]
async fn an_unknown_id_is_no_success() {
    let server = guarded().await;
    for id in [NOBODY, "nonsense"] {
        for command in ["get", "delete", "run", "put"] {
            let ended = lokahictl(&server.url, &[command, id]).await;
            assert_eq!(ended.code, 1, "{command} {id}");
            assert!(
                ended.words.starts_with("error: not_found: "),
                "{}",
                ended.words
            );
        }
    }
}

#[tokio::test]
async fn failures_say_what_to_do_and_never_the_password() {
    let server = guarded().await;
    let (_, address) = server.url.split_once('@').unwrap();
    let wrong = lokahictl(&format!("http://eve:hunter3@{address}"), &["list"]).await;
    assert_eq!(wrong.code, 77);
    insta::assert_snapshot!(wrong.words, @r"
    error: unauthenticated: the user name or the password is wrong
    hint: set LOKAHI_TOKEN to a token of this server, or put a user and a password into its URL: http://user:password@host:port; where LOKAHI_TOKEN is set, the URL's are not used
    ");

    let nobody = lokahictl("http://ada:hunter3@127.0.0.1:9", &["list"]).await;
    assert_eq!(nobody.code, 69);
    assert!(
        nobody
            .words
            .starts_with("error: cannot reach the server http://127.0.0.1:9: ")
    );
    assert!(nobody.words.contains("\nhint: is lokahid running there?"));
    let help = lokahictl("http://ada:hunter3@127.0.0.1:9", &["--help"]).await;
    assert_eq!(help.code, 0);
    for text in [&wrong.words, &nobody.words, &help.out, &help.words] {
        assert!(!text.contains("hunter3"), "{text}");
    }
    let usage = lokahictl(&server.url, &["list", "--nonsense"]).await;
    assert_eq!((usage.code, usage.out.as_str()), (64, ""));
    let file = lokahictl("", &["-C", "/nonexistent/file.hcl", "list"]).await;
    assert_eq!(
        (file.code, file.words.as_str()),
        (64, "error: /nonexistent/file.hcl: no such file\n")
    );
    let refused = lokahictl(&server.url, &["create", "-u", "ftp://a/"]).await;
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(refused.words, @r#"error: invalid_argument: url: "ftp://a/" has the scheme "ftp"; only http and https can be used"#);
}

#[tokio::test]
async fn a_load_of_checks() {
    let server = guarded().await;
    let target = "http://site.example.com/";
    let load = [
        "create_load",
        "--count",
        "50",
        "--target",
        target,
        "-w",
        "http://hook.example.com/",
    ];
    let ended = lokahictl(&server.url, &load).await;
    assert_eq!(ended.code, 0, "{}", ended.words);
    let summary: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(summary["created"], 50);
    let list = lokahictl(&server.url, &["list", "-c", "100"]).await;
    let list: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    assert_eq!(list["results"].as_array().unwrap().len(), 50);
    let table = ["list", "--output", "table"];
    let all = lokahictl(&server.url, &table).await;
    assert_eq!((all.out.lines().count(), all.words.as_str()), (51, ""));
    let some = [&table[..], &["-c", "20", "-o", "20"]].concat();
    let some = lokahictl(&server.url, &some).await;
    assert_eq!(some.out.lines().count(), 21);
    insta::assert_snapshot!(some.words, @"20 shown, there are more: -c N shows N, -o 40 goes on");
    let rest = [&table[..], &["-c", "30", "-o", "20"]].concat();
    let rest = lokahictl(&server.url, &rest).await;
    assert_eq!((rest.out.lines().count(), rest.words.as_str()), (31, ""));
    let refused = lokahictl(&server.url, &["create_load", "--target", "nonsense"]).await;
    assert_eq!(refused.code, 1);
}

#[tokio::test]
async fn completions_and_help() {
    let bash = lokahictl("", &["completions", "bash"]).await;
    assert_eq!(bash.code, 0);
    assert!(bash.out.contains("create_load"));
    let help = lokahictl("", &["help", "create"]).await;
    assert_eq!(help.code, 0);
    assert!(help.out.contains("Examples:"), "{}", help.out);
}

const FILE: &str = r#"lokahi {
  project = "shop"
}

webhook "oncall" {
  url = "http://hook.example.com/"
}

check "web" {
  url   = "https://web.example.com/"
  every = "30s"

  notify {
    webhooks = [webhook.oncall]
  }
}
"#;

#[tokio::test]
async fn from_files_to_the_server() {
    let server = guarded().await;
    let folder = std::env::temp_dir().join(format!("checks-{}", files::random_hex(8).unwrap()));
    fs::create_dir(&folder).unwrap();
    let path = folder.to_str().unwrap();
    fs::write(folder.join("web.hcl"), FILE).unwrap();

    let valid = lokahictl("", &["validate", path]).await;
    assert_eq!(valid.code, 0, "{}{}", valid.out, valid.words);
    insta::assert_snapshot!(valid.out.replace(path, "FOLDER"), @"FOLDER: 1 check and 1 webhook of the project shop are valid");

    let asked = lokahictl(&server.url, &["apply", path]).await;
    assert_eq!(asked.code, 7, "{}", asked.words);
    insta::assert_snapshot!(asked.out.replace(path, "FOLDER"), @r"
      + webhook.oncall will be created        FOLDER/web.hcl:5
      + check.web will be created             FOLDER/web.hcl:9
    Who will be told of what differently:
      webhook.oncall hears of 1 check: web
    Plan: 2 to add, 0 to change, 0 to delete.   generation 0 -> 1
    ");
    insta::assert_snapshot!(asked.words, @r"
    Nothing was changed.
    hint: without a terminal to ask on, --auto-approve is needed
    ");

    let applied = lokahictl(&server.url, &["apply", "--auto-approve", path]).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    let list = lokahictl(&server.url, &["list", "--project", "shop"]).await;
    assert!(
        list.out.contains("https://web.example.com/"),
        "{}",
        list.out
    );
    let again = lokahictl(&server.url, &["apply", path, "--output", "json"]).await;
    assert_eq!(again.code, 0, "{}", again.words);
    let again: serde_json::Value = serde_json::from_str(&again.out).unwrap();
    let said = ["applied", "generation", "changes"].map(|field| &again[field]);
    assert_eq!(serde_json::json!(said), serde_json::json!([false, 1, []]));

    fs::write(folder.join("web.hcl"), FILE.replace("30s", "30 parsecs")).unwrap();
    let invalid = lokahictl("", &["validate", path]).await;
    assert_eq!(invalid.code, 1);
    assert!(invalid.out.contains("web.hcl:11:"), "{}", invalid.out);
    let refused = lokahictl(&server.url, &["apply", "--auto-approve", path]).await;
    assert_eq!(refused.code, 1);
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_check_is_named_as_people_name_it() {
    let server = guarded().await;
    let folder = std::env::temp_dir().join(format!("checks-{}", files::random_hex(8).unwrap()));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("web.hcl"), FILE).unwrap();
    let apply = ["apply", "--auto-approve", folder.to_str().unwrap()];
    assert_eq!(lokahictl(&server.url, &apply).await.code, 0);
    let create = ["create", "-u", "http://site.example.com/", "--name"];
    for name in ["web", "blog"] {
        let made = lokahictl(&server.url, &[&create[..], &[name]].concat()).await;
        assert_eq!(made.code, 0, "{}", made.words);
    }
    let get = async |name: &str| lokahictl(&server.url, &["get", name]).await;
    let url = |ended: &Ended| {
        let check: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        check["url"].as_str().unwrap().to_owned()
    };
    assert_eq!(url(&get("blog").await), "http://site.example.com/");
    assert_eq!(url(&get("api/web").await), "http://site.example.com/");
    assert_eq!(url(&get("shop/web").await), "https://web.example.com/");
    let which = get("web").await;
    assert_eq!((which.code, which.out.as_str()), (1, ""));
    insta::assert_snapshot!(which.words, @r#"
    error: "web" is the name of several: shop/web, api/web
    hint: write PROJECT/NAME
    "#);
    let put = lokahictl(&server.url, &["put", "blog", "-e", "5"]).await;
    assert_eq!(put.code, 0, "{}", put.words);
    let none = lokahictl(&server.url, &["delete", "shop/blog", "api/blog"]).await;
    assert_eq!(none.code, 1);
    insta::assert_snapshot!(none.words, @r#"
    error: not_found: there is no check "shop/blog"
    hint: lokahictl list shows names and ids
    "#);
    assert_eq!(
        get("blog").await.code,
        1,
        "the one that is there is deleted"
    );
    let table = lokahictl(&server.url, &["list", "--output", "table"]).await;
    assert!(
        table.out.contains("  NAME  PROJECT  STATE  "),
        "{}",
        table.out
    );
    let one = ["list", "--output", "table", "--project", "shop"];
    let one = lokahictl(&server.url, &one).await;
    assert!(one.out.contains("  NAME  STATE  "), "{}", one.out);

    // How a project ends.
    fs::write(
        folder.join("web.hcl"),
        "lokahi {\n  project = \"shop\"\n}\n",
    )
    .unwrap();
    let end = [&apply[..], &["--allow-empty", "--accept-source-change"]].concat();
    let ended = lokahictl(&server.url, &end).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.words);
    let none = lokahictl(&server.url, &["list", "--project", "shop"]).await;
    assert_eq!(none.out, "{}\n");
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_server_that_is_none_of_ours_is_named_so() {
    let supervisor = Supervisor::new();
    let page = Router::new().fallback(async || axum::response::Html("<html>hello</html>"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    supervisor.spawn("page", serve(listener, None, page, supervisor.token()));
    let stranger = lokahictl(&format!("http://{address}"), &["list"]).await;
    assert_eq!(stranger.code, 69);
    let words = stranger.words.replace(&address.to_string(), "ADDRESS");
    insta::assert_snapshot!(words, @r#"
    error: http://ADDRESS answers, but not as lokahi does
    hint: is lokahid running there? Another server: -S URL, LOKAHI_SERVER, or server = "URL" in ~/.lokahictl.hcl
    "#);
    let plain = lokahictl(&format!("https://{address}"), &["list"]).await;
    assert_eq!(plain.code, 69);
    let words = plain.words.replace(&address.to_string(), "ADDRESS");
    insta::assert_snapshot!(words, @r"
    error: cannot reach the server https://ADDRESS: it does not speak TLS
    hint: http:// instead of https://?
    ");
}

#[tokio::test]
async fn a_check_is_made_and_changed_as_a_file_says() {
    let server = Server::start().await;
    let folder = std::env::temp_dir().join(format!("check-{}", files::random_hex(8).unwrap()));
    fs::create_dir(&folder).unwrap();
    let file = folder.join("check.hcl");
    let path = file.to_str().unwrap();
    let block = "check \"front\" {\n  url    = \"http://f.example.com/\"\n  method = \"POST\"\n}\n";
    fs::write(&file, block).unwrap();
    let made = lokahictl(&server.url, &["create", "--file", path]).await;
    assert_eq!(made.code, 0, "{}", made.words);
    fs::write(&file, block.replace("POST", "HEAD")).unwrap();
    let put = lokahictl(&server.url, &["put", "front", "--file", path]).await;
    assert_eq!(put.code, 0, "{}", put.words);
    assert!(put.out.contains("\"method\": \"HEAD\""), "{}", put.out);
    fs::write(&file, block.replace("method", "methd")).unwrap();
    let wrong = lokahictl(&server.url, &["put", "front", "--file", path]).await;
    assert_eq!(wrong.code, 1);
    assert!(
        wrong
            .words
            .contains("check.hcl:3:3: error[LK0304]: unknown attribute `methd`")
    );
    fs::write(&file, "\n").unwrap();
    let empty = lokahictl(&server.url, &["create", "--file", path]).await;
    assert_eq!(empty.code, 1);
    assert!(
        empty.words.contains("is empty: write a `check` block"),
        "{}",
        empty.words
    );
    let both = lokahictl(&server.url, &["create", "--file", path, "-u", "http://a/"]).await;
    assert_eq!(both.code, 64);
    fs::remove_dir_all(folder).unwrap();
}
