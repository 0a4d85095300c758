//! What a plan shows, to people and to programs, and plans in files.

use std::os::unix::fs::PermissionsExt as _;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::serve::server::serve;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

use super::{HOOK, NOTIFY, Shop, check};
use crate::support::programs::lokahictl;

async fn edited() -> Shop {
    let shop = Shop::start().await;
    shop.folder.init("https://git.example.com/ops.git");
    let first = HOOK.to_owned() + &check("web", NOTIFY) + &check("mail", "");
    shop.folder.write(&first);
    shop.folder.commit();
    shop.apply().await;
    let second = check("web", "every = \"30s\"") + &check("dns", "body = secret(\"form\")");
    shop.folder.write(&second);
    shop.folder.commit();
    shop
}

/// Without what differs in each run.
fn steady(shop: &Shop, text: &str) -> String {
    let sha = shop.folder.git(&["rev-parse", "HEAD"]);
    let short = sha.get(..7).unwrap();
    let text = text.replace(&sha, "SHA").replace(short, "SHA");
    let lines = text.lines().map(|line| match line.split_once("until 20") {
        Some((before, _)) => format!("{before}until THEN\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[tokio::test]
async fn a_tired_person_sees_it_at_a_glance() {
    let shop = edited().await;
    let planned = shop.plan(&[]).await;
    insta::assert_snapshot!(steady(&shop, &planned.out), @r#"
      + check.dns will be created                 FOLDER/shop.hcl:10
      # check.web will be updated in place        FOLDER/shop.hcl:5
      ~ every           : "60s" -> "30s"
      ~ notify.webhooks : [webhook.oncall] -> null
      - check.mail will be deleted                (was shop.hcl:16)
      - webhook.oncall will be deleted            (was shop.hcl:5)
    Deleted: 1 check and 1 webhook; their probing stops, their history stays; they can be brought back until THEN
    Who will be told of what differently:
      nobody hears of 2 checks: dns, web
      webhook.oncall no longer hears of 1 check: web
    Plan: 1 to add, 1 to change, 2 to delete.   main@SHA   generation 1 -> 2
    Held: 1 of 2 checks would be disabled or tell nobody; the last receiver of web is deleted.
      web
      It passes with --allow-silence 1
    "#);
    insta::assert_snapshot!(planned.words, @"");
}

#[tokio::test]
async fn a_bot_reads_a_document() {
    let shop = edited().await;
    let mut document = shop.document(&[]).await;
    for of_this_run in ["plan_token", "plan_digest"] {
        assert!(document[of_this_run].as_str().unwrap().len() > 40);
        document[of_this_run] = json!("-");
    }
    for change in document["changes"].as_array_mut().unwrap() {
        for of_this_run in ["id", "restorable_until"] {
            if change[of_this_run].is_string() {
                change[of_this_run] = json!("-");
            }
        }
    }
    // What a comment shows.
    let text = document.as_object_mut().unwrap().remove("text").unwrap();
    assert_eq!(text, shop.plan(&[]).await.out.as_str());
    let text = format!("{document:#}");
    insta::assert_snapshot!(steady(&shop, &text), @r#"
    {
      "changes": [
        {
          "actions": [
            "create"
          ],
          "address": "dns",
          "block": null,
          "drift": null,
          "fields": [],
          "from": null,
          "id": null,
          "kind": "check",
          "restorable_until": null,
          "source": {
            "file": "shop.hcl",
            "line": 10
          }
        },
        {
          "actions": [
            "update"
          ],
          "address": "web",
          "block": null,
          "drift": null,
          "fields": [
            {
              "after": "\"30s\"",
              "after_sensitive": false,
              "before": "\"60s\"",
              "before_sensitive": false,
              "path": "every"
            },
            {
              "after": "null",
              "after_sensitive": false,
              "before": "[webhook.oncall]",
              "before_sensitive": false,
              "path": "notify.webhooks"
            }
          ],
          "from": null,
          "id": "-",
          "kind": "check",
          "restorable_until": null,
          "source": {
            "file": "shop.hcl",
            "line": 5
          }
        },
        {
          "actions": [
            "delete"
          ],
          "address": "mail",
          "block": null,
          "drift": null,
          "fields": [],
          "from": null,
          "id": "-",
          "kind": "check",
          "restorable_until": "-",
          "source": {
            "file": "shop.hcl",
            "line": 16
          }
        },
        {
          "actions": [
            "delete"
          ],
          "address": "oncall",
          "block": null,
          "drift": null,
          "fields": [],
          "from": null,
          "id": "-",
          "kind": "webhook",
          "restorable_until": "-",
          "source": {
            "file": "shop.hcl",
            "line": 5
          }
        }
      ],
      "diagnostics": [
        {
          "also": [],
          "code": "LK0906",
          "column": 1,
          "file": "shop.hcl",
          "hint": "write `notify { webhooks = [webhook.NAME] }`, here or in `defaults`",
          "line": 5,
          "message": "nobody hears when this check goes down",
          "severity": "warning",
          "values": [],
          "width": 5
        },
        {
          "also": [],
          "code": "LK0906",
          "column": 1,
          "file": "shop.hcl",
          "hint": "write `notify { webhooks = [webhook.NAME] }`, here or in `defaults`",
          "line": 10,
          "message": "nobody hears when this check goes down",
          "severity": "warning",
          "values": [],
          "width": 5
        }
      ],
      "format_version": 1,
      "generation": 1,
      "guards": [
        {
          "addresses": [
            "web"
          ],
          "count": 1,
          "message": "1 of 2 checks would be disabled or tell nobody; the last receiver of web is deleted",
          "name": "silence",
          "passes_with": "--allow-silence 1"
        }
      ],
      "held": true,
      "kind": "plan",
      "plan_digest": "-",
      "plan_token": "-",
      "probed": [],
      "project": "shop",
      "revision": {
        "ci_url": "",
        "dirty": false,
        "path": "",
        "ref": "main",
        "remote": "https://git.example.com/ops.git",
        "sha": "SHA"
      },
      "root": "FOLDER",
      "routing": [
        {
          "gains": {
            "count": 2,
            "first": [
              "dns",
              "web"
            ]
          },
          "loses": {
            "count": 0,
            "first": []
          },
          "moved": null,
          "url": null,
          "webhook": null
        },
        {
          "gains": {
            "count": 0,
            "first": []
          },
          "loses": {
            "count": 1,
            "first": [
              "web"
            ]
          },
          "moved": null,
          "url": null,
          "webhook": "oncall"
        }
      ],
      "suggestions": [],
      "summary": {
        "add": 1,
        "adopt": 0,
        "change": 1,
        "delete": 2,
        "drifted": 0,
        "release": 0,
        "rename": 0,
        "revive": 0
      },
      "warnings": []
    }
    "#);
    let invalid = check("web", "evry = \"30s\"");
    shop.folder.write(&invalid);
    let planned = shop.plan(&["--output", "json"]).await;
    assert_eq!(planned.code, 1);
    let document: Value = serde_json::from_str(&planned.out).unwrap();
    let problem = &document["diagnostics"][0];
    assert_eq!(
        (&document["kind"], &problem["line"]),
        (&json!("plan"), &json!(7)),
        "{document:#}"
    );
}

#[tokio::test]
async fn what_was_saved_is_what_is_applied() {
    let shop = Shop::with(&check("web", "")).await;
    shop.folder.write(&check("web", "every = \"5s\""));
    let file = shop.folder.file("shop.plan");
    let planned = shop.plan(&["--save", &file]).await;
    assert_eq!(planned.code, 0);
    assert_eq!(
        planned.words,
        "saved: lokahictl apply --plan FOLDER/shop.plan does exactly this\n"
    );
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "whoever may apply could use it");
    // Whatever the files say meanwhile.
    shop.folder.write(&check("web", "every = \"7s\""));
    let asked = shop.ctl(&["apply", "--plan", &file]).await;
    assert_eq!((asked.code, &asked.out), (7, &planned.out));
    let apply = ["apply", "--auto-approve", "--plan", &file];
    shop.good(&apply).await;
    assert_eq!(shop.check("shop", "web").await.unwrap().every, 5);
    let again = shop.ctl(&["apply", "--plan", &file]).await;
    assert_eq!(again.code, 0, "twice is once, and nothing is asked");
    let (before, after) = again.out.split_once(" at 20").unwrap();
    assert_eq!(
        before,
        "This plan was applied before: it is generation 2 of shop,"
    );
    assert!(
        after.ends_with(" UTC by anonymous. Nothing was done now.\n"),
        "{after}"
    );
    for (text, code) in [("{}", 64), ("no", 64)] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(shop.ctl(&apply).await.code, code);
    }
    assert_eq!(shop.ctl(&["apply", "--plan", "/nowhere"]).await.code, 64);
}

#[tokio::test]
async fn a_saved_plan_that_shows_something_else_is_refused() {
    let shop = Shop::with(&(check("web", "") + &check("dns", ""))).await;
    shop.folder.write(&check("web", "every = \"5s\""));
    let file = shop.folder.file("shop.plan");
    shop.good(&["plan", shop.folder.path(), "--save", &file])
        .await;
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let apply = ["apply", "--auto-approve", "--plan", &file];
    let mut nothing = saved.clone();
    nothing["changes"] = serde_json::json!([]);
    let mut less = saved.clone();
    let text = saved["text"].as_str().unwrap();
    let kept = text.lines().filter(|line| !line.contains("dns"));
    less["text"] = kept.collect::<Vec<_>>().join("\n").into();
    for forged in [nothing, less] {
        std::fs::write(&file, forged.to_string()).unwrap();
        let refused = shop.ctl(&apply).await;
        assert_eq!(refused.code, 1, "{}", refused.out);
        assert!(
            refused.words.contains("does not show what its plan does"),
            "{}",
            refused.words
        );
    }
    assert_eq!(shop.generation().await, 1);
    std::fs::write(&file, saved.to_string()).unwrap();
    shop.good(&apply).await;
}

#[tokio::test]
async fn a_saved_plan_that_is_not_so_any_more_is_stale() {
    let shop = Shop::with(&check("web", "")).await;
    shop.folder.write(&check("web", "every = \"5s\""));
    let file = shop.folder.file("shop.plan");
    shop.good(&["plan", shop.folder.path(), "--save", &file])
        .await;
    shop.folder.write(&check("web", "every = \"7s\""));
    shop.apply().await;
    let stale = shop
        .ctl(&["apply", "--auto-approve", "--plan", &file])
        .await;
    assert_eq!(stale.code, 5);
    let words = stale.words.split(" at 20").next().unwrap();
    insta::assert_snapshot!(words, @"error: aborted: the project is at generation 2 by now, applied by anonymous");
    assert!(
        stale.words.contains("hint: plan shop again"),
        "{}",
        stale.words
    );
}

#[tokio::test]
async fn a_saved_plan_of_others_tells_the_terminal_nothing() {
    let shop = Shop::with(&check("web", "")).await;
    shop.folder.write(&check("web", "every = \"5s\""));
    let file = shop.folder.file("shop.plan");
    shop.plan(&["--save", &file]).await;
    let saved = std::fs::read_to_string(&file).unwrap();
    let mut document: Value = serde_json::from_str(&saved).unwrap();
    let text = document["text"].as_str().unwrap().to_owned();
    document["text"] = json!("No changes.\u{1b}[8m\r\n\u{9b}2K  kept\n".to_owned() + &text);
    std::fs::write(&file, document.to_string()).unwrap();
    let asked = shop.ctl(&["apply", "--plan", &file]).await;
    assert_eq!(asked.code, 7, "{}", asked.words);
    let first = "No changes.\u{fffd}[8m\n\u{fffd}2K  kept\n";
    assert!(asked.out.starts_with(first), "{:?}", asked.out);
    document["project"] = json!("shop\u{1b}[8m");
    std::fs::write(&file, document.to_string()).unwrap();
    let asked = shop.ctl(&["apply", "--plan", &file]).await;
    assert_eq!((asked.code, asked.out.as_str()), (64, ""));
}

/// Passes calls on, and loses the first answer to an apply.
async fn lossy(to: &str, supervisor: &Supervisor) -> (String, Arc<AtomicUsize>) {
    let applies = Arc::new(AtomicUsize::new(0));
    let pass = async |State((to, applies)): State<(String, Arc<AtomicUsize>)>, call: Request| {
        let path = call.uri().path().to_owned();
        let url = format!("{to}{path}");
        let kind = call.headers()["content-type"].clone();
        let body: Bytes = axum::body::to_bytes(call.into_body(), usize::MAX)
            .await
            .unwrap();
        let http = crate::support::server::http();
        let answer = http.post(url).header("content-type", kind).body(body);
        let answer = answer.send().await.unwrap();
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let bytes = answer.bytes().await.unwrap();
        let lost = path.ends_with("/Apply") && applies.fetch_add(1, Ordering::SeqCst) == 0;
        let body = match lost {
            true => Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(
                std::io::Error::other("the line is cut"),
            )])),
            false => Body::from(bytes),
        };
        response.body(body).unwrap()
    };
    let state = (to.to_owned(), Arc::clone(&applies));
    let router = Router::new().fallback(pass).with_state(state);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    supervisor.spawn("line", serve(listener, None, router, supervisor.token()));
    (format!("http://{address}"), applies)
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again() {
    let shop = Shop::start().await;
    shop.folder.write(&check("web", ""));
    let supervisor = Supervisor::new();
    let (url, applies) = lossy(&shop.server.url, &supervisor).await;
    let apply = ["apply", "--auto-approve", shop.folder.path()];
    let applied = lokahictl(&url, &apply).await;
    assert_eq!(applied.code, 0, "{}", applied.words);
    assert!(applied.out.ends_with("Applied: shop is at generation 1.\n"));
    assert_eq!(applies.load(Ordering::SeqCst), 2);
    assert_eq!(shop.generation().await, 1, "it was done once");
}

#[tokio::test]
async fn a_saved_plan_for_a_program_is_a_document_however_it_ends() {
    let shop = Shop::with(&super::checks(0..5, "")).await;
    let file = shop.folder.file("shop.plan");
    let save = async || shop.plan(&["--save", &file]).await;
    let apply = [
        "apply",
        "--auto-approve",
        "--output",
        "json",
        "--plan",
        &file,
    ];
    save().await;
    let nothing: Value = serde_json::from_str(&shop.good(&apply).await).unwrap();
    assert_eq!(
        (&nothing["kind"], &nothing["applied"]),
        (&json!("apply"), &json!(false))
    );
    shop.folder.write(&super::checks(4..5, ""));
    save().await;
    let held = shop.ctl(&apply).await;
    assert_eq!(held.code, 4, "{}", held.words);
    let document: Value = serde_json::from_str(&held.out).unwrap();
    assert_eq!(
        (&document["applied"], &document["guards"][0]["name"]),
        (&json!(false), &json!("deletes"))
    );
}
