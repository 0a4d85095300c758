//! Past the files: refused, forced with a reason, shown in the next plan, and undone by the
//! next apply; or kept.

use serde_json::json;

use super::{HOOK, NOTIFY, Shop, check};

const WHY: &str = "it floods the pager";

async fn shop() -> Shop {
    let declares = HOOK.to_owned() + &check("web", NOTIFY) + &check("mail", "");
    Shop::with(&declares).await
}

/// The `!` lines of a plan.
fn drift(out: &str) -> Vec<String> {
    let lines = out
        .lines()
        .filter(|line| line.trim_start().starts_with('!'));
    lines
        .map(|line| match line.split_once(" at 20") {
            Some((before, after)) => {
                let (_, after) = after.split_once(" UTC").unwrap();
                format!("{before} at TIME{after}")
            }
            None => line.to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn without_force_it_is_refused_and_the_line_is_named() {
    let shop = shop().await;
    for command in [&["put", "shop/web", "-e", "5"][..], &["delete", "shop/web"]] {
        let refused = shop.ctl(command).await;
        assert_eq!(refused.code, 9, "{}", refused.words);
        let words = refused.words.as_str();
        insta::allow_duplicates!(insta::assert_snapshot!(words, @r"
        error: failed_precondition: the check web is declared in shop.hcl:9 of the project shop; edit it there and apply, or go past the files with force and a reason (lokahictl: --force --reason WHY)
        hint: edit shop.hcl:9, then run: lokahictl apply
        "));
    }
    assert_eq!(shop.check("shop", "web").await.unwrap().every, 60);
    // Nobody forces by accident, or without a word.
    let silent = shop.ctl(&["delete", "shop/web", "--force"]).await;
    assert_eq!(silent.code, 64, "{}", silent.words);
}

#[tokio::test]
async fn a_forced_put_is_audited_shown_and_restored() {
    let shop = shop().await;
    let id = shop.id("web").await;
    let put = ["put", "shop/web", "-e", "300", "--force", "--reason", WHY];
    let done = shop.ctl(&put).await;
    let says = "the next apply of them undoes what is otherwise in them";
    assert!(
        done.code == 0 && done.words.contains(says),
        "{}",
        done.words
    );
    assert_eq!(shop.check("shop", "web").await.unwrap().every, 300);

    let audit = shop.server.good("Audit/List", r#"{"action":"Checks/Put"}"#);
    let audit = audit.await["entries"][0].clone();
    let fields = ["project", "forced", "reason", "outcome"].map(|field| audit[field].clone());
    assert_eq!(json!(fields), json!(["shop", true, WHY, "done"]));

    let status = shop.good(&["status", "shop", "--output", "table"]).await;
    assert!(
        status.contains("drift        1 check was changed past the files"),
        "{status}"
    );
    let planned = shop.plan(&["--fail-on", "drift"]).await;
    assert_eq!(planned.code, 3);
    assert_eq!(
        drift(&planned.out),
        [format!(
            "  ! changed past the files by anonymous at TIME, because: {WHY}"
        )]
    );
    assert!(
        planned.out.contains("~ every : \"5m\" -> \"60s\""),
        "{}",
        planned.out
    );
    let document = shop.document(&[]).await;
    assert_eq!(document["summary"]["drifted"], 1);
    let told = &document["changes"][0]["drift"];
    assert_eq!(told["reason"], WHY);

    shop.apply().await;
    let web = shop.check("shop", "web").await.unwrap();
    assert_eq!((web.every, web.id), (60, id));
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);
}

#[tokio::test]
async fn a_forced_delete_is_shown_and_undone() {
    let shop = shop().await;
    let id = shop.id("mail").await;
    let delete = ["delete", "shop/mail", "--force", "--reason", WHY];
    shop.good(&delete).await;
    assert!(shop.check("shop", "mail").await.is_none());
    let planned = shop.plan(&[]).await;
    assert_eq!(
        drift(&planned.out),
        [format!(
            "  ! deleted past the files by anonymous at TIME, because: {WHY}"
        )]
    );
    shop.apply().await;
    assert_eq!(shop.id("mail").await, id);
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);
}

#[tokio::test]
async fn what_is_protected_is_not_deleted_by_force_either() {
    let protect = "lifecycle {\n    prevent_destroy = true\n  }";
    let shop = Shop::with(&(check("web", protect) + &check("mail", ""))).await;
    let id = shop.id("web").await;
    let delete = ["delete", "shop/web", "--force", "--reason", WHY];
    let refused = shop.ctl(&delete).await;
    assert_eq!(refused.code, 4, "{}", refused.words);
    insta::assert_snapshot!(refused.words.replace(&id, "ID"), @r"
    error: failed_precondition: the check web has prevent_destroy, and is not deleted by force either; to have it quiet now: lokahictl put ID --disable --force --reason WHY; to have it gone: declare prevent_destroy = false at shop.hcl:5 of the project shop, apply that, and delete it then
    hint: edit shop.hcl:5, then run: lokahictl apply
    ");
    let quiet = ["put", &id, "--disable", "--force", "--reason", WHY];
    shop.good(&quiet).await;
    assert!(shop.check("shop", "web").await.unwrap().disabled);
    shop.folder.write(&(check("web", "") + &check("mail", "")));
    shop.apply().await;
    shop.good(&delete).await;
    assert!(shop.check("shop", "web").await.is_none());
}

#[tokio::test]
async fn what_was_deleted_past_the_files_and_then_dropped_from_them_is_over() {
    let shop = shop().await;
    let delete = ["delete", "shop/mail", "--force", "--reason", WHY];
    shop.good(&delete).await;
    let drifted = async || {
        let status = shop.server.good("Projects/Status", r#"{"project":"shop"}"#);
        status.await["projects"][0]["drifted"].clone()
    };
    assert_eq!(drifted().await, 1);
    shop.folder
        .write(&(HOOK.to_owned() + &check("web", NOTIFY)));
    let planned = shop.plan(&[]).await;
    let first: Vec<&str> = planned.out.lines().take(1).collect();
    assert_eq!(
        first,
        ["  - check.mail is not declared any more        (was shop.hcl:16)"]
    );
    assert_eq!(
        drift(&planned.out),
        [format!(
            "  ! deleted past the files by anonymous at TIME, because: {WHY}"
        )]
    );
    shop.apply().await;
    assert_eq!(drifted().await, serde_json::Value::Null);
    let open = "select count(*) from memberships where address = 'mail' and to_gen is null";
    let mut conn = shop.server.store.acquire().await.unwrap();
    let open: i64 = sqlx::query_scalar(open)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(open, 0);
    // Its seven days are those of its delete.
    shop.good(&["restore", "shop", "mail", "--auto-approve"])
        .await;
    assert!(shop.check("shop", "mail").await.is_some());
}

#[tokio::test]
async fn a_forced_change_makes_a_plan_of_before_stale() {
    let shop = shop().await;
    shop.folder
        .write(&(HOOK.to_owned() + &check("web", "") + &check("mail", "")));
    let file = shop.folder.file("shop.plan");
    shop.good(&["plan", shop.folder.path(), "--save", &file])
        .await;
    let put = ["put", "shop/web", "-e", "300", "--force", "--reason", WHY];
    shop.good(&put).await;
    let apply = ["apply", "--auto-approve", "--plan", &file];
    let stale = shop.ctl(&apply).await;
    assert_eq!(stale.code, 5, "{}", stale.words);
    assert!(
        stale
            .words
            .contains("what is live was changed by anonymous at 20"),
        "{}",
        stale.words
    );
}

#[tokio::test]
async fn there_and_back_is_no_drift() {
    let shop = shop().await;
    for every in ["300", "60"] {
        let put = ["put", "shop/web", "-e", every, "--force", "--reason", WHY];
        shop.good(&put).await;
    }
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);
    // An edit of the files is the files' own.
    let edited = check("web", &format!("every = \"10s\"\n  {NOTIFY}"));
    shop.folder
        .write(&(HOOK.to_owned() + &edited + &check("mail", "")));
    let planned = shop.plan(&[]).await;
    assert!(drift(&planned.out).is_empty(), "{}", planned.out);
}

#[tokio::test]
async fn what_was_forced_can_be_kept_in_the_files() {
    let shop = shop().await;
    let put = ["put", "shop/web", "-e", "300", "--force", "--reason", WHY];
    shop.good(&put).await;
    let kept = shop.good(&["export", "--drift", "web"]).await;
    insta::assert_snapshot!(kept, @r#"
    # shop.hcl:9
    check "web" {
      url              = "https://web.example.com/"
      every            = "5m"
      timeout          = "10s"
      method           = "GET"
      follow_redirects = true
      close            = "normal"
      enabled          = true

      assert {
        status = ["2xx"]
      }

      confirm {
        failures  = 2
        successes = 1
        retry     = "5s"
      }

      notify {
        webhooks = [webhook.oncall]
      }

      lifecycle {
        prevent_destroy = false
      }
    }
    "#);
    let block = kept.split_once('\n').unwrap().1;
    shop.folder
        .write(&(HOOK.to_owned() + block + &check("mail", "")));
    let planned = shop.plan(&[]).await;
    assert!(
        planned.out.starts_with("  # check.web will be updated"),
        "it is declared from now on: {}",
        planned.out
    );
    shop.apply().await;
    assert_eq!(shop.check("shop", "web").await.unwrap().every, 300);
    let nothing = shop.ctl(&["export", "--drift", "shop"]).await;
    assert_eq!(nothing.words, "nothing was changed past the files\n");
}

/// Defaults that a check says no to, and what forces it away from the others.
async fn below_defaults() -> (Shop, String) {
    let defaults = "defaults {\n  playbook_url   = \"https://wiki.example.com/\"\n  \
                    webhook_url    = \"http://own.example.com/\"\n  webhook_format = \"json\"\n  \
                    notify {\n    webhooks = [webhook.oncall]\n  }\n}\n\n";
    let rest = HOOK.to_owned() + defaults + &check("mail", "");
    let quiet = check("web", "notify {\n    webhooks = []\n  }");
    let shop = Shop::with(&(rest.clone() + &quiet)).await;
    (shop, rest)
}

#[tokio::test]
async fn what_is_kept_takes_nothing_more_from_defaults() {
    let (shop, rest) = below_defaults().await;
    let mut web = shop.check("shop", "web").await.unwrap();
    assert_eq!(web.webhook_url, "http://own.example.com/");
    (web.every, web.force, web.force_reason) = (300, true, WHY.to_owned());
    (web.playbook_url, web.webhook_url, web.webhook_format) = Default::default();
    let cleared = ["every", "playbook_url", "webhook_url", "webhook_format"];
    web.update_mask = cleared.map(str::to_owned).to_vec();
    shop.server.client().put(&web).await.unwrap();
    for name in ["web", "shop", "shop/web"] {
        let kept = shop.good(&["export", "--drift", name]).await;
        let own: Vec<&str> = kept
            .lines()
            .filter(|line| line.contains("null") || line.contains("[]"))
            .map(str::trim)
            .collect();
        let expected = [
            "playbook_url     = null",
            "webhook_url      = null",
            "webhook_format   = null",
            "webhooks = []",
        ];
        assert_eq!(own, expected, "{kept}");
        shop.folder.write(&(rest.clone() + &kept));
        let document = shop.document(&[]).await;
        let changes = document["changes"].as_array().unwrap();
        assert_eq!(changes.len(), 1, "{document:#}");
        assert_eq!(changes[0]["fields"], json!([]), "only the drift ends");
        assert_eq!(document["routing"], json!([]));
    }
    shop.apply().await;
    let planned = shop.plan(&["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{}", planned.out);
    assert_eq!(shop.check("shop", "web").await.unwrap().every, 300);
}

#[tokio::test]
async fn a_check_of_many_is_kept_by_its_own_name_or_with_all_of_them() {
    let each = "for_each = toset([\"a/b\", \"c\"])";
    let shop = Shop::with(&check("page", each)).await;
    let put = |every| {
        [
            "put",
            r#"page["c"]"#,
            "-e",
            every,
            "--force",
            "--reason",
            WHY,
        ]
    };
    shop.good(&put("300")).await;
    for name in ["page", r#"page["c"]"#, "shop/page", r#"shop/page["c"]"#] {
        let kept = shop.good(&["export", "--drift", name]).await;
        assert!(
            kept.starts_with("# shop.hcl:5\n# Where a for_each")
                && kept.contains("\ncheck \"page\" \"c\" {"),
            "{kept}"
        );
    }
    let other = shop.ctl(&["export", "--drift", r#"page["a/b"]"#]).await;
    assert_eq!((other.code, other.out.as_str()), (0, ""));
    assert_eq!(other.words, "nothing was changed past the files\n");
}

#[tokio::test]
async fn a_name_that_nobody_has_is_told_and_one_that_did_not_drift_is_another_thing() {
    let shop = shop().await;
    for (name, message) in [
        ("wbe", "there is no project and no check \"wbe\""),
        ("shop/wbe", "the project shop has no check \"wbe\""),
        ("shpo/web", "there is no project \"shpo\""),
        (
            "Not a name",
            "there is no project and no check \"Not a name\"",
        ),
    ] {
        let refused = shop.ctl(&["export", "--drift", name]).await;
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{name}");
        let first = refused.words.lines().next().unwrap();
        assert_eq!(first, format!("error: not_found: {message}"));
    }
    for name in ["web", "shop", "shop/web"] {
        let nothing = shop.ctl(&["export", "--drift", name]).await;
        assert_eq!(nothing.code, 0, "{}", nothing.words);
        assert_eq!(nothing.words, "nothing was changed past the files\n");
    }
}

#[tokio::test]
async fn a_delete_past_the_files_is_kept_by_taking_its_block_out() {
    let shop = shop().await;
    let delete = ["delete", "shop/mail", "--force", "--reason", WHY];
    shop.good(&delete).await;
    for name in ["mail", "shop", "shop/mail"] {
        let kept = shop.good(&["export", "--drift", name]).await;
        insta::allow_duplicates!(insta::assert_snapshot!(kept, @r"
        # shop.hcl:16
        # check.mail was deleted past the files. To keep that, take its block out of them;
        # to have it back: lokahictl restore shop mail
        "));
    }
}

#[tokio::test]
async fn what_keeps_one_of_a_for_each_can_be_done() {
    let each = |keys: &str| {
        format!(
            "check \"page\" {{\n  for_each = toset([{keys}])\n  url      = \
             \"https://${{each.key}}.example.com/\"\n}}\n\n"
        )
    };
    let shop = Shop::with(&each("\"c\", \"d\"")).await;
    let name = r#"shop/page["c"]"#;
    let put = ["put", name, "-e", "300", "--force", "--reason", WHY];
    shop.good(&put).await;
    let kept = shop.good(&["export", "--drift", name]).await;
    assert!(
        kept.contains("write every key\n# out as such a block"),
        "{kept}"
    );
    let other = check("page", "").replace("\"page\"", "\"page\" \"d\"");
    let other = other.replace("page.example", "d.example");
    shop.folder.write(&(other + &kept));
    let planned = shop.plan(&[]).await;
    assert_eq!(planned.code, 0, "{}{kept}", planned.out);
    let document = shop.document(&[]).await;
    let changes = document["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{document}");
    assert_eq!(changes[0]["fields"], json!([]), "only the drift ends");
}

#[tokio::test]
async fn the_line_to_edit_is_named_below_the_root_of_its_repository() {
    let shop = Shop::start().await;
    shop.folder.init("https://git.example.com/ops.git");
    let root = "lokahi {\n  project = \"shop\"\n}\n\n".to_owned();
    let folder = format!("{}/checks.d", shop.folder.path());
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(format!("{folder}/web.hcl"), root + &check("web", "")).unwrap();
    shop.folder.commit();
    shop.good(&["apply", "--auto-approve", &folder]).await;
    let refused = shop.ctl(&["put", "shop/web", "-e", "5"]).await;
    assert_eq!(refused.code, 9);
    insta::assert_snapshot!(refused.words, @r"
    error: failed_precondition: the check web is declared in checks.d/web.hcl:5 of the project shop (https://git.example.com/ops.git); edit it there and apply, or go past the files with force and a reason (lokahictl: --force --reason WHY)
    hint: edit checks.d/web.hcl:5, then run: lokahictl apply
    ");
}
