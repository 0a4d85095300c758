//! Declared checks, through the API: what files own only files change.

use lokahi::model::check::CheckSpec;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::proto::lokahi::{ListOpts, PlanResult, SpecDigests, SpecUpload, change};
use lokahi::spec::{Digest, encode_check, encode_webhook};
use serde_json::json;

use crate::support::declaring::{Declaring, apply};
use crate::support::server::Server;

fn check(url: &str) -> CheckSpec {
    CheckSpec {
        labels: [("team".to_owned(), "web".to_owned())].into(),
        receivers: vec!["oncall".parse().unwrap()],
        ..CheckSpec::new(url.parse().unwrap())
    }
}

fn webhook() -> WebhookSpec {
    WebhookSpec {
        url: "http://hook.example.com/".parse().unwrap(),
        format: WebhookFormat::Json,
    }
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
            "file": "web.hcl", "line": "14", "generation": "1"});
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
