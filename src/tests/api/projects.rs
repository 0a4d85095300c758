//! Declared checks, through the API: what files own only files change.

use lokahi::model::check::CheckSpec;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::proto::lokahi::{
    ListOpts, PlanRequest, PlanResult, Restore, Revision, SpecDigests, SpecUpload, change,
};
use lokahi::spec::{Digest, encode_check, encode_webhook};
use serde_json::json;

use crate::support::declaring::{Declaring, apply};
use crate::support::programs::lokahictl;
use crate::support::server::Server;

fn check(url: &str) -> CheckSpec {
    CheckSpec {
        labels: [("team".to_owned(), "web".to_owned())].into(),
        receivers: vec!["oncall".parse().unwrap()],
        ..CheckSpec::new(url.parse().unwrap())
    }
}

fn webhook() -> WebhookSpec {
    WebhookSpec::new(
        "http://hook.example.com/".parse().unwrap(),
        WebhookFormat::Json,
    )
}

fn shop() -> Declaring {
    Declaring::new("shop").webhook("oncall", webhook())
}

fn actions(plan: &PlanResult) -> Vec<(change::Action, &str)> {
    let changes = plan.changes.iter();
    changes.map(|c| (c.action(), c.address.as_str())).collect()
}

#[tokio::test]
async fn an_apply_uploads_what_is_missing_and_deletes_what_is_gone() {
    let server = Server::start().await;
    let client = server.client();
    let (web, api) = (
        check("http://web.example.com/"),
        check("http://api.example.com/"),
    );
    let both = shop().check("api", api.clone()).check("web", web.clone());
    let early = both.upload_index(&client).await.unwrap();
    let early = client.plan(&early).await.unwrap_err().to_string();
    assert!(
        early.starts_with("failed_precondition: the spec of "),
        "{early}"
    );

    let specs = [
        encode_check(&web),
        encode_check(&api),
        encode_webhook(&webhook()),
    ];
    let asked = SpecDigests {
        digests: specs.map(|bytes| Digest::of(&bytes).0.to_vec()).to_vec(),
    };
    assert_eq!(client.missing_specs(&asked).await.unwrap().digests.len(), 3);
    both.upload_specs(&client).await.unwrap();
    assert_eq!(client.missing_specs(&asked).await.unwrap().digests.len(), 0);

    let planned = both.plan(&client).await.unwrap();
    let create = change::Action::Create;
    let expect = [(create, "oncall"), (create, "api"), (create, "web")];
    assert_eq!((planned.generation, actions(&planned)), (0, expect.into()));
    let applied = apply(&client, &planned).await.unwrap();
    assert_eq!((applied.generation, applied.summary), (1, planned.summary));
    let again = both.plan(&client).await.unwrap();
    assert_eq!((again.generation, again.changes.len()), (1, 0));

    let fewer = shop().check("web", web).plan(&client).await.unwrap();
    assert_eq!(actions(&fewer), [(change::Action::Delete, "api")]);
    apply(&client, &fewer).await.unwrap();
    let web_team = ListOpts {
        labels: [("team".to_owned(), "web".to_owned())].into(),
        project: "shop".into(),
        owner: "declared".into(),
        ..ListOpts::default()
    };
    let left = client.list(&web_team).await.unwrap();
    let left: Vec<_> = left
        .results
        .into_iter()
        .map(|row| row.check.unwrap())
        .collect();
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].name.as_str(), left[0].receivers.as_slice()),
        ("web", &["oncall".to_owned()][..])
    );
}

#[tokio::test]
async fn what_a_file_declares_is_changed_in_the_file() {
    let server = Server::start().await;
    let client = server.client();
    let shop = shop().check("web", check("http://web.example.com/"));
    shop.apply(&client).await.unwrap();
    let page = client.list(&ListOpts::default()).await.unwrap();
    let id = page.results[0].check.clone().unwrap().id;
    for method in ["Checks/Put", "Checks/Delete"] {
        let body = json!({"id": id, "every": 5}).to_string();
        let refused = server.json(method, &body).await;
        assert_eq!(refused.refusal(), "412 failed_precondition -", "{method}");
        let meta = json!({"reason": "declared", "project": "shop", "address": "web",
            "file": "web.hcl", "path": "web.hcl", "line": "14", "generation": "1"});
        assert_eq!(refused.json()["meta"], meta);
    }
}

#[tokio::test]
async fn a_spec_that_breaks_a_rule_is_not_stored() {
    let server = Server::start().await;
    let client = server.client();
    let upload = SpecUpload {
        checks: vec![b"\x08\x01".to_vec()],
        ..SpecUpload::default()
    };
    let error = client.upload_specs(&upload).await.unwrap_err().to_string();
    assert!(
        error.starts_with("invalid_argument: checks: entry 0: every"),
        "{error}"
    );
    let reserved = Declaring::new("api").plan(&client).await;
    let error = reserved.unwrap_err().to_string();
    assert!(error.starts_with("invalid_argument: project: "), "{error}");
}

#[tokio::test]
async fn what_is_to_be_restored_has_a_name_before_anything_is_said_of_it() {
    let server = Server::start().await;
    let client = server.client();
    let shop = shop().check("web", check("http://web.example.com/"));
    shop.apply(&client).await.unwrap();
    for (address, to, shown) in [
        ("check.we\u{1b}[2Jb", "", r#""we\u001b[2Jb""#),
        ("we\nb", "", r#""we\nb""#),
        ("check.", "", r#""""#),
        ("webhook.on\u{202e}call", "", r#""on\u202ecall""#),
        ("webhook.page[\"a\"]", "", r#""page[\"a\"]""#),
        ("check.gone", "\u{1b}]0;x\u{7}", r#""\u001b]0;x\u0007""#),
        ("check.gone", "check.a b", r#""a b""#),
    ] {
        let asked = PlanRequest {
            project: "shop".to_owned(),
            restore: vec![Restore {
                address: address.to_owned(),
                to: to.to_owned(),
            }],
            ..PlanRequest::default()
        };
        let refused = client.plan(&asked).await.unwrap_err().to_string();
        let expect = format!("invalid_argument: restore: {shown} is not a");
        assert!(refused.starts_with(&expect), "{refused}");
        assert!(!refused.contains(|c: char| c.is_control()), "{refused:?}");
    }
    // The API's own are found by a text, and shown as one.
    for project in ["shop", "api", "sh\u{1b}[2Jop"] {
        let told = lokahictl(&server.url, &["restore", project, "we\u{1b}[2Jb"]).await;
        assert_eq!(told.code, 1, "{}", told.words);
        let words = told.words.replace('\n', "");
        assert!(!words.contains(|c: char| c.is_control()), "{words:?}");
    }
}

#[tokio::test]
async fn credentials_in_a_remote_that_a_client_claims_are_not_stored() {
    const PASSWORD: &str = "canary-9a41c2";
    let server = Server::start().await;
    let client = server.client();
    let mut shop = shop().check("web", check("http://web.example.com/"));
    let remotes = [
        (
            format!("https://ada:{PASSWORD}@git.example.com/ops.git"),
            "https://git.example.com/ops.git",
        ),
        (
            format!("https://{PASSWORD}@git.example.com/ops.git"),
            "https://git.example.com/ops.git",
        ),
        (
            format!("ssh://git:{PASSWORD}@git.example.com/ops.git"),
            "ssh://git.example.com/ops.git",
        ),
    ];
    for (round, (remote, shown)) in (1u16..).zip(&remotes) {
        let every = lokahi::model::check::Every::from_seconds((10 * round).into()).unwrap();
        let spec = CheckSpec {
            every,
            timeout: every.default_timeout(),
            ..check("http://web.example.com/")
        };
        shop = shop.check("web", spec);
        shop.request.revision = Some(Revision {
            remote: remote.clone(),
            ci_url: format!("https://ada:{PASSWORD}@ci.example.com/7"),
            ..Revision::default()
        });
        shop.apply(&client).await.unwrap();
        for method in ["Projects/Status", "Projects/History"] {
            let told = server.good(method, r#"{"project":"shop"}"#).await;
            let told = told.to_string();
            assert!(told.contains(shown), "{method}: {told}");
            assert!(
                told.contains("https://ci.example.com/7"),
                "{method}: {told}"
            );
            assert!(!told.contains(PASSWORD), "{method}: {told}");
        }
    }
    // Nor in what is kept of a plan for its apply, as bytes.
    let hex: String = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut conn = server.store.acquire().await.unwrap();
    for table in ["projects", "generations", "audit", "plans"] {
        let all = format!("select string_agg(t::text, ' ') from {table} t");
        let text: String = sqlx::query_scalar(sqlx::AssertSqlSafe(all))
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        let found = text.contains(PASSWORD) || text.contains(&hex);
        assert!(!found, "{table}: {text}");
    }
}

#[tokio::test]
async fn a_reason_of_blanks_is_none() {
    let server = Server::start().await;
    let client = server.client();
    let shop = shop().check("web", check("http://web.example.com/"));
    shop.apply(&client).await.unwrap();
    let page = client.list(&ListOpts::default()).await.unwrap();
    let id = page.results[0].check.clone().unwrap().id;
    for blank in ["", " ", "\u{a0}\u{2003}", "   \t"] {
        let reason = blank.trim_end_matches('\t');
        for (method, argument, body) in [
            (
                "Projects/Suspend",
                "reason",
                json!({"project": "shop", "reason": reason}),
            ),
            (
                "Checks/Put",
                "force_reason",
                json!({"id": id, "every": 5, "force": true, "force_reason": blank}),
            ),
            (
                "Checks/Delete",
                "reason",
                json!({"id": id, "force": true, "reason": blank}),
            ),
        ] {
            let refused = server.json(method, &body.to_string()).await;
            assert_eq!(
                refused.refusal(),
                format!("400 invalid_argument {argument}"),
                "{method} {blank:?}"
            );
            let told = refused.json()["msg"].as_str().unwrap().to_owned();
            let expect = format!("{argument}: is needed: whoever finds it");
            assert!(told.starts_with(&expect), "{told}");
        }
    }
    let status = server
        .good("Projects/Status", r#"{"project":"shop"}"#)
        .await;
    let project = &status["projects"][0];
    let untouched = (&project["suspended"], &project["drifted"]);
    assert_eq!(untouched, (&json!(null), &json!(null)), "{project}");
}
