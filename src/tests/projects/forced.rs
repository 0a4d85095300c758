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
        error: failed_precondition: the check web is declared in shop.hcl:9 of the project shop; edit it there and apply, or force it
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
    shop.good(&put).await;
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
        ["  - check.mail is not declared any more        (was FOLDER/shop.hcl:16)"]
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
